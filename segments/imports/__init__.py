"""People and events from files: uploaded, mapped, checked, and brought into the inbox.

A file is read in pieces. Each piece's messages go into the inbox in the transaction that
notes how far the file was read, so whatever is killed, nothing is lost or comes twice.
"""

__all__ = [
    "erasing",
    "feeding",
    "lifecycle",
    "mapping",
    "progress",
    "reading",
    "report",
    "runner",
    "storing",
]
