"""Variants: other values for some parameters, each for a share of the people.

`plan` is what an engagement says of them, and what a run has pinned; `drawing` says who
gets which.
"""

__all__ = ["drawing", "plan"]
