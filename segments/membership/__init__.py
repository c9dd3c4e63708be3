"""Who is in a segment: counted, refreshed, and asked about before it changes."""

__all__ = [
    "counting",
    "deleting",
    "evaluation",
    "explaining",
    "following",
    "live_size",
    "readers",
    "references",
    "refresh",
    "rule_changes",
    "sampling",
    "turning",
]
