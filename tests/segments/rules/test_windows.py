"""When an event counts, to the microsecond: in zones, over clock changes, at the ends."""

import pytest
from django.db import connection

from segments.rules.conditions import windows

pytestmark = pytest.mark.django_db

NOW = "2026-04-17T01:00:00Z"
KOLKATA = {"calendar": True, "zone": "Asia/Kolkata"}
BERLIN = {"calendar": True, "zone": "Europe/Berlin"}
HAVANA = {"calendar": True, "zone": "America/Havana"}
# A condition's window, what time it is, and the first and last moments that count.
TABLE = [
    ({"within_days": 3}, NOW, "2026-04-14T01:00:00Z", None),
    # In the days of a calendar, the 14th belongs to it from midnight.
    ({"within_days": 3, "calendar": True}, NOW, "2026-04-14T00:00:00Z", None),
    ({"within_days": 3, **KOLKATA}, NOW, "2026-04-13T18:30:00Z", None),
    ({"within_days": 1, **KOLKATA}, "2026-04-16T18:29:59.999999Z", "2026-04-14T18:30:00Z", None),
    ({"within_days": 1, **KOLKATA}, "2026-04-16T18:30:00Z", "2026-04-15T18:30:00Z", None),
    # The day that the clock is put forward has 23 hours, and where it is put back 25.
    ({"within_days": 1, **BERLIN}, "2026-03-30T10:00:00Z", "2026-03-28T23:00:00Z", None),
    ({"within_days": 1, **BERLIN}, "2026-03-29T10:00:00Z", "2026-03-27T23:00:00Z", None),
    ({"within_days": 1, **BERLIN}, "2026-10-26T10:00:00Z", "2026-10-24T22:00:00Z", None),
    ({"within_days": 1}, "2026-03-29T10:00:00Z", "2026-03-28T10:00:00Z", None),
    # There is no midnight on that day: it begins at one.
    ({"within_days": 1, **HAVANA}, "2026-03-09T12:00:00Z", "2026-03-08T05:00:00Z", None),
    # That day has two midnights: it begins with the first, and has 25 hours.
    ({"within_days": 1, **HAVANA}, "2026-11-02T12:00:00Z", "2026-11-01T04:00:00Z", None),
    ({"within_days": 1, **HAVANA}, "2026-11-01T04:30:00Z", "2026-10-31T04:00:00Z", None),
    (
        {"between_days": [1, 2], **HAVANA},
        "2026-11-01T12:00:00Z",
        "2026-10-30T04:00:00Z",
        "2026-11-01T03:59:59.999999Z",
    ),
    (
        {"from": "2026-11-01", "until": "2026-11-01", "zone": "America/Havana"},
        NOW,
        "2026-11-01T04:00:00Z",
        "2026-11-02T04:59:59.999999Z",
    ),
    # Where the clock is put back at midnight, the day before has its last hour twice.
    (
        {"between_days": [1, 2], "calendar": True, "zone": "America/Asuncion"},
        "2024-03-24T12:00:00Z",
        "2024-03-22T03:00:00Z",
        "2024-03-24T03:59:59.999999Z",
    ),
    # A day that a zone left out has neither beginning nor end.
    (
        {"within_days": 1, "calendar": True, "zone": "Pacific/Apia"},
        "2011-12-31T09:00:00Z",
        "2011-12-30T10:00:00Z",
        None,
    ),
    ({"within_hours": 24}, NOW, "2026-04-16T01:00:00Z", None),
    ({"before_days": 30}, NOW, None, "2026-03-18T00:59:59.999999Z"),
    ({"between_days": [1, 3]}, NOW, "2026-04-14T01:00:00Z", "2026-04-16T00:59:59.999999Z"),
    (
        {"between_days": [1, 3], "calendar": True},
        NOW,
        "2026-04-14T00:00:00Z",
        "2026-04-16T23:59:59.999999Z",
    ),
    ({"between_days": [0, 1], **KOLKATA}, NOW, "2026-04-15T18:30:00Z", "2026-04-17T18:29:59.999999Z"),
    ({"between_days": [0, 1]}, NOW, "2026-04-16T01:00:00Z", "2026-04-17T00:59:59.999999Z"),
    ({"from": "2026-02-28", "until": "2026-02-28"}, NOW, "2026-02-28T00:00:00Z", "2026-02-28T23:59:59.999999Z"),
    (
        {"from": "2026-03-29", "until": "2026-03-29", "zone": "Europe/Berlin"},
        NOW,
        "2026-03-28T23:00:00Z",
        "2026-03-29T21:59:59.999999Z",
    ),
    ({"from": "2026-01-01T10:00", "zone": "Asia/Kolkata"}, NOW, "2026-01-01T04:30:00Z", None),
    ({"from": "2026-01-01T10:00+01:00", "zone": "Asia/Kolkata"}, NOW, "2026-01-01T09:00:00Z", None),
    ({"until": "2026-01-01T10:00Z"}, NOW, None, "2026-01-01T10:00:00Z"),
]  # fmt: skip


def counts(window, now, at):
    """Whether an event at that time counts, as the database says it."""
    found = " AND ".join(windows.sql(window)) or "true"
    sql = found.replace("statement_timestamp()", f"'{now}'::timestamptz")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql} FROM (SELECT {at} AS time) e")
        return cursor.fetchone()[0]


@pytest.mark.parametrize(("window", "now", "first", "last"), TABLE)
def test_a_window_begins_and_ends_at_the_microsecond(window, now, first, last):
    windows.validate({"event": "X", **window}, "Rule")
    for moment, before, after in ((first, False, True), (last, True, False)):
        if moment:
            at = f"'{moment}'::timestamptz"
            little = "interval '1 microsecond'"
            assert counts(window, now, at)
            assert counts(window, now, f"{at} - {little}") is before
            assert counts(window, now, f"{at} + {little}") is after


@pytest.mark.parametrize(("window", "now", "first", "last"), TABLE)
def test_a_window_that_moves_has_an_edge_for_each_end_and_another_none(
    window, now, first, last
):
    edges = list(windows.edges(window, "X"))
    moves = not any(key in window for key in windows.FIXED)
    assert len(edges) == (bool(first) + bool(last) if moves else 0)
