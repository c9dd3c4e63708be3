"""Each comparison's SQL and an obvious reading of it agree, about odd values and times."""

import json
import random
import sys
import unicodedata
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from segments.rules import operators
from segments.rules.comparing import days, folding
from segments.rules.operators import OPERATORS
from tests.segments.rules import made, oracle

pytestmark = pytest.mark.django_db

# Around midnights and changes of the clocks, in zones of made.ZONES.
TIMES = tuple(
    datetime.fromisoformat(at).astimezone(UTC) + timedelta(seconds=more)
    for at in (
        "2026-01-01T00:00:00+05:30",
        "2026-01-01T10:00:00+00:00",
        "2026-03-29T00:00:00+01:00",
        "2026-10-25T01:00:00+00:00",
        "2026-11-01T00:00:00-04:00",
        "2026-02-28T12:00:00+00:00",
        "2024-02-29T12:00:00+00:00",
    )
    for more in (-1, 0, 1)
)


def ask(comparison, cases):
    """What the comparison's own SQL says of (value, now): the clock is a column."""
    left = operators.read(operators.reads(comparison), "v.value")
    sql = operators.holds(left, comparison).replace(days.NOW, "v.now")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {sql.replace('%', '%%')} FROM (SELECT value::jsonb, now"
            " FROM unnest(%s::text[], %s::timestamptz[])"
            " WITH ORDINALITY u (value, now, n) ORDER BY n OFFSET 0) v",
            [
                [None if v is None else json.dumps(v) for v, _ in cases],
                [now for _, now in cases],
            ],
        )
        return [holds for (holds,) in cursor.fetchall()]


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_comparison_says_what_the_oracle_says(operator):
    source = random.Random(operator)
    for _ in range(25):
        comparison = made.comparison(source, OPERATORS, operator)
        if is_refused(comparison):
            continue
        times = TIMES if OPERATORS[operator].reads_clock else TIMES[:1]
        cases = [(value, now) for value in made.HOSTILE for now in times]
        said = ask(comparison, cases)
        wrong = [
            (comparison, value, now.isoformat(), holds)
            for (value, now), holds in zip(cases, said, strict=True)
            if holds is not oracle.compare(value, comparison, now)
        ]
        assert wrong == []


def is_refused(comparison):
    try:
        operators.validate(comparison, "here")
    except operators.ValidationError:
        return True
    return False


def test_every_option_changes_what_is_asked():
    changed = {
        ("equals", "fold"): ("pune", "Pune"),
        ("greater", "numbers_in_text"): (9, "10"),
    }
    for (operator, option), (value, left) in changed.items():
        now = TIMES[0]
        plain = {"is": operator, "value": value}
        assert ask(plain, [(left, now)]) == [False]
        assert ask({**plain, option: True}, [(left, now)]) == [True]
        assert ask({**plain, option: False}, [(left, now)]) == [False]


def test_postgresql_folds_every_character_as_we_do():
    everything = [
        chr(code)
        for code in range(1, sys.maxunicode + 1)
        if not 0xD800 <= code <= 0xDFFF
    ]
    # Between letters, so that nothing is put together with a neighbour.
    words = [f"a{char}Z" for char in everything if is_assigned(char)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(segments_fold(w)) FROM unnest(%s::text[]) w", [words]
        )
        (folded,) = cursor.fetchone()
    differing = [
        (word, theirs)
        for word, theirs in zip(words, folded, strict=True)
        if folding.fold(word) != theirs
    ]
    assert differing == []


def is_assigned(char):
    return unicodedata.category(char) not in ("Cn", "Co")


def test_postgresql_knows_all_zones():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_timezone_names")
        known = {name for (name,) in cursor.fetchall()}
    assert {"Asia/Kolkata", "Europe/Berlin", "UTC"} <= days.zones()
    assert days.zones() - known == set()


def next_midnight(zone, after):
    """The first second of another day, looked for second by second around midnight."""
    place = ZoneInfo(zone)
    today = after.astimezone(place).date()
    at = datetime.combine(today, time(22), place).astimezone(UTC)
    at = max(at, after.replace(microsecond=0))
    while at <= after or at.astimezone(place).date() == today:
        at += timedelta(seconds=1)
    return at


@pytest.mark.parametrize(
    "zone",
    [*made.ZONES, "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Asia/Kathmandu"],
)
@pytest.mark.parametrize(
    "after",
    [
        "2026-03-28T12:00:00+00:00",
        "2026-10-24T21:59:59+00:00",
        "2018-11-03T20:00:00-03:00",  # São Paulo: midnight is left out
        "2022-03-26T12:00:00+02:00",  # Beirut, too
        "2011-12-29T20:00:00-10:00",  # Apia: the whole day after is
        "2026-06-30T18:30:00+00:00",
        "2026-06-30T18:29:59.500000+00:00",
    ],
)
def test_the_next_day_begins_when_it_does(zone, after):
    at = datetime.fromisoformat(after).astimezone(UTC)
    assert days.next_midnight(zone, at) == next_midnight(zone, at)


def test_born_on_29_february_once_a_year():
    """On 28 February where there is no 29th."""
    comparison = {"is": "anniversary_in", "value": 0, "zone": "UTC"}
    first = datetime(2023, 1, 1, 12, tzinfo=UTC)
    every_day = [first + timedelta(days=n) for n in range(365 + 366)]
    said = ask(comparison, [("2000-02-29", day) for day in every_day])
    found = [
        day.date().isoformat()
        for day, holds in zip(every_day, said, strict=True)
        if holds
    ]
    assert found == ["2023-02-28", "2024-02-29"]
    # Three days before, and not in the year itself.
    soon = {**comparison, "value": 3}
    cases = [("2000-02-29", day - timedelta(days=3)) for day in every_day]
    assert ask(soon, cases) == said
    assert ask(comparison, [("2023-05-05", datetime(2023, 5, 5, tzinfo=UTC))]) == [
        False
    ]


def test_an_anniversary_within_days_is_on_each_of_them_and_over_the_new_year():
    comparison = {"is": "anniversary_within", "value": 7}
    cases = [
        ("1990-01-03", datetime(2026, 12, 26, tzinfo=UTC), False),
        ("1990-01-03", datetime(2026, 12, 27, tzinfo=UTC), True),
        ("1990-01-03", datetime(2027, 1, 3, 23, tzinfo=UTC), True),
        ("1990-01-03", datetime(2027, 1, 4, tzinfo=UTC), False),
        ("2000-02-29", datetime(2027, 2, 21, tzinfo=UTC), True),
        ("2000-02-29", datetime(2027, 3, 1, tzinfo=UTC), False),
        # The day itself is no anniversary; the first is a year later.
        ("2027-01-03", datetime(2027, 1, 1, tzinfo=UTC), False),
        ("2027-01-03", datetime(2028, 1, 1, tzinfo=UTC), True),
    ]
    said = ask(comparison, [(value, now) for value, now, _ in cases])
    assert said == [expected for _, _, expected in cases]


def test_days_of_a_calendar_and_rolling_ones():
    """17 April 01:00Z: 14 April 00:30Z is in the last 3 days of the calendar alone."""
    now = datetime(2026, 4, 17, 1, tzinfo=UTC)
    case = [("2026-04-14T00:30:00Z", now)]
    rolling = {"is": "in_last_days", "value": 3}
    assert ask(rolling, case) == [False]
    assert ask({**rolling, "calendar": True}, case) == [True]
    # In New York it is still the 16th, and that was the 13th.
    new_york = {**rolling, "calendar": True, "zone": "America/New_York"}
    assert ask(new_york, case) == [True]
    assert ask({**new_york, "value": 2}, case) == [False]


def test_a_relative_date_stays_relative():
    """People come and go without an edit."""
    rule = {"is": "in_next_days", "value": 30, "calendar": True}
    days = [datetime(2026, 3, 1, 9, tzinfo=UTC) + timedelta(days=n) for n in range(33)]
    said = ask(rule, [("2026-03-31", day) for day in days])
    assert said == [True] * 31 + [False] * 2
