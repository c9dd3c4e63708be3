"""Rules: the tree that a segment stores."""

__all__ = ["comparing", "identified", "kinds", "operators", "tree", "verdicts"]
