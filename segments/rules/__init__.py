"""Rules: the tree that a segment stores."""

__all__ = ["operators", "tree", "verdicts"]
