"""Who is in a segment: counted, refreshed, and asked about before it changes."""

__all__ = [
    "counting",
    "deleting",
    "evaluation",
    "explaining",
    "live_size",
    "readers",
    "refresh",
    "rule_changes",
]
