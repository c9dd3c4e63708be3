"""JSON Lines: an object a line, whatever its keys."""

import re
from collections.abc import Sequence
from typing import Any, BinaryIO

import orjson

from segments.imports.reading.rows import (
    MAX_COLUMNS,
    MISSING,
    NUL,
    FileError,
    Position,
    Row,
)
from segments.models import stored

MAX_LINE = 1 << 20
# Deeper, Python could not even write it down as a bad row; messages end long before.
MAX_DEPTH = 100
# An escape whose backslash is not itself one's text.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")


class JsonLines:
    """Rows of a file in UTF-8 without a mark; a column is a key of the outermost object.

    Where it `finds` columns, each row may add some: their cells come after those known
    so far.
    """

    def __init__(
        self,
        stream: BinaryIO,
        columns: Sequence[str] = (),
        position: Position | None = None,
        finds: bool = False,
    ) -> None:
        self._stream = stream
        self._finds = finds
        self.columns = list(columns)
        self._index = {name: i for i, name in enumerate(self.columns)}
        start = position or Position()
        stream.seek(start.offset)
        self._line = start.line

    @property
    def position(self) -> Position:
        return Position(self._stream.tell(), self._line)

    def read(self, count: int) -> list[Row]:
        """The next rows, as `rows.Reader` says; empty lines are none."""
        rows: list[Row] = []
        while len(rows) < count:
            raw = self._stream.readline(MAX_LINE + 1)
            if not raw:
                break
            self._line += 1
            if len(raw) > MAX_LINE:
                self._skip_line(raw)
                rows.append((self._line, [], "It is longer than a megabyte."))
                continue
            if raw.isspace():
                continue
            try:
                rows.append((self._line, self._cells(raw), ""))
            except _BadLineError as e:
                rows.append((self._line, [raw.decode(errors="replace")], str(e)))
        return rows

    def _skip_line(self, raw: bytes) -> None:
        while raw and not raw.endswith(b"\n"):
            raw = self._stream.readline(MAX_LINE)

    def _cells(self, raw: bytes) -> list[Any]:
        try:
            row = stored.read(raw.decode())
            if b"\\ud" in raw or b"\\uD" in raw:
                # It refuses half a character, wherever one is.
                orjson.loads(raw)
        except ValueError as e:
            raise _BadLineError("It is not a JSON value in UTF-8.") from e
        if not isinstance(row, dict):
            raise _BadLineError("It is not a JSON object.")
        if b"\\u0000" in raw and _NUL.search(raw):
            raise _BadLineError(NUL)
        if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _is_deep(row):
            raise _BadLineError("Its values are nested too deeply.")
        cells = [MISSING] * len(self.columns)
        for name, value in row.items():
            index = self._index.get(name)
            if index is not None:
                cells[index] = value
            elif self._finds:
                self._add(name)
                cells.append(value)
        return cells

    def _add(self, name: str) -> None:
        if len(self.columns) == MAX_COLUMNS:
            raise FileError(f"The objects have more than {MAX_COLUMNS} different keys.")
        self._index[name] = len(self.columns)
        self.columns.append(name)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for one in level
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


class _BadLineError(ValueError):
    """A line that is no row."""
