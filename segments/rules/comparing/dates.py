"""Dates: on which day, how long ago, how soon, each year again.

Days are a calendar's, in the comparison's zone (UTC where it names none). Without
`calendar`, the last and the next days are 24 hours each, to the second.
"""

from collections.abc import Callable

from segments.rules.comparing import days
from segments.rules.comparing.days import NOW, TIME, zone_of
from segments.rules.comparing.operator import (
    CALENDAR,
    ZONE,
    Comparison,
    Given,
    Operator,
)
from segments.rules.comparing.values import WEEKDAYS


def is_by_days(comparison: Comparison) -> bool:
    """Whether it is of whole days in a zone."""
    return comparison["is"] not in ("in_last_days", "in_next_days") or bool(
        comparison.get(CALENDAR)
    )


def _day(comparison: Comparison) -> str:
    return days.day(zone_of(comparison))


def _day_or_time(comparison: Comparison) -> str:
    return _day(comparison) if comparison.get(CALENDAR) else TIME


def _low_and_high(comparison: Comparison) -> dict[str, object]:
    given = comparison["value"]
    ends = given if isinstance(given, list) else [given]
    return {"low": ends[0], "high": ends[-1]}


def _number(comparison: Comparison) -> dict[str, object]:
    return {"days": comparison["value"]}


def _weekdays(comparison: Comparison) -> dict[str, object]:
    return {"weekdays": [WEEKDAYS.index(one) + 1 for one in comparison["value"]]}


def _by_day(label: str, takes: str, sql: str) -> Operator:
    return Operator(
        label=label,
        takes=takes,
        sql=sql,
        reads=_day,
        values=_low_and_high,
        options=(ZONE,),
    )


def _near(label: str, between: Callable[[str, str], str]) -> Operator:
    """`between` makes SQL of now, or today, and of a length of time."""

    def sql(comparison: Comparison, given: Given) -> str:
        if comparison.get(CALENDAR):
            today = days.today(zone_of(comparison))
            return f"$x BETWEEN {between(today, '$days::int')}"
        return f"$x BETWEEN {between(NOW, 'make_interval(days => $days::int)')}"

    return Operator(
        label=label,
        takes="days",
        sql=sql,
        reads=_day_or_time,
        values=_number,
        unit="days",
        options=(CALENDAR, ZONE),
        reads_clock=True,
        note="Days of 24 hours, to the second. A date without a time is its midnight in UTC.",
    )


def _anniversary(day: str, later: int = 0) -> str:
    """SQL of the anniversary in the year of a day (SQL), or in a later one.

    As PostgreSQL adds years: 29 February becomes 28 February in a common one.
    """
    years = f"(extract(year FROM {day}) - extract(year FROM $x))::int + {later}"
    return f"($x + make_interval(years => {years}))::date"


def _anniversary_on(comparison: Comparison, given: Given) -> str:
    wanted = f"({days.today(zone_of(comparison))} + $days::int)"
    return f"$x < {wanted} AND {_anniversary(wanted)} = {wanted}"


def _anniversary_until(comparison: Comparison, given: Given) -> str:
    """MAX_AHEAD days from 31 December end in the year after the next."""
    today = days.today(zone_of(comparison))
    return " OR ".join(
        f"($x < {day} AND {day} BETWEEN {today} AND {today} + $days::int)"
        for day in (_anniversary(today, later) for later in range(3))
    )


def _yearly(label: str, sql: Callable[[Comparison, Given], str]) -> Operator:
    return Operator(
        label=label,
        takes="ahead",
        sql=sql,
        reads=_day,
        values=_number,
        unit="days",
        options=(ZONE,),
        reads_clock=True,
        note="29 February is 28 February in years that have none.",
    )


OPERATORS = {
    "date_is": _by_day("is on", "day", "$x = $low::date"),
    "date_before": _by_day("is before", "day", "$x < $low::date"),
    "date_after": _by_day("is after", "day", "$x > $low::date"),
    "date_between": _by_day(
        "is in the days from", "day_pair", "$x BETWEEN $low::date AND $high::date"
    ),
    "in_last_days": _near(
        "is in the last", lambda now, length: f"{now} - {length} AND {now}"
    ),
    "in_next_days": _near(
        "is in the next", lambda now, length: f"{now} AND {now} + {length}"
    ),
    "anniversary_in": _yearly("has its anniversary in", _anniversary_on),
    "anniversary_within": _yearly("has its anniversary within", _anniversary_until),
    "weekday_in": Operator(
        label="is on a",
        takes="weekdays",
        sql="extract(isodow FROM $x)::int = ANY($weekdays::int[])",
        reads=_day,
        values=_weekdays,
        options=(ZONE,),
    ),
}
