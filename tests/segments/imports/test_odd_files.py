"""Odd files: one bad cell stops nobody else, and nothing that arrives is another value.

What arrived is compared with what the file says, as it is written in the test.
"""

import gzip
import io
import uuid
from datetime import date, timedelta
from decimal import Decimal

import pyarrow
import pytest
from pyarrow import parquet

from segments.imports import lifecycle, storing
from segments.imports.reading import formats
from segments.imports.reading.rows import FileError
from segments.models import Import, Profile
from tests.segments.imports.conftest import (
    EMAIL,
    ID,
    attribute,
    bring_in,
    check,
    plan,
    take,
    work,
)

pytestmark = pytest.mark.django_db

State = Import.State
AS_IS = attribute("x", "as_is")
GOOD = '{"id":"u1","x":"a"}\n'
LAST = '{"id":"u3","x":"c"}\n'


def arrived():
    return {p.external_id: p.attributes for p in Profile.objects.all()}


def bad(imported):
    return list(imported.bad_rows.order_by("line").values_list("line", flat=True))


# --- JSON Lines -------------------------------------------------------------------

ODD_LINES = {
    "NUL in a cell": r'{"id":"u2","x":"b\u0000"}',
    "NUL in a name": r'{"id":"u2","x":"b","\u0000":1}',
    "NUL deeper": r'{"id":"u2","x":[{"y":"\u0000"}]}',
    "NUL deeper, in a name": r'{"id":"u2","x":[{"\u0000":1}]}',
    "NUL behind a backslash": r'{"id":"u2","x":"\\\u0000"}',
    "half a character": r'{"id":"u2","x":"\ud83d"}',
    "the same beside a long number": (
        r'{"id":"u2","x":"\ud83d","y":123456789012345678901234567890}'
    ),
    "more than a megabyte": f'{{"id":"u2","x":"{"b" * (1 << 20)}"}}',
    "nested deep": f'{{"id":"u2","x":{"[" * 1_000}{"]" * 1_000}}}',
    "a whole number of over 64 bits": '{"id":"u2","x":123456789012345678901}',
    "an ID that is no text": '{"id":1.5,"x":"b"}',
    "nobody": '{"x":"b"}',
}


@pytest.mark.parametrize("line", ODD_LINES.values(), ids=ODD_LINES)
@pytest.mark.parametrize("is_first", [True, False])
def test_an_odd_line_is_bad_and_the_others_come_in(line, is_first):
    before, place = ("", 1) if is_first else (GOOD, 2)
    text = f"{before}{line}\n{'' if before else GOOD}{LAST}"
    imported = take(text, "people.jsonl")
    assert imported.state == State.UPLOADED, imported.problem
    uses = {"id": ID, "x": AS_IS}
    decided = plan(*(uses.get(column["name"], {}) for column in imported.columns))
    imported = check(imported, decided)
    assert (bad(imported), imported.found["new"]) == ([place], 2)
    assert lifecycle.start(imported)
    assert work(imported).state == State.DONE
    assert bad(imported) == [place]
    assert arrived() == {"u1": {"x": "a"}, "u3": {"x": "c"}}


def test_what_only_looks_like_nul_is_kept():
    text = r'{"id":"u1","x":"\\u0000"}' + "\n"
    bring_in(text, plan(ID, AS_IS), "people.jsonl")
    assert arrived() == {"u1": {"x": r"\u0000"}}


# --- CSV --------------------------------------------------------------------------

PEOPLE = [("u1", "Ana", "Köln"), ("u2", "Bo", "Łódź"), ("u3", "東", "Ñ, “x”")]


def table(end="\n", delimiter=",", last=True):
    rows = [("id", "name", "city"), *PEOPLE]
    quoted = [[f'"{c}"' if delimiter in c else c for c in row] for row in rows]
    text = end.join(delimiter.join(row) for row in quoted)
    return text + end if last else text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_same_people_come_in_however_it_is_written(encoding, end, delimiter):
    for last in (True, False):
        text = table(end, delimiter, last)
        decided = plan(ID, attribute("name"), attribute("city"))
        assert bring_in(text.encode(encoding), decided).bad == 0
        assert arrived() == {u: {"name": n, "city": c} for u, n, c in PEOPLE}
        Profile.objects.all().delete()


@pytest.mark.parametrize("cell", ["x" * (1 << 20), f'"{"x" * (1 << 20)}"'])
def test_a_cell_of_a_megabyte_is_a_bad_row(cell):
    imported = bring_in(f"id,x\nu1,a\nu2,{cell}\nu3,c\n", plan(ID, attribute("x")))
    assert (imported.state, bad(imported)) == (State.DONE, [3])
    assert "128 KB" in imported.bad_rows.get().reason
    assert arrived() == {"u1": {"x": "a"}, "u3": {"x": "c"}}


def test_behind_a_long_cell_that_is_left_open_nothing_is_read():
    imported = take(f'id,x\nu1,a\nu2,"{"x" * (1 << 20)}\nu3,c\n')
    assert imported.state == State.FAILED
    assert "opens in line 3 is not closed within 128 KB" in imported.problem


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_alone_is_an_empty_file(encoding):
    with pytest.raises(FileError, match="empty"):
        take("".encode(encoding))


@pytest.mark.parametrize("text", ["", '[{"id": "u1"}]', 'id,"x"y\nu1,Ana\n'])
def test_of_a_file_that_is_refused_nothing_is_kept(folder, text):
    with pytest.raises(FileError):
        take(text.encode("utf-16"))
    assert list(folder.iterdir()) == []


def test_of_what_ends_in_the_middle_nothing_is_kept(folder):
    def blocks():
        yield b"id\nu1\n"
        raise ConnectionError("whoever sent it went away")

    with pytest.raises(ConnectionError):
        storing.take("people.csv", blocks())
    assert list(folder.iterdir()) == []


def test_a_file_stays_where_an_encoding_says_that_it_is_none(folder):
    data = "[1, é]".encode("cp1252")
    imported = storing.take("people.jsonl", [data])
    before = imported.path
    with pytest.raises(FileError, match="on a line of its own"):
        storing.set_encoding(imported, "cp1252")
    assert [path.name for path in folder.iterdir()] == [before]
    assert (folder / before).read_bytes() == data


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"])
def test_a_header_alone_has_no_rows(encoding, end):
    imported = take(f"id,city{end}".encode(encoding))
    assert (imported.state, imported.rows) == (State.UPLOADED, 0)
    assert [c["name"] for c in imported.columns] == ["id", "city"]


def test_a_thousand_columns_are_too_many_and_so_are_two_of_one_name():
    with pytest.raises(FileError, match="at most 500"):
        take(",".join(f"c{n}" for n in range(1_000)) + "\n")
    with pytest.raises(FileError, match="gzip file. Unpack it"):
        take(gzip.compress(b"id\nu1\n"))
    imported = take("id,city,city\nu1,Ulm,Bonn\n")
    assert [c["name"] for c in imported.columns] == ["id", "city", "city"]
    bring_in("id,city,city\nu1,Ulm,Bonn\n", plan(ID, attribute("city"), {}))
    assert arrived() == {"u1": {"city": "Ulm"}}


def test_one_person_thrice_with_other_contacts_is_one_with_the_last():
    text = "id,mail,city\nu1,a@x.example,Ulm\nu2,a@x.example,Jena\n"
    text += "u1,b@x.example,\nu1,C@x.example,Bonn\n"
    imported = bring_in(text, plan(ID, EMAIL, attribute("city")))
    assert imported.found["repeated"] == 2
    people = {p.external_id: (p.email, p.attributes["city"]) for p in all_people()}
    assert people == {"u1": ("c@x.example", "Bonn"), "u2": ("a@x.example", "Jena")}


def all_people():
    return Profile.objects.filter(merged_into=None)


# --- Parquet ----------------------------------------------------------------------

SOME = uuid.UUID("4a1c3a46-3b52-4d7e-9d6c-0c6f2b1f7a11")
NS = 1_700_000_000_123_456_789
CELLS = {
    "not a number": (pyarrow.array([float("nan")]), None),
    "infinite": (pyarrow.array([float("inf")]), None),
    "money": (pyarrow.array([Decimal("4.50")]), 4.5),
    "exact": (pyarrow.array([Decimal("12345678901234567.89")]), "12345678901234567.89"),
    "long": (
        pyarrow.array([Decimal(10**30)], pyarrow.decimal128(38, 0)),
        "1" + "0" * 30,
    ),
    "64 bits": (pyarrow.array([2**64 - 1], pyarrow.uint64()), 2**64 - 1),
    "text in bytes": (pyarrow.array([b"Ulm"]), "Ulm"),
    "bytes": (pyarrow.array([b"\xff\xfe"]), "fffe"),
    "UUID": (pyarrow.array([SOME.bytes], pyarrow.uuid()), str(SOME)),
    "duration": (pyarrow.array([timedelta(seconds=90)]), "0:01:30"),
    "zone": (
        pyarrow.array([0], pyarrow.timestamp("ms", "Asia/Kolkata")),
        "1970-01-01T05:30:00+05:30",
    ),
    "nanoseconds in a list": (
        pyarrow.array([[NS]], pyarrow.list_(pyarrow.timestamp("ns", "UTC"))),
        ["2023-11-14T22:13:20.123456+00:00"],
    ),
    "nanoseconds in an object": (
        pyarrow.array([{"t": NS}], pyarrow.struct([("t", pyarrow.timestamp("ns"))])),
        {"t": "2023-11-14T22:13:20.123456"},
    ),
    "time of day": (
        pyarrow.array([1_000_000_001], pyarrow.time64("ns")),
        "00:00:01",
    ),
    "category": (pyarrow.array(["Ulm"]).dictionary_encode(), "Ulm"),
    "map": (
        pyarrow.array([[("a", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        [["a", 1]],
    ),
}
NONE = {
    "a time after 9999": pyarrow.array([2**60], pyarrow.timestamp("us")),
    "a day after 9999": pyarrow.array([10**8], pyarrow.date32()),
    "deeper": pyarrow.array([[2**60]], pyarrow.list_(pyarrow.timestamp("us"))),
    "NUL": pyarrow.array(["b\0"]),
    "NUL deeper": pyarrow.array([[{"y": "\0"}]]),
}


def file_of(*columns: pyarrow.Array) -> bytes:
    target = io.BytesIO()
    parquet.write_table(pyarrow.table(columns, names=["id", "x"]), target)
    return target.getvalue()


@pytest.mark.parametrize(("cell", "value"), CELLS.values(), ids=CELLS)
def test_a_cell_of_parquet_arrives_as_it_is(cell, value):
    imported = bring_in(file_of(pyarrow.array(["u1"]), cell), plan(ID, AS_IS), "p")
    assert (imported.state, imported.bad) == (State.DONE, 0), imported.problem
    assert arrived() == {"u1": {} if value is None else {"x": value}}


@pytest.mark.parametrize("cell", NONE.values(), ids=NONE)
def test_a_cell_of_parquet_that_is_no_value_is_a_bad_row(cell):
    column = pyarrow.concat_arrays([cell, pyarrow.nulls(1, cell.type)])
    data = file_of(pyarrow.array(["u1", "u2"]), column)
    imported = bring_in(data, plan(ID, AS_IS), "p")
    assert (imported.state, bad(imported)) == (State.DONE, [1])
    assert arrived() == {"u2": {}}


def test_uuids_in_bytes_name_different_people():
    ids = [uuid.UUID(int=2**127 + n).bytes for n in range(300)]
    data = file_of(pyarrow.array(ids, pyarrow.binary(16)), pyarrow.array(range(300)))
    bring_in(data, plan(ID, AS_IS), "p")
    assert arrived() == {each.hex(): {"x": n} for n, each in enumerate(ids)}


def test_parquet_with_a_name_that_cannot_be_kept_says_so():
    target = io.BytesIO()
    columns = [pyarrow.array(["u1"]), pyarrow.array([date(2026, 1, 1)])]
    parquet.write_table(pyarrow.table(columns, names=["id", "a\0"]), target)
    with pytest.raises(FileError, match="NUL"):
        formats.recognize(target)
