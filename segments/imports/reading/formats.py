"""Which format a file has, by what it begins with and not by what it is called."""

from dataclasses import dataclass
from typing import BinaryIO

from segments.imports.reading.delimited import Delimited
from segments.imports.reading.json_lines import JsonLines
from segments.imports.reading.parquet import Parquet
from segments.imports.reading.rows import FileError, Position, Reader

DELIMITED, JSON_LINES, PARQUET = "csv", "jsonl", "parquet"

_REFUSED = (
    (
        b"PK\x03\x04",
        "This is a workbook or a zip file. Save the sheet as CSV (UTF-8), or take the"
        " file out of the archive.",
    ),
    (b"\xd0\xcf\x11\xe0", "This is an Excel workbook. Save the sheet as CSV (UTF-8)."),
    (b"\x1f\x8b", "This is a gzip file. Unpack it first."),
    (b"%PDF", "This is a PDF. Bring the table as CSV, JSON Lines or Parquet."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How to read a file; `columns` are those that it has."""

    kind: str
    delimiter: str = ""
    columns: tuple[str, ...] = ()

    @property
    def is_typed(self) -> bool:
        """Whether its cells are values and not texts."""
        return self.kind != DELIMITED


def is_text(stream: BinaryIO) -> bool:
    """Whether it is text, in whatever encoding; raises FileError for what it cannot be."""
    stream.seek(0)
    head = stream.read(8)
    if not head:
        raise FileError("The file is empty.")
    for beginning, words in _REFUSED:
        if head.startswith(beginning):
            raise FileError(words)
    return not head.startswith(b"PAR1")


def recognize(stream: BinaryIO) -> Format:
    """The format of a file whose text is in UTF-8; raises FileError.

    The columns of JSON Lines are known when all lines were read.
    """
    if not is_text(stream):
        return Format(kind=PARQUET, columns=tuple(Parquet(stream).columns))
    stream.seek(0)
    first = next((line for line in stream if line.strip()), b"").lstrip()[:1]
    if first == b"[":
        raise FileError(
            "This is one JSON list. Write each object on a line of its own, without"
            " brackets and commas between them (JSON Lines)."
        )
    if first == b"{":
        return Format(kind=JSON_LINES)
    table = Delimited(stream)
    columns = tuple(table.columns)
    return Format(kind=DELIMITED, delimiter=table.delimiter, columns=columns)


def open_rows(
    stream: BinaryIO,
    format: Format,
    position: Position | None = None,
    finds: bool = False,
    keeps_empty: bool = False,
) -> Reader:
    """The rows of a file from a position on; raises FileError.

    `finds`: the columns of JSON Lines are yet to be found, all or some. `keeps_empty`:
    an empty line of a CSV is a row.
    """
    if format.kind == PARQUET:
        return Parquet(stream, position)
    if format.kind == JSON_LINES:
        return JsonLines(stream, format.columns, position, finds)
    return Delimited(stream, format.delimiter, position, keeps_empty)
