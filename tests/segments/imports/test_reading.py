"""Files as rows: formats, quotes, ends of lines, encodings, and where one goes on."""

import csv
import io
import json
from collections.abc import Callable

import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from segments import spreadsheets
from segments.imports.reading import delimited, encodings, formats
from segments.imports.reading.delimited import Delimited
from segments.imports.reading.json_lines import JsonLines
from segments.imports.reading.rows import MISSING, FileError, Position, Row


class Drops(io.RawIOBase):
    """A stream that gives at most so many bytes at a time."""

    def __init__(self, data: bytes, size: int):
        self.inner, self.size = io.BytesIO(data), size

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        return self.inner.seek(offset, whence)

    def tell(self):
        return self.inner.tell()

    def readinto(self, buffer):
        piece = self.inner.read(min(len(buffer), self.size))
        buffer[: len(piece)] = piece
        return len(piece)


def rows(data: str | bytes, **options):
    data = data.encode() if isinstance(data, str) else data
    return Delimited(io.BytesIO(data), **options).read(1_000)


def cells(data: str | bytes, **options):
    return [row[1] for row in rows(data, **options)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_is_recognized(delimiter):
    text = 'id,name,note\n1,"Ana, Bo; Cy|Di\tEd",x\n2,Bob,"a ""b"""\n'
    parts = [["1", "Ana, Bo; Cy|Di\tEd", "x"], ["2", "Bob", 'a "b"']]
    swapped = "\n".join(
        [delimiter.join(["id", "name", "note"])]
        + [
            delimiter.join(f'"{c.replace(chr(34), chr(34) * 2)}"' for c in p)
            for p in parts
        ]
    )
    table = Delimited(io.BytesIO(swapped.encode()))
    assert table.delimiter == delimiter
    assert [row[1] for row in table.read(9)] == parts
    assert cells(text)[0][1] == "Ana, Bo; Cy|Di\tEd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id\n1\n2\n", [["1"], ["2"]]),
        ("id,n\n1,a", [["1", "a"]]),
        ("id,n\r\n1,a\r\n", [["1", "a"]]),
        ("id,n\n\n1,a\n\n\n2,b\n", [["1", "a"], ["2", "b"]]),
        ("id,n\n1,a\n,\n", [["1", "a"]]),
        ("id,n\n1,\n", [["1", ""]]),
        ('id,n\n1,"two\r\nlines"\r\n', [["1", "two\r\nlines"]]),
        ('id,n\n1,5" pipe\n', [["1", '5" pipe']]),
        ("sep=;\nid;n\n1;a,b\n", [["1", "a,b"]]),
        ("id,n\n", []),
        ("id,id\n1,2\n", [["1", "2"]]),
        # As many write it by hand.
        ('id, n\n"1", "a, b"\n2,"c"\n', [["1", "a, b"], ["2", "c"]]),
    ],
)
def test_a_file_has_these_rows(text, expected):
    assert cells(text) == expected


def test_a_quoted_end_of_line_survives_every_size_of_a_chunk():
    data = ('id,note\r\n1,"a\r\nb"\r\n2,"é\r\n\r\n"\r\n' * 3).encode()
    whole = Delimited(io.BufferedReader(Drops(data, len(data)))).read(99)
    for size in range(1, len(data)):
        stream = io.BufferedReader(Drops(data, size), buffer_size=size)
        assert Delimited(stream).read(99) == whole


def test_an_open_quote_names_the_line_where_it_began():
    with pytest.raises(FileError, match=r"opens in line 3 is never closed"):
        rows('id,n\n1,a\n"Ana,1\n2,b\n3,c\n')
    # It may be the last of many: nothing is read to the end of a huge file for it.
    endless = 'id,n\n"Ana,1\n' + "2,b\n" * 100_000
    with pytest.raises(FileError, match=r"opens in line 2 "):
        rows(endless)


def test_a_row_of_another_width_is_bad_and_the_others_are_not():
    found = rows("id,n\n1,a\n2\n3,c,d\n4,e\n")
    assert [(line, problem) for line, _, problem in found] == [
        (2, ""),
        (3, "It has 1 columns, and the header 2."),
        (4, "It has 3 columns, and the header 2."),
        (5, ""),
    ]


def test_a_quote_in_the_wrong_place_is_a_bad_row():
    found = rows('id,n\n1,"a"b\n2,c\n')
    assert [(line, bool(problem)) for line, _, problem in found] == [
        (2, True),
        (3, False),
    ]


def test_lines_are_those_of_the_file():
    found = rows('id,n\n\n1,"a\nb"\n2,c\n')
    assert [line for line, _, _ in found] == [3, 5]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_a_header_says_so(text):
    with pytest.raises(FileError, match="empty"):
        rows(text)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_another_reader_goes_on_where_one_left_off(size):
    data = "id,n\r\n" + "".join(f'{i},"a{i}\r\n"\r\n' for i in range(20))
    stream = io.BytesIO(data.encode())
    whole, pieces, position = Delimited(stream).read(99), [], None
    while True:
        table = Delimited(io.BytesIO(data.encode()), position=position)
        piece = table.read(size)
        pieces += piece
        position = table.position
        if not piece:
            break
    assert pieces == whole


PIECES = st.sampled_from(
    [b"a", b"1", b"\xc3\xa9", b" ", b"\x0b", b"\xe2\x80\xa8", b"\x85", b"\0"]
    + [b","] * 6
    + [b"\n"] * 4
    + [b"\r\n", b"\r", b'"', b'""', b'"a\nb"', b"\xff", b"x" * 40]
)


def piece_by_piece(data: bytes, count: int, keeps_empty: bool) -> list[Row]:
    """All rows, each piece by a reader that goes on where the last left off."""
    found: list[Row] = []
    position = None
    while True:
        table = Delimited(io.BytesIO(data), ",", position, keeps_empty)
        if not (piece := table.read(count)):
            return found
        found += piece
        position = table.position


def by_csv(data: bytes, keeps_empty: bool) -> list[Row]:
    return Delimited(io.BytesIO(data), ",", None, keeps_empty)._parsed(len(data))


def rows_or_problem(read: Callable[[], list[Row]]) -> list[Row] | str:
    try:
        return read()
    except FileError as e:
        return str(e)


@given(st.lists(PIECES, max_size=40), st.sampled_from([1, 2, 3, 99]), st.booleans())
@example([b"1,a\n", b'"2', b"\n", b'",b\n', b"3,c\r\n"], 99, False)
@example([b"1,a\r\n", b"2,b\r\r\n", b"3,c\r"], 99, False)
@example([b"x" * 80, b",a\n", b"1,b\n"], 99, False)
def test_lines_that_are_cut_are_the_rows_that_csv_reads(pieces, count, keeps_empty):
    data = b"".join([b"id,n\n", *pieces])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK", 30)
        patch.setattr(delimited, "MAX_CELL", 60)
        before = csv.field_size_limit(60)
        try:
            cut = rows_or_problem(lambda: piece_by_piece(data, count, keeps_empty))
            parsed = rows_or_problem(lambda: by_csv(data, keeps_empty))
        finally:
            csv.field_size_limit(before)
    assert cut == parsed


# --- JSON Lines -------------------------------------------------------------------


def test_json_lines_with_blank_ones_and_without_the_last_end():
    data = b'{"id": 1, "a": null}\n\n{"id": 2, "b": [1]}'
    reader = JsonLines(io.BytesIO(data), finds=True)
    assert reader.read(9) == [(1, [1, None], ""), (3, [2, MISSING, [1]], "")]
    assert reader.columns == ["id", "a", "b"]
    again = JsonLines(io.BytesIO(data), ["id", "b"], Position(21, 1))
    assert again.read(9) == [(3, [2, [1]], "")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "It is not a JSON value in UTF-8."),
        (b"[1]", "It is not a JSON object."),
        (b'{"a": NaN}', "It is not a JSON value in UTF-8."),
        (b'{"a": "\xff"}', "It is not a JSON value in UTF-8."),
    ],
)
def test_a_bad_line_is_named_by_its_number_in_the_file(line, problem):
    data = b'{"id": 1}\n\n' + line + b'\n{"id": 2}\n'
    found = JsonLines(io.BytesIO(data), finds=True).read(9)
    assert [(row[0], row[2]) for row in found] == [(1, ""), (3, problem), (4, "")]


def test_long_numbers_are_exact():
    data = b'{"id": 9007199254740993}\n{"id": 123456789012345678901234567890}\n'
    found = JsonLines(io.BytesIO(data), finds=True).read(9)
    assert [row[1] for row in found] == [
        [9007199254740993],
        [123456789012345678901234567890],
    ]


# --- Parquet ----------------------------------------------------------------------


def parquet_file(**columns) -> io.BytesIO:
    target = io.BytesIO()
    table = pyarrow.table(columns)
    parquet.write_table(table, target, row_group_size=3)
    return target


def test_parquet_keeps_values_and_goes_on_within_a_group():
    stream = parquet_file(
        id=[f"u{i}" for i in range(8)],
        n=pyarrow.array(range(8), pyarrow.int64()),
        at=pyarrow.array(
            [1_700_000_000_000_000_001] * 8, pyarrow.timestamp("ns", "UTC")
        ),
        tags=[["a", None]] * 8,
    )
    recognized = formats.recognize(stream)
    assert recognized.columns == ("id", "n", "at", "tags")
    whole = formats.open_rows(stream, recognized).read(99)
    assert whole[0] == (1, ["u0", 0, "2023-11-14T22:13:20+00:00", ["a", None]], "")
    for begun in range(9):
        first = formats.open_rows(stream, recognized)
        head = first.read(begun) if begun else []
        rest = formats.open_rows(stream, recognized, first.position).read(99)
        assert head + rest == whole


def test_a_broken_parquet_file_says_so():
    with pytest.raises(FileError, match="no Parquet"):
        formats.recognize(io.BytesIO(b"PAR1 and no more"))


# --- Formats and encodings --------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04rest", "Save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0rest", "Excel workbook"),
        (b"\x1f\x8brest", "Unpack it"),
        (b"", "empty"),
        (b'[{"id": 1}]', "on a line of its own"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(data, words):
    with pytest.raises(FileError, match=words):
        formats.recognize(io.BytesIO(data))


def test_formats_are_recognized_by_what_is_in_the_file():
    assert formats.recognize(io.BytesIO(b"\n{}\n")).kind == "jsonl"
    assert formats.recognize(io.BytesIO(b"id;n\n1;2\n")).delimiter == ";"


TEXT = "id;name\r\n1;Jürgen Müller\r\n2;Zoë\r\n"
CYRILLIC = "имя;город\r\nИван Петров;Москва\r\nОльга;Казань\r\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"id,n\n1,a\n", "utf-8"),
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8-sig"),
        (TEXT.encode("utf-16"), "utf-16"),
        (TEXT.encode("utf-32"), "utf-32"),
        (TEXT.encode("cp1252"), ""),
        (TEXT.encode("utf-16-le"), ""),
        (b"x" * (1 << 20) + "é".encode("cp1252"), ""),
        # A character that lies across two blocks.
        (b"x" * ((1 << 20) - 1) + "é".encode(), "utf-8"),
    ],
)
def test_an_encoding_is_certain_or_asked_about(data, encoding):
    assert encodings.recognize(io.BytesIO(data)) == encoding


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (TEXT, "cp1252"),
        (CYRILLIC, "cp1251"),
        (TEXT, "utf-16-le"),
        (CYRILLIC, "utf-16-be"),
    ],
)
def test_a_question_about_the_encoding_has_a_preview(text, encoding):
    offered = encodings.candidates(io.BytesIO(text.encode(encoding)))
    shown = {one.encoding: one.preview for one in offered}
    assert any(line in shown[encoding] for line in text.splitlines())


def test_the_likeliest_encoding_comes_first():
    offered = encodings.candidates(io.BytesIO((CYRILLIC * 20).encode("cp1251")))
    assert offered[0].encoding == "cp1251"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_any_encoding_becomes_utf_8(encoding):
    target = io.BytesIO()
    encodings.to_utf8(io.BytesIO(TEXT.encode(encoding)), target, encoding)
    assert target.getvalue().decode() == TEXT


def test_lines_of_an_old_mac_end_with_a_line_feed():
    source, target = io.BytesIO(b"id,n\r1,a\r2,b\r"), io.BytesIO()
    assert not encodings.is_plain(source, "utf-8")
    encodings.to_utf8(source, target, "utf-8")
    assert target.getvalue() == b"id,n\n1,a\n2,b\n"


def test_a_wrong_encoding_names_the_line():
    data = b"id\n1\n\x98\n"
    with pytest.raises(FileError, match="After line 1"):
        encodings.to_utf8(io.BytesIO(data), io.BytesIO(), "cp1251")
    with pytest.raises(FileError, match="NUL"):
        encodings.recognize(io.BytesIO(b"id\n" + b"1\n" * 50 + b"\0"))


def test_the_position_of_json_is_in_bytes():
    data = "".join(json.dumps({"id": i, "n": "é"}) + "\n" for i in range(9)).encode()
    reader = JsonLines(io.BytesIO(data), finds=True)
    head = reader.read(4)
    rest = JsonLines(io.BytesIO(data), reader.columns, reader.position).read(99)
    assert [row[0] for row in head + rest] == list(range(1, 10))


# --- What was made harmless for spreadsheets ----------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "+447700900123",
        "=1+1",
        "-",
        "@x",
        " =1",
        "\t x",
        "\t=1",
        "a;=1",
        "=1;b;@c",
        "two\nlines\n-3",
        "O'Hara",
        "'",
        "''=1",
        "'quoted'",
        "a;'b",
        "\u2028=1",
    ],
)
def test_a_cell_is_read_as_it_was_before_it_was_made_harmless(text):
    written = spreadsheets.line(["x", text]).encode()
    assert cells(b"id,note\n" + written) == [["x", text]]


def test_a_mark_that_a_spreadsheet_would_take_away_goes():
    assert cells("id,note\n1,'=1\n2,'x\n") == [["1", "=1"], ["2", "'x"]]


def test_a_number_below_zero_needs_no_mark():
    assert spreadsheets.line([-3, -0.5, "-3"]) == "-3,-0.5,'-3\r\n"
