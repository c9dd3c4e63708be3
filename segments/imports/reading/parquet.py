"""Parquet, where pyarrow is installed: it comes with the extra `parquet`."""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from segments.imports.reading import arrow
from segments.imports.reading.rows import (
    MAX_COLUMNS,
    NUL,
    FileError,
    Position,
    Row,
    has_nul,
)

BATCH = 5_000
MISSING_EXTRA = (
    "This server cannot read Parquet: pyarrow is not installed (the extra “parquet”)."
    " Save the table as CSV or JSON Lines."
)


class Parquet:
    """Rows of a Parquet file; a position counts rows. Raises FileError."""

    def __init__(self, stream: BinaryIO, position: Position | None = None) -> None:
        try:
            from pyarrow import ArrowException, parquet
        except ImportError as e:
            raise FileError(MISSING_EXTRA) from e
        self._errors: tuple[type[Exception], ...] = (ArrowException, OSError)
        try:
            self._file = parquet.ParquetFile(stream)
        except self._errors as e:
            raise FileError("The file ends early, or is no Parquet file.") from e
        self.columns = list(self._file.schema_arrow.names)
        if len(self.columns) > MAX_COLUMNS:
            raise FileError(f"A file has at most {MAX_COLUMNS} columns.")
        if has_nul(self.columns):
            raise FileError("The name of a column has the character NUL in it.")
        self._done = position.offset if position else 0
        self._rows = self._all_rows(self._done)

    @property
    def position(self) -> Position:
        return Position(self._done, self._done)

    def read(self, count: int) -> list[Row]:
        """The next rows, as `rows.Reader` says; one with a value that is none is bad."""
        rows: list[Row] = []
        try:
            for cells in self._rows:
                self._done += 1
                rows.append((self._done, [*map(arrow.plain, cells)], _problem(cells)))
                if len(rows) == count:
                    break
        except self._errors as e:
            raise FileError(f"After row {self._done:,} the file is broken.") from e
        return rows

    def _all_rows(self, skip: int) -> Iterator[tuple[Any, ...]]:
        """All rows but the first so many, of whose groups none is read."""
        groups: list[int] = []
        metadata = self._file.metadata
        for number in range(metadata.num_row_groups):
            size = metadata.row_group(number).num_rows
            if not groups and skip >= size:
                skip -= size
            else:
                groups.append(number)
        for batch in self._file.iter_batches(BATCH, row_groups=groups):
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            columns = [arrow.values(column) for column in batch.slice(skip).columns]
            skip = 0
            yield from zip(*columns, strict=True)


def _problem(cells: Sequence[Any]) -> str:
    """What is wrong with a row; "" for nothing."""
    if odd := next((cell for cell in cells if cell.__class__ is arrow.Odd), None):
        return f"It has a value that nothing can be made of: {odd}."
    return NUL if has_nul(cells) else ""
