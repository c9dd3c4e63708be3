"""A connection's keys, its rate plan, who may use it, and who changed what."""

__all__ = [
    "access",
    "audit_log",
    "encryption",
    "key_rotation",
    "key_rules",
    "oauth2",
    "rate_plans",
]
