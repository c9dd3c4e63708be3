"""What a rule may compare with: checked, and as PostgreSQL reads it."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from segments.rules.comparing import patterns

MAX_TEXT = 1_000
MAX_LIST = 50_000
# All values of a list together, in characters.
MAX_LIST_TEXT = 2_000_000
MAX_DAYS = 3_660
MAX_AHEAD = 366
MAX_SIZE = 1_000_000
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
JSON_NUMBER = re.compile(r"-?(0|[1-9]\d{0,29})(\.\d{1,30})?", re.ASCII)
DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def candidates(value: object) -> list[str]:
    """The JSON texts that a value equals: as text, and as the number or boolean in it."""
    text = as_text(value)
    found = [json.dumps(text)]
    is_json = not isinstance(value, str) or JSON_NUMBER.fullmatch(text)
    if is_json or text in ("true", "false"):
        found.append(text)
    return found


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def as_bound(value: object) -> str:
    """A number, or a date in UTC, as PostgreSQL reads it."""
    return as_time(value).isoformat() if isinstance(value, str) else as_text(value)


def as_time(value: str) -> datetime:
    """A date in UTC."""
    time = datetime.fromisoformat(value)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def is_storable(text: str) -> bool:
    """PostgreSQL stores neither NUL nor half a surrogate pair."""
    return not _UNSTORABLE.search(text)


def is_number(value: object) -> bool:
    """Neither NaN nor infinity is; a whole number of any length can be asked about."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e30


def is_date(value: str, written: re.Pattern[str] = DATE) -> bool:
    """Whether it is a date, clear of the years in which a change of zone overflows."""
    if not written.fullmatch(value):
        return False
    try:
        return 1000 <= datetime.fromisoformat(value).year < 9999
    except ValueError:
        return False


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether it is a whole number from `low` to `high`."""
    return (
        isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    )


def check_days(value: object) -> str:
    """Say what is wrong with a number of days; empty when nothing is."""
    if is_whole(value, 1, MAX_DAYS):
        return ""
    return f"enter a whole number of days between 1 and {MAX_DAYS:,}"


def _check_scalar(value: object) -> str:
    if isinstance(value, bool) or is_number(value):
        return ""
    if not isinstance(value, str):
        return "enter a text or a number"
    if not is_storable(value):
        return "the value has a character that cannot be stored"
    return "" if 0 < len(value) <= MAX_TEXT else f"enter up to {MAX_TEXT:,} characters"


def _check_text(value: object) -> str:
    return _check_scalar(value) if isinstance(value, str) else "enter a text"


def _check_list(value: object) -> str:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LIST:
        return f"list between 1 and {MAX_LIST:,} values"
    for number, one in enumerate(value, start=1):
        if problem := _check_scalar(one):
            return f"value {number:,}: {problem}"
    if sum(len(as_text(one)) for one in value) > MAX_LIST_TEXT:
        return f"list values of {MAX_LIST_TEXT:,} characters at most, all together"
    return ""


def _check_bound(value: object) -> str:
    if is_number(value):
        return ""
    if isinstance(value, str) and is_date(value):
        return ""
    return "enter a number or a date such as 2026-01-31"


def _check_pair(value: object) -> str:
    if not isinstance(value, list) or len(value) != 2:
        return "enter two numbers or two dates"
    if isinstance(value[0], str) is not isinstance(value[1], str):
        return "enter two numbers or two dates, not one of each"
    return _check_bound(value[0]) or _check_bound(value[1])


def _check_day(value: object) -> str:
    if isinstance(value, str) and is_date(value, DAY):
        return ""
    return "enter a day such as 2026-01-31"


def _check_days_pair(value: object) -> str:
    if not isinstance(value, list) or len(value) != 2:
        return "enter the first and the last day, such as 2026-01-31"
    if problem := _check_day(value[0]) or _check_day(value[1]):
        return problem
    is_right = date.fromisoformat(value[0]) <= date.fromisoformat(value[1])
    return "" if is_right else "write the earlier day first"


def _check_weekdays(value: object) -> str:
    if isinstance(value, list) and value and all(one in WEEKDAYS for one in value):
        return "" if len(set(value)) == len(value) else "name each day once"
    return f"list one or more of {', '.join(WEEKDAYS)}"


def _check_ahead(value: object) -> str:
    if is_whole(value, 0, MAX_AHEAD):
        return ""
    return f"enter a whole number of days between 0 (today) and {MAX_AHEAD}"


def _check_size(value: object) -> str:
    if is_whole(value, 0, MAX_SIZE):
        return ""
    return f"enter a whole number between 0 and {MAX_SIZE:,}"


def _check_pattern(value: object) -> str:
    if problem := _check_text(value):
        return problem
    return patterns.problem(str(value))


def _check_nothing(value: object) -> str:
    return "" if value is None else "takes no value; leave it empty"


CHECKS: dict[str, Callable[[object], str]] = {
    "value": _check_scalar,
    "text": _check_text,
    "values": _check_list,
    "pattern": _check_pattern,
    "bound": _check_bound,
    "pair": _check_pair,
    "day": _check_day,
    "day_pair": _check_days_pair,
    "weekdays": _check_weekdays,
    "days": check_days,
    "ahead": _check_ahead,
    "size": _check_size,
    "nothing": _check_nothing,
}
