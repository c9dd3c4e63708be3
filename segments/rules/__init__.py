"""Rules: the tree that a segment stores."""

__all__ = ["operators", "schema", "tree", "verdicts"]
