"""Days as a calendar has them, in a zone of the IANA's."""

import re
from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from segments.rules.comparing.operator import IS_TEXT, TEXT, ZONE, Comparison

UTC_NAME = "UTC"
# "localtime" and "Factory" are files of a machine's, no zones.
_NAME = re.compile(r"[A-Za-z][\w+-]*(/[\w+-]+)+|UTC", re.ASCII)

# ISO 8601 as clients write it. PostgreSQL alone would take "now", "infinity", "2026-01-31
# BC" and "2026-01-31 10:00 PM" as well.
_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
# The inner CASE keeps the cast behind its check.
TIME = (
    rf"CASE WHEN {IS_TEXT} AND {TEXT} ~ '{_ISO}'"
    f" AND pg_input_is_valid({TEXT}, 'timestamptz')"
    f" THEN {TEXT}::timestamptz END"
)
NOW = "statement_timestamp()"


@cache
def zones() -> frozenset[str]:
    """The names that a rule may use."""
    return frozenset(filter(_NAME.fullmatch, available_timezones())) | {UTC_NAME}


def check_zone(name: object) -> str:
    """Say what is wrong with the name of a zone; empty when nothing is."""
    if isinstance(name, str) and name in zones():
        return ""
    return "choose a time zone such as Asia/Kolkata or UTC"


def zone_of(comparison: Comparison) -> str:
    """The zone whose days a comparison, or an event condition, means."""
    return str(comparison.get(ZONE) or UTC_NAME)


def day(zone: str) -> str:
    """How a date is read as a day: a template over `$a`.

    A day without a time is that day in every zone.
    """
    return (
        rf"CASE WHEN {IS_TEXT} AND {TEXT} ~ '^\d{{4}}-\d\d-\d\d$' THEN"
        f" CASE WHEN pg_input_is_valid({TEXT}, 'date') THEN {TEXT}::date END"
        f" ELSE (({TIME}) AT TIME ZONE '{zone}')::date END"
    )


def today(zone: str) -> str:
    """SQL of the day that it is in the zone."""
    return f"({NOW} AT TIME ZONE '{zone}')::date"


def next_midnight(zone: str, after: datetime) -> datetime:
    """When the next day begins in the zone, in UTC; `after` is aware.

    Where that midnight is left out (a clock that is put forward), the first moment after.
    """
    place = ZoneInfo(zone)
    tomorrow = after.astimezone(place).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), place).astimezone(UTC)
