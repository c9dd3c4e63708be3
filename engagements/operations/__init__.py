"""How delivery is doing, what limits it, and which alarms are on."""

__all__ = [
    "alarms",
    "bottleneck",
    "chart",
    "plan_use",
    "standstills",
    "status",
    "types",
]
