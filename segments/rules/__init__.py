"""Rules: the tree that a segment stores."""

__all__ = ["comparing", "kinds", "operators", "tree", "verdicts"]
