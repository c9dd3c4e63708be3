"""People and events from files: uploaded, mapped, checked, and applied.

A file is read in pieces. The transaction that notes how far the file was read also
applies the piece's messages, or puts them into the inbox where another worker is applying
just then: so whatever is killed, nothing is lost or comes twice.
"""

__all__ = [
    "erasing",
    "feeding",
    "leases",
    "lifecycle",
    "mapping",
    "progress",
    "reading",
    "report",
    "runner",
    "storing",
]
