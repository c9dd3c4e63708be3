"""Parquet, where pyarrow is installed: it comes with the extra `parquet`."""

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, BinaryIO

from segments.imports.reading.rows import MAX_COLUMNS, FileError, Position, Row

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
        self._done = position.offset if position else 0
        self._rows = self._all_rows(self._done)

    @property
    def position(self) -> Position:
        return Position(self._done, self._done)

    def read(self, count: int) -> list[Row]:
        rows: list[Row] = []
        try:
            for cells in self._rows:
                self._done += 1
                rows.append((self._done, list(map(plain, cells)), ""))
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
            columns = [_values(column) for column in batch.slice(skip).columns]
            skip = 0
            yield from zip(*columns, strict=True)


def _values(column: Any) -> list[Any]:
    import pyarrow

    # Python's times have microseconds.
    if pyarrow.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pyarrow.timestamp("us", column.type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values


def plain(value: Any) -> Any:
    """A value as JSON has it; times as ISO 8601, without a zone where they have none."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list):
        return list(map(plain, value))
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    return value
