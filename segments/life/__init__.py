"""A segment over time: its states, its rules one after the other, its size, its uses.

And what is done with all of its people at once: they are compared with those of other
segments, and exported.
"""

__all__ = [
    "copies",
    "differences",
    "members",
    "natures",
    "overlap",
    "sizes",
    "snapshots",
    "states",
    "uses",
]
