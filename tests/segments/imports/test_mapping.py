"""Columns by all of their cells, and rows as messages."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from segments.imports.mapping import columns, types
from segments.imports.mapping.columns import Column
from segments.imports.mapping.messages import (
    ColumnUse,
    Plan,
    Writer,
    problems_of,
)
from segments.imports.reading.rows import MISSING

AT = datetime(2026, 7, 5, 12, tzinfo=UTC)


def guessed(*cells):
    column = Column(name="x")
    # In two pieces: what the first says, the second may take back.
    for begin in (0, 1):
        piece = cells[begin : begin + 1] if not begin else cells[1:]
        rows = [(2 + begin + i, [cell], "") for i, cell in enumerate(piece)]
        columns.learn([column], rows, is_typed=False)
    return columns.guess(column, is_typed=False)


@pytest.mark.parametrize(
    ("cells", "type"),
    [
        (["05/07/2025", "27/07/2025"], "date_dmy"),
        (["05/07/2025", "07/27/2025"], "date_mdy"),
        (["27/07/2025", "07/27/2025"], "text"),
        (["05/07/2025", "06/07/2025"], ""),
        (["5.7.2025", "6.7.2025"], "date_dmy"),
        (
            ["2025-07-05", "2025-07-05 10:00", "2025-07-05T10:00:00.123+02:00"],
            "date_ymd",
        ),
        (["5/7/2025 3:04 PM", "13/7/2025 15:04"], "date_dmy"),
        (["007", "7A"], "text"),
        (["007", "8"], "text"),
        (["7", "8", "007"], "text"),
        (["4.5", "5"], "number"),
        (["4,5", "5"], "number_comma"),
        (["1,234.50", "12"], "number"),
        (["1.234,50", "12"], "number_comma"),
        (["1.234", "2.345"], ""),
        (["1.234", "2.34"], "number"),
        (["0.125"], "number"),
        (["9007199254740993", "-1"], "number"),
        (["12345678901234567890"], "text"),
        (["1e5", "2"], "text"),
        (["+49", "2"], "text"),
        (["true", "FALSE", ""], "boolean"),
        (["yes", "no"], "text"),
        ([" 1 ", "\N{NO-BREAK SPACE}2"], "number"),
        (["1\n2", "3"], "text"),
        (["", ""], "text"),
        (["1", "", "x"], "text"),
        (["45292", "45293"], "number"),
    ],
)
def test_a_column_has_the_type_of_all_its_cells(cells, type):
    assert guessed(*cells).type == type


def test_what_decided_is_said_with_its_line():
    assert guessed("05/07/2025", "27/07/2025").why == "Line 3 has “27/07/2025”."
    assert "007" in guessed("007", "8").why


def test_lists_and_objects_are_told_by_all_cells():
    assert (
        guessed("[]", '[{"kind": "car"}]', "", ' {\n "kind": "car"\n} ').type == "json"
    )
    found = guessed('["a"]', '{"kind": "car",}', "[]")
    assert found.type == types.TEXT
    assert found.why == 'Line 3 has “{"kind": "car",}”: no list or object.'
    found = guessed("[draft] a note", "{{name}}")
    assert (found.type, found.why) == (types.TEXT, "")
    assert guessed("", "").type == types.TEXT


def test_what_is_left_open_names_both():
    assert guessed("05/07/2025").open == (types.DATE_DMY, types.DATE_MDY)
    assert guessed("1.234").open == (types.NUMBER, types.NUMBER_COMMA)


def test_examples_of_typed_cells_are_json():
    column = Column(name="tags")
    column.learn([2, 3, 4], [["a"], {"ü": None}, True])
    assert column.examples == ['["a"]', '{"ü": null}', "true"]


def test_columns_keep_examples_and_counts():
    column = Column(name="x")
    rows = [(i, [cell], "") for i, cell in enumerate(["a", "", "b", "a", "c", "d"])]
    columns.learn([column], rows, is_typed=False)
    assert (column.filled, column.examples) == (5, ["a", "b", "c"])


def test_a_column_of_json_keeps_its_values():
    column = Column(name="x")
    rows = [(1, [1], ""), (2, [None], ""), (3, [MISSING], ""), (4, ["a"], "")]
    columns.learn([column], rows, is_typed=True)
    assert (column.filled, column.values) == (2, ["int"])
    assert columns.guess(column, is_typed=True).type == types.AS_IS


# --- Values -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        ("number", "5", 5),
        ("number", "-4.50", -4.5),
        ("number", "1,234,567.5", 1234567.5),
        ("number", "9007199254740993", 9007199254740993),
        ("number_comma", "1.234,5", 1234.5),
        ("number_comma", "5", 5),
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("date_ymd", "2026-07-05", "2026-07-05"),
        ("date_ymd", "2026/07/05", "2026-07-05"),
        ("date_dmy", "5.7.2026", "2026-07-05"),
        ("date_mdy", "7/5/2026", "2026-07-05"),
        ("date_dmy", "05/07/2026 10:00", "2026-07-05T08:00:00Z"),
        ("date_dmy", "5/1/2026 12:04 AM", "2026-01-04T23:04:00Z"),
        ("date_ymd", "2026-07-05T10:00:00.5+05:30", "2026-07-05T04:30:00.500000Z"),
        ("date_ymd", "2026-07-05 10:00:00Z", "2026-07-05T10:00:00Z"),
        ("excel_date", "45292", "2024-01-01"),
        ("excel_date", "59", "1900-02-28"),
        ("excel_date", "61", "1900-03-01"),
        ("excel_date", "45292.5", "2024-01-01T12:00:00"),
        ("json", '[1, 2.50, "ü", null]', [1, 2.5, "ü", None]),
        ("json", '{"id": 9007199254740993}', {"id": 9007199254740993}),
        ("json", r'["\u0041", "\\u0000"]', ["A", r"\u0000"]),
    ],
)
def test_a_cell_says(type, text, value):
    convert = types.converter(type, types.How(zone=ZoneInfo("Europe/Berlin")))
    found = convert(text)
    assert found == value and isinstance(found, value.__class__)


def test_a_day_of_excel_is_the_same_in_every_zone():
    for zone in ("Pacific/Kiritimati", "UTC", "Pacific/Niue"):
        convert = types.converter("excel_date", types.How(zone=ZoneInfo(zone)))
        assert convert("45292") == "2024-01-01"


@pytest.mark.parametrize(
    ("type", "text"),
    [
        ("number", "1_000"),
        ("number", "nan"),
        ("number", "12,34"),
        ("number", "9" * 30),
        ("number", "٣"),
        ("boolean", "maybe"),
        ("date_dmy", "31/02/2026"),
        ("date_dmy", "05/07/26 x"),
        ("date_ymd", "2026-07-05T25:00"),
        ("date_ymd", "tomorrow"),
        ("excel_date", "x"),
        ("excel_date", "0"),
        ("excel_date", "-1"),
        ("excel_date", "99999999999"),
        ("json", "7"),
        ("json", '"[1]"'),
        ("json", "null"),
        ("json", "[1"),
        ("json", "[1] [2]"),
        ("json", "[NaN]"),
        ("json", '{"a": 1, "a": 2}'),
        ("json", r'["\u0000"]'),
        ("json", r'["\ud800"]'),
        ("json", f"[{'9' * 30}]"),
        ("json", "[" * 20 + "]" * 20),
        ("json", "[" * 5_000 + "]" * 5_000),
        ("json", f'["{"ü" * (16 << 10)}"]'),
    ],
)
def test_a_cell_of_another_type_is_refused(type, text):
    with pytest.raises(ValueError, match="“"):
        types.converter(type, types.How())(text)


@pytest.mark.parametrize(
    ("text", "country", "kept"),
    [
        ("+44 7700 900123", "", "+447700900123"),
        ("07700 900123", "GB", "+447700900123"),
        ("447700900123", "GB", "+447700900123"),
        ("447700900123", "+", "+447700900123"),
        ("+44 7700 900123", "DE", "+447700900123"),
        ("919876543210.0", "+", "+919876543210"),
        ("9876543210.0", "IN", "+919876543210"),
        ("tel:+447700900123", "", "+447700900123"),
        ("00447700900123", "+", "+447700900123"),
        # Without a country nobody knows whose it is.
        ("07700 900123", "", "07700 900123"),
    ],
)
def test_a_phone_number_needs_a_country(text, country, kept):
    assert types.as_phone(text, country) == kept


# --- Messages ---------------------------------------------------------------------


def plan(*uses, **fields):
    return Plan(columns=tuple(ColumnUse(**use) for use in uses), **fields)


ID = {"to": "external_id"}
CITY = {"to": "attribute", "name": "city"}


def messages(plan_, *rows, prefix="import-7-"):
    numbered = [(line, list(cells), "") for line, cells in enumerate(rows, start=2)]
    return Writer(plan_, prefix, AT).messages(numbered)


def payload(plan_, *cells):
    made, problems = messages(plan_, cells)
    assert problems == []
    return made[0][2]


def reason(plan_, *cells):
    made, problems = messages(plan_, cells)
    assert made == []
    return problems[0][1]


def test_a_row_is_an_identify_of_its_line():
    made, problems = messages(
        plan(ID, {"to": "email"}, {"to": "phone"}, CITY, {}, country="DE"),
        ["u1", "Ana@Example.com", "0151 23456789", "Köln", "left out"],
    )
    assert problems == []
    assert made == [
        (
            "import-7-0000000002",
            "identify",
            {
                "timestamp": AT.isoformat(),
                "userId": "u1",
                "traits": {
                    "city": "Köln",
                    "email": "ana@example.com",
                    "phone": "+4915123456789",
                },
            },
        )
    ]


def test_a_later_line_has_the_larger_message_id():
    made, _ = messages(plan(ID), *[[f"u{i}"] for i in range(12)])
    ids = [message_id for message_id, _, _ in made]
    assert ids == sorted(ids)


def test_invisible_and_decomposed_characters_make_no_other_person():
    rows = [
        ["caf\N{LATIN SMALL LETTER E WITH ACUTE}", "a@x.example\N{NO-BREAK SPACE}"],
        ["cafe\N{COMBINING ACUTE ACCENT}\N{ZERO WIDTH SPACE}", " A@X.example"],
    ]
    made, _ = messages(plan(ID, {"to": "email"}), *rows)
    (_, _, one), (_, _, other) = made
    assert one == other


def test_an_empty_cell_keeps_and_clears_only_where_told():
    assert payload(plan(ID, CITY), "u1", " ")["traits"] == {}
    clears = plan(ID, CITY, {"to": "email"}, empty="clear")
    assert payload(clears, "u1", " ", "")["traits"] == {"city": None, "email": None}
    # What a row of JSON does not mention is not cleared.
    assert payload(clears, "u1", MISSING, MISSING)["traits"] == {}


@pytest.mark.parametrize(
    ("uses", "cells", "words"),
    [
        ([ID, CITY], ["", "Köln"], "names nobody"),
        ([ID, CITY], ["x" * 988, "Köln"], "over 987 bytes"),
        ([ID, CITY], [1.5, "Köln"], "neither a text nor whole"),
        ([ID, CITY], [True, "Köln"], "neither a text nor whole"),
        ([ID, {**CITY, "type": "number"}], ["u1", "x"], "City: “x” is no number."),
        ([ID, {"to": "phone"}], ["u1", "+1"], "no phone number"),
        ([ID, {"to": "phone"}], ["u1", "+44 7700 900123 ext 5"], "no phone number"),
        # Excel's: everybody whose number begins so would be one person.
        ([ID, CITY], ["1.23457E+11", "Köln"], "spreadsheet"),
        ([{"to": "phone"}, CITY], ["4,47701E+11", "Köln"], "spreadsheet"),
        ([ID, {"to": "phone"}], ["u1", "+44 77OO 900123"], "no phone number"),
        ([ID, CITY], ["u1", "x" * 40_000], "at most 32 KB"),
        ([ID, CITY], ["u1", {"a": "\0"}], "cannot be stored"),
        ([ID, CITY], ["u1", 2**70], "64 bits"),
    ],
)
def test_a_bad_row_says_why(uses, cells, words):
    assert words in reason(plan(*uses), *cells)


def test_a_row_with_a_problem_stays_one():
    writer = Writer(plan(ID), "import-7-", AT)
    made, problems = writer.messages([(3, [], "It is bad."), (4, ["u"], "")])
    assert problems == [(3, "It is bad.", [])]
    assert [message_id for message_id, _, _ in made] == ["import-7-0000000004"]


def test_a_number_is_an_id_as_it_is_written():
    assert payload(plan(ID), 9007199254740993)["userId"] == "9007199254740993"
    assert payload(plan(ID), "007")["userId"] == "007"


def test_the_time_of_a_row_never_wins_over_what_is_so_now():
    timed = plan(ID, CITY, {"to": "time", "type": "date_ymd"}, zone="Europe/Berlin")
    assert payload(timed, "u1", "x", "2026-01-01")["timestamp"] == (
        "2025-12-31T23:00:00+00:00"
    )
    later = (AT + timedelta(days=3)).isoformat()
    assert payload(timed, "u1", "x", later)["timestamp"] == AT.isoformat()
    assert payload(timed, "u1", "x", "")["timestamp"] == AT.isoformat()


EVENTS = [
    ID,
    {"to": "event"},
    {"to": "time", "type": "date_dmy"},
    {"to": "message_id"},
    {"to": "property", "name": "price", "type": "number_comma"},
]


def test_a_row_is_an_event():
    made, problems = messages(
        plan(*EVENTS, makes="events"), ["u1", "Bought", "05/07/2026", "order-1", "9,50"]
    )
    assert problems == []
    assert made == [
        (
            "order-1",
            "track",
            {
                "timestamp": "2026-07-05T00:00:00+00:00",
                "userId": "u1",
                "event": "Bought",
                "properties": {"price": 9.5},
            },
        )
    ]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["u1", "", "05/07/2026", "", ""], "name of the event is empty"),
        (["u1", "Bought", "", "", ""], "time of the event is empty"),
        (["u1", "Bought", "05/07/1999", "", ""], "between the year 2000 and tomorrow"),
        (["u1", "Bought", "08/07/2026", "", ""], "between the year 2000 and tomorrow"),
    ],
)
def test_an_event_without_what_makes_it_one_is_bad(cells, words):
    assert words in reason(plan(*EVENTS, makes="events"), *cells)


def test_all_events_of_a_file_may_have_one_name():
    named = plan(ID, {"to": "time", "type": "date_ymd"}, makes="events", event="Seen")
    assert payload(named, "u1", "2026-07-05")["event"] == "Seen"


# --- Plans ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uses", "fields", "where", "words"),
    [
        ([CITY], {}, None, "which column names the person"),
        (
            [CITY, {"to": "email"}],
            {"makes": "events"},
            None,
            "external ID or the anonymous ID",
        ),
        ([ID, ID], {}, 1, "“A” already becomes the same"),
        ([ID, CITY, CITY], {}, 2, "“B” already becomes the same"),
        ([ID, {"to": "email"}, {**CITY, "name": "email"}], {}, 2, "already becomes"),
        ([ID, {**CITY, "name": " "}], {}, 1, "Give it a name"),
        ([ID, {**CITY, "type": ""}], {}, 1, "leave it open"),
        ([ID, {**CITY, "type": "tpye"}], {}, 1, "no type"),
        ([ID], {"makes": "events"}, None, "what the event is called"),
    ],
)
def test_a_plan_that_cannot_be_says_where(uses, fields, where, words):
    found = problems_of(plan(*uses, **fields), "ABCDEF")
    assert words in found[where]


def test_a_plan_is_kept_as_it_was():
    kept = plan(*EVENTS, makes="events", zone="Asia/Kolkata", country="IN")
    assert Plan.from_json(kept.as_json()) == kept
    assert problems_of(kept, "ABCDEF") == {}
