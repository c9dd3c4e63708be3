"""Lists that somebody uploads: read, looked at, written, and who moves by that.

A file is read in pieces into lines, each with what it comes to (`reading`, `runner`).
Nothing is changed before somebody who may has seen that, and who would enter and leave
(`effects`). Then the list is written, and the segments that ask for it follow
(`changes`).
"""

__all__ = ["asking", "changes", "effects", "erasing", "reading", "report", "runner"]
