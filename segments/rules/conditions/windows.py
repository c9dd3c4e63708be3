"""When an event has to be for it to count.

    "within_days": n       in the last n days of 24 hours; null is ever
    "within_hours": n
    "before_days": n       longer ago than n days
    "between_days": [a, b] longer ago than a days, not longer than b
    "from", "until"        a day or a time; the last day is wholly inside

"calendar": true makes days those of a calendar: within 3 days is today and the three days
before. "zone" says whose days, UTC where it does not. From its first moment on an event
counts, at its last one not any more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError

from lemnisk_braze.lib.counted import counted
from segments.rules import schema as schemas
from segments.rules.comparing.days import UTC_NAME, check_zone, zones
from segments.rules.comparing.values import MAX_DAYS, check_days, is_date, is_whole
from segments.rules.kinds import Condition, Edge, of_one
from segments.rules.operators import literal

NOW = "$now"
LENGTHS = ("within_days", "within_hours", "before_days", "between_days")
FIXED = ("from", "until")
OPTIONS = ("calendar", "zone")
KEYS = {*LENGTHS, *FIXED, *OPTIONS}
# Those whose days may be a calendar's.
BY_DAYS = ("within_days", "between_days")
MAX_HOURS = MAX_DAYS * 24
_BY_CALENDAR = {
    "properties": {"calendar": {"const": True}},
    "required": ["calendar"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """An event counts from `low` on and before `high`: SQL, over $now or fixed."""

    low: str = ""
    high: str = ""


def validate(condition: Condition, where: str) -> None:
    """Raise a ValidationError that names the place, unless it is one right window."""
    given = [key for key in LENGTHS if key in condition]
    if is_fixed := any(key in condition for key in FIXED):
        given.append("from and until")
    if len(given) > 1:
        said = " or ".join(key.replace("_", " ") for key in given)
        raise ValidationError(f"{where}: use either {said}.")
    for key, check in CHECKS.items():
        if key in condition and (problem := check(condition[key])):
            raise ValidationError(f"{where}, {key.replace('_', ' ')}: {problem}.")
    if "calendar" in condition and not any(key in condition for key in BY_DAYS):
        raise ValidationError(
            f"{where}: “calendar” belongs to within days or between days."
        )
    if "zone" in condition and not is_fixed and not condition.get("calendar"):
        raise ValidationError(
            f"{where}: “zone” belongs to from and until, or to “calendar”."
        )
    if all(key in condition for key in FIXED):
        low, high = _fixed(condition)
        if low >= high:  # type: ignore[operator]
            raise ValidationError(f"{where}: “until” is before “from”.")


def schema() -> dict[str, Any]:
    """The keys of KEYS, each alone; schema_rules says what goes with what."""
    days = {**schemas.DAYS, "minimum": 0}
    return {
        "within_days": {"anyOf": [schemas.DAYS, {"type": "null"}]},
        "within_hours": {"type": "integer", "minimum": 1, "maximum": MAX_HOURS},
        "before_days": schemas.DAYS,
        "between_days": {
            "type": "array",
            "prefixItems": [days, schemas.DAYS],
            "items": False,
            "minItems": 2,
        },
        "from": schemas.DATE,
        "until": schemas.DATE,
        "calendar": {"type": "boolean"},
        "zone": {"enum": sorted(zones())},
    }


def schema_rules() -> list[dict[str, Any]]:
    """Which of KEYS may stand together."""
    return [
        *schemas.exclusive(*([key] for key in LENGTHS), FIXED),
        {"if": schemas.has_any(["calendar"]), "then": schemas.has_any(BY_DAYS)},
        {
            "if": schemas.has_any(["zone"]),
            "then": {"anyOf": [schemas.has_any(FIXED), _BY_CALENDAR]},
        },
    ]


def describe(condition: Condition) -> str:
    """“ in the last 30 days”; empty where it is ever."""
    kind = "calendar day" if condition.get("calendar") else "day"
    zone = condition.get("zone", UTC_NAME)
    said = f" ({zone})" if condition.get("calendar") or zone != UTC_NAME else ""
    if days := condition.get("within_days"):
        return f" in the last {counted(days, kind)}{said}"
    if hours := condition.get("within_hours"):
        return f" in the last {counted(hours, 'hour')}"
    if days := condition.get("before_days"):
        return f" longer than {counted(days, 'day')} ago"
    if between := condition.get("between_days"):
        low, high = between
        return f" between {low:,} and {counted(high, kind)} ago{said}"
    ends = [f" {key} {condition[key]}" for key in FIXED if key in condition]
    return f"{''.join(ends)}{said}" if ends else ""


def of(condition: Condition) -> Window:
    """The window of a valid condition."""
    zone = condition.get("zone", UTC_NAME) if condition.get("calendar") else ""
    if days := condition.get("within_days"):
        return Window(low=_ago(days, zone))
    if hours := condition.get("within_hours"):
        return Window(low=f"({NOW} - interval '{hours} hours')")
    if days := condition.get("before_days"):
        return Window(high=_ago(days, ""))
    if between := condition.get("between_days"):
        newest, oldest = between
        # The day that long ago is inside to its end.
        return Window(
            low=_ago(oldest, zone), high=_ago(newest - 1 if zone else newest, zone)
        )
    low, high = _fixed(condition)
    return Window(low=_instant(low), high=_instant(high))


def sql(condition: Condition, only: str = "", person_id: str = "") -> Iterator[str]:
    """The window of a valid condition over an event `e`; `only` one end: low or high.

    `person_id`: SQL of whose event it is, where few are asked.
    """
    window = of(condition)
    for name, sign, end in (("low", ">=", window.low), ("high", "<", window.high)):
        if end and only in ("", name):
            at = end.replace(NOW, "statement_timestamp()")
            yield f"e.time {sign} {of_one(person_id, at) if person_id else at}"


def edges(condition: Condition, event: str) -> Iterator[Edge]:
    """Where time alone takes an event into the window of a valid condition, or out."""
    window = of(condition)
    for end in (window.low, window.high):
        if NOW in end:
            yield Edge(event=event, time=end)


def _ago(days: int, zone: str) -> str:
    """So many days ago: of 24 hours, or the beginning of that day in a zone.

    Where there are two midnights PostgreSQL takes the second one: the day begins with the
    first, which comes after the end of the day before.
    """
    if not zone:
        return f"({NOW} - interval '{days} days')"
    day = f"({NOW} AT TIME ZONE {literal(zone)})::date - {days}"
    little = "interval '1 microsecond'"
    last = f"(({day})::timestamp - {little}) AT TIME ZONE {literal(zone)}"
    return f"({last} + {little})"


def _fixed(condition: Condition) -> tuple[datetime | None, datetime | None]:
    zone = ZoneInfo(condition.get("zone", UTC_NAME))
    low, high = condition.get("from"), condition.get("until")
    return (
        _begins(low, zone) if low else None,
        _ends(high, zone) if high else None,
    )


def _begins(text: str, zone: ZoneInfo) -> datetime:
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def _ends(text: str, zone: ZoneInfo) -> datetime:
    """The first moment after it: the last day is inside, and so is the last time."""
    if len(text) == len("2026-01-31"):
        day = date.fromisoformat(text) + timedelta(days=1)
        return datetime.combine(day, time(), zone).astimezone(UTC)
    return _begins(text, zone) + timedelta(microseconds=1)


def _instant(at: datetime | None) -> str:
    return f"{literal(at.isoformat())}::timestamptz" if at else ""


def _check_within_days(value: object) -> str:
    if value is None or not (problem := check_days(value)):
        return ""
    return f"{problem}, or leave it empty"


def _check_hours(value: object) -> str:
    if is_whole(value, 1, MAX_HOURS):
        return ""
    return f"enter a whole number of hours between 1 and {MAX_HOURS:,}"


def _check_between(value: object) -> str:
    if isinstance(value, list) and len(value) == 2:
        low, high = value
        if is_whole(low, 0, MAX_DAYS) and is_whole(high, 1, MAX_DAYS) and low < high:
            return ""
    return f"enter two numbers of days up to {MAX_DAYS:,}, the smaller one first"


def _check_date(value: object) -> str:
    if isinstance(value, str) and is_date(value):
        return ""
    return "enter a date such as 2026-01-31"


def _check_calendar(value: object) -> str:
    return "" if isinstance(value, bool) else "is true or false"


CHECKS = {
    "within_days": _check_within_days,
    "within_hours": _check_hours,
    "before_days": check_days,
    "between_days": _check_between,
    "from": _check_date,
    "until": _check_date,
    "calendar": _check_calendar,
    "zone": check_zone,
}
