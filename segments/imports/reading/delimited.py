"""CSV and its kin: cells between delimiters, quoted where they hold one."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from typing import BinaryIO

from segments.imports.reading.rows import MAX_COLUMNS, FileError, Position, Row
from segments.spreadsheets import as_it_was

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_ROWS = 50
SAMPLE_BYTES = 1 << 20
# In bytes, and a line: what is looked at together.
BLOCK = 1 << 20
# A quote that is open for so many characters is one that nobody closed.
MAX_CELL = 128 << 10
csv.field_size_limit(MAX_CELL)


class Delimited:
    """Rows of a file in UTF-8 without a mark, whose first row names the columns.

    `keeps_empty`: an empty line behind it is a row of empty cells. Raises FileError
    where there is no such row. The mark of a cell that a spreadsheet is not to run, as
    `'+49…`, is none of the cell's.
    """

    def __init__(
        self,
        stream: BinaryIO,
        delimiter: str = "",
        position: Position | None = None,
        keeps_empty: bool = False,
    ) -> None:
        self._stream, self._keeps_empty = stream, keeps_empty
        stream.seek(0)
        told = _told_delimiter(stream)
        self.delimiter = told or delimiter or _recognize(stream)
        stream.seek(0)
        self._before, self._has_marks = 0, False
        if told:
            stream.readline()
            self._before = 1
        self._begin()
        self.columns = self._header()
        if position is not None and position.offset:
            stream.seek(position.offset)
            self._before = position.line
            self._begin()

    @property
    def position(self) -> Position:
        line = self._before + self._reader.line_num
        return Position(self._stream.tell(), line)

    def read(self, count: int) -> list[Row]:
        """The next rows, as `rows.Reader` says.

        A row with too many or too few columns, with a quote where none may be, or with
        a cell that is too long, is a row with a problem.
        """
        rows: list[Row] = []
        while len(rows) < count:
            start = self._stream.tell()
            lines = self._lines(count - len(rows))
            if not lines:
                break
            cut = self._cut(lines)
            if cut is not None:
                rows += self._rows_of(cut)
                continue
            self._stream.seek(start)
            rows += self._parsed(len(lines))
        if self._has_marks:
            self._has_marks = False
            rows = [
                (line, [as_it_was(c) if "'" in c else c for c in cells], problem)
                for line, cells, problem in rows
            ]
        return rows

    def _lines(self, count: int) -> list[bytes]:
        """The next lines, at most `count`, and no more than take some memory."""
        lines, room = [], BLOCK
        for line in islice(self._stream, count):
            lines.append(line)
            room -= len(line)
            if room < 0:
                break
        return lines

    def _cut(self, lines: Sequence[bytes]) -> list[list[str]] | None:
        """Their cells; None where csv would do more than cut at each delimiter."""
        together = b"".join(lines)
        if b'"' in together or max(map(len, lines)) > MAX_CELL:
            return None
        try:
            text = together.decode()
        except UnicodeDecodeError:
            return None
        if "\r" in text:
            if text.count("\r") != text.count("\r\n"):
                return None
            text = text.replace("\r\n", "\n")
        delimiter = self.delimiter
        if text[0] == " " or "\n " in text or f"{delimiter} " in text:
            return None
        self._has_marks |= "'" in text
        return [line.split(delimiter) for line in text.removesuffix("\n").split("\n")]

    def _rows_of(self, cut: Sequence[list[str]]) -> list[Row]:
        """The rows of the next lines, one of each."""
        first = self._before + self._reader.line_num + 1
        self._before += len(cut)
        if set(map(len, cut)) == {len(self.columns)} and all(map(any, cut)):
            return list(zip(range(first, first + len(cut)), cut, repeat("")))
        made = (self._row(line, cells) for line, cells in enumerate(cut, first))
        return [row for row in made if row]

    def _parsed(self, count: int) -> list[Row]:
        """As many rows, as csv reads them; fewer at the end."""
        rows: list[Row] = []
        reader = self._reader
        while len(rows) < count:
            line = self._before + reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                break
            except (csv.Error, UnicodeDecodeError) as e:
                is_one_line = self.position.line == line
                if is_one_line and _is_too_long(e) and _closes_its_quotes(self._stream):
                    problem = f"It has a cell of over {MAX_CELL >> 10} KB."
                else:
                    problem = _problem(e, line)
                rows.append((line, [], problem))
                continue
            if row := self._row(line, cells):
                rows.append(row)
        return rows

    def _row(self, line: int, cells: list[str]) -> Row | None:
        """None for an empty line, unless it is a row."""
        width = len(self.columns)
        if not any(cells):
            return (line, [""] * width, "") if self._keeps_empty else None
        if len(cells) == width:
            return line, cells, ""
        return line, cells, f"It has {len(cells):,} columns, and the header {width:,}."

    def _begin(self) -> None:
        lines = map(self._decoded, self._stream)
        # A quote behind a delimiter and spaces begins a cell, too: cells are trimmed.
        self._reader = csv.reader(
            lines, delimiter=self.delimiter, strict=True, skipinitialspace=True
        )

    def _decoded(self, line: bytes) -> str:
        text = line.decode()
        if "'" in text:
            self._has_marks = True
        return text

    def _header(self) -> list[str]:
        try:
            names = next((row for row in self._reader if any(row)), None)
        except (csv.Error, UnicodeDecodeError) as e:
            raise FileError(f"The header: {_problem(e, 1)}") from e
        if names is None:
            raise FileError("The file is empty: it has no row with names of columns.")
        if len(names) > MAX_COLUMNS:
            raise FileError(f"A file has at most {MAX_COLUMNS} columns.")
        return names


def _problem(error: Exception, line: int) -> str:
    """What is wrong with a row; raises FileError where it swallows those after it."""
    if isinstance(error, UnicodeDecodeError):
        return "It is not written in UTF-8."
    said = str(error)
    if _is_too_long(error):
        raise FileError(
            f"A quote that opens in line {line:,} is not closed within"
            f" {MAX_CELL >> 10} KB. Close it, or write it twice where it is part of the"
            " text."
        ) from error
    if said.startswith("unexpected end"):
        raise FileError(
            f"A quote that opens in line {line:,} is never closed. Close it, or write"
            " it twice where it is part of the text."
        ) from error
    if "new-line" in said:
        return "It has a carriage return in the middle of a cell without quotes."
    return "A quote closes in the middle of a cell; write it twice where it is text."


def _is_too_long(error: Exception) -> bool:
    return str(error).startswith("field larger")


def _closes_its_quotes(stream: BinaryIO) -> bool:
    """Whether the line that was read last has an even number of quotes."""
    end = begin = stream.tell()
    quotes, is_whole = 0, False
    while begin > 0 and not is_whole:
        stop, begin = begin, max(begin - SAMPLE_BYTES, 0)
        stream.seek(begin)
        block = stream.read(stop - begin)
        # The last byte is that of the line's own end, if it has one.
        start = block.rfind(b"\n", 0, len(block) - (stop == end)) + 1
        quotes += block.count(b'"', start)
        is_whole = start > 0
    stream.seek(end)
    return quotes % 2 == 0


def _told_delimiter(stream: BinaryIO) -> str:
    """What a first line such as `sep=;`, which Excel reads, says."""
    head = stream.readline(8).rstrip(b"\r\n")
    is_told = len(head) == 5 and head[:4].lower() == b"sep="
    told = head[4:].decode("ascii", "replace") if is_told else ""
    return told if told in DELIMITERS else ""


def _recognize(stream: BinaryIO) -> str:
    """The delimiter that cuts most rows into as many cells as the first has."""
    stream.seek(0)
    sample = stream.read(SAMPLE_BYTES)
    is_whole = len(sample) < SAMPLE_BYTES
    text = sample.decode(errors="replace")
    if not is_whole:
        text = text[: text.rfind("\n") + 1] or text
    best = max(DELIMITERS, key=lambda d: _agreement(text, d))
    return best if _agreement(text, best)[0] else ","


def _agreement(text: str, delimiter: str) -> tuple[float, int]:
    """(share of rows with the header's number of cells, that number)."""
    widths = list(_widths(text, delimiter))
    if not widths or widths[0] < 2:
        return 0.0, 0
    return Counter(widths)[widths[0]] / len(widths), widths[0]


def _widths(text: str, delimiter: str) -> Iterator[int]:
    lines = io.StringIO(text, newline="")
    rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        for row in rows:
            if row:
                yield len(row)
            if rows.line_num > SAMPLE_ROWS:
                return
    except csv.Error:
        return
