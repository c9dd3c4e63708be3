"""Rules: the tree that a segment stores."""

__all__ = ["kinds", "operators", "tree", "verdicts"]
