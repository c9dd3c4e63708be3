"""Rules: the tree that a segment stores."""

__all__ = [
    "comparing",
    "conditions",
    "identified",
    "kinds",
    "operators",
    "tree",
    "verdicts",
]
