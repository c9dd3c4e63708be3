"""A piece of a file gives the same whether its rows are read together or one by one."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segments.imports.mapping import types
from segments.imports.mapping.messages import CLEAR, KEEP, Writer
from segments.imports.reading.rows import MISSING
from tests.segments.imports.conftest import EMAIL, ID, attribute, plan

AT = datetime(2026, 7, 5, 10, tzinfo=UTC)
PHONE = {"to": "phone"}
TYPES = (
    types.TEXT,
    types.NUMBER,
    types.NUMBER_COMMA,
    types.BOOLEAN,
    types.DATE_YMD,
    types.DATE_DMY,
    types.AS_IS,
    types.JSON,
)
CELLS = st.sampled_from(
    [
        "",
        " ",
        "u1",
        " Köln\u200b",
        "0",
        "7",
        "007",
        "-0",
        "1,234.5",
        "1.",
        "9007199254740993",
        "9" * 19,
        "true",
        "No",
        "2026-07-05",
        "05/07/2026 9:30",
        "2026-07-05T10:00:00+02:00",
        "a@X.example",
        "+447700900123",
        "+44 (0)7700 900123",
        "919876543210.0",
        "1.23457E+11",
        "null",
        "two\nlines",
        "x" * 300,
        "\0",
        None,
        MISSING,
        7,
        True,
        4.5,
        ["a", {"b": 1}],
        ' [{"a": 1}, "ü"]',
        '{"a": 1, "a": 2}',
        "{}",
    ]
)


@st.composite
def pieces(draw):
    """Rows of cells that are texts, nearly always, as a file has them."""
    plain = st.sampled_from(["7", "1.5", "u1", "true", "2026-07-05", "+447700900123"])
    cell = draw(st.sampled_from([plain, plain | CELLS]))
    count = draw(st.integers(0, 4))
    rows = [[draw(cell) for _ in range(5)] for _ in range(count)]
    return [(line, cells, "") for line, cells in enumerate(rows, 2)]


@given(
    pieces(),
    st.sampled_from(TYPES),
    st.sampled_from([KEEP, CLEAR]),
    st.sampled_from(["", "GB", "+"]),
    st.booleans(),
)
@example([(2, ["u1", "a@x.example", "", "7", "x"], "")], "number", KEEP, "", False)
@example([(2, ["u1", "", "+447700900123", "-0", "Ö"], "")], "number", CLEAR, "", False)
def test_together_gives_what_one_by_one_gives(rows, type, empty, country, has_id):
    first = ID if has_id else attribute("first")
    decided = plan(
        first,
        EMAIL,
        PHONE,
        attribute("typed", type),
        attribute("text"),
        empty=empty,
        country=country,
    )
    writer = Writer(decided, "import-1-", AT)
    together = writer.messages(rows)
    alone = [writer.messages([row]) for row in rows]
    one_by_one = writer._one_by_one(rows)
    expected = (
        [message for made, _ in alone for message in made],
        [problem for _, problems in alone for problem in problems],
    )
    assert repr(together) == repr(expected) == repr(one_by_one)


@pytest.mark.parametrize("cells", [["u1", "", "", "7", "x"], ["u2", "", "", "8", "y"]])
def test_what_is_plain_is_read_together(cells):
    decided = plan(ID, EMAIL, PHONE, attribute("n", "number"), attribute("text"))
    writer = Writer(decided, "import-1-", AT)
    assert writer._at_once([(2, cells, "")]) == writer._one_by_one([(2, cells, "")])[0]
