"""What all formats have in common."""

from dataclasses import dataclass
from typing import Any, Protocol

# (line, cells, what is wrong with it): one of the last two is there. The line is the
# file's own, from 1, where the row begins; Parquet has none and counts its rows.
Row = tuple[int, list[Any], str]

MAX_COLUMNS = 500
# The problem of a row that the database could not keep.
NUL = r"It has the character NUL (\u0000), which cannot be stored."


class FileError(Exception):
    """The file cannot be read any further; the message says where and what to do."""


class _Missing:
    """A column that a row of JSON does not have, which is not the same as null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


def has_nul(value: Any) -> bool:
    """Whether a text in it, however deep, has a NUL."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(has_nul, value)) or any(map(has_nul, value.values()))
    return isinstance(value, list | tuple) and any(map(has_nul, value))


@dataclass(frozen=True, slots=True)
class Position:
    """Where the next row begins: in bytes (Parquet: in rows), and the line before it."""

    offset: int = 0
    line: int = 0


class Reader(Protocol):
    """Rows of a file, a piece at a time; all cells of a row are in order of `columns`."""

    columns: list[str]

    @property
    def position(self) -> Position:
        """Behind what was read last: another reader may go on from there."""

    def read(self, count: int) -> list[Row]:
        """The next rows, at most `count`; none at the end. Raises FileError."""
