"""How delivery is doing, what limits it, and which alarms are on."""
