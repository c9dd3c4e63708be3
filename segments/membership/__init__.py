"""Who is in a segment: counted, refreshed, and asked about before it changes."""

__all__ = [
    "counting",
    "counts",
    "deleting",
    "evaluation",
    "explaining",
    "following",
    "readers",
    "references",
    "refresh",
    "rule_changes",
    "turning",
]
