"""Rules: the tree that a segment stores, and the only evaluator of it."""

__all__ = ["operators", "tree"]
