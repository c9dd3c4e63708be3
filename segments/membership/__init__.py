"""Who is in a segment: counted, refreshed, and asked about before it changes."""

__all__ = ["counting", "deleting", "evaluation", "readers", "refresh", "rule_changes"]
