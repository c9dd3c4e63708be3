"""What each comparison means: (what somebody has, the comparison, now) → bool."""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OPPOSITES = {
    "not_equals": "equals",
    "not_in": "in",
    "not_contains": "contains",
    "has_none": "has_any",
    "is_missing": "is_present",
}
LETTERS = {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}


def compare(left, comparison, now):
    """`left`: a JSON value; None is missing. `now` has a zone."""
    return bool(OPERATORS[comparison["is"]](left, comparison, now))


def same(left, right):
    text = str(right).lower() if isinstance(right, bool) else str(right)
    if is_a_number(left) and is_a_number(right):
        return Decimal(str(left)) == Decimal(str(right))
    if isinstance(left, bool):
        return text == ("true" if left else "false")
    if isinstance(left, int | float):
        return is_number(text) and Decimal(str(left)) == Decimal(text)
    return isinstance(left, str) and left == text


def is_a_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_number(text):
    """As JSON writes one, without an exponent."""
    return bool(re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", text))


def contains(left, right):
    if isinstance(left, list):
        return any(same(one, right) for one in left)
    return isinstance(left, str) and right in left


def matches(left, right):
    if not isinstance(left, str):
        return False
    pattern = right[:-1] + r"\Z" if right.endswith("$") else right
    pattern = pattern.replace(r"\d", "[0-9]")
    return bool(re.search(pattern, left, re.DOTALL))


def has(decides):
    """Whether all, or any, of the values are in a list."""

    def holds(left, right):
        return isinstance(left, list) and decides(
            any(same(one, wanted) for one in left) for wanted in right
        )

    return holds


def sized(compare_sizes):
    return lambda left, right: (
        isinstance(left, list) and compare_sizes(len(left), right)
    )


def folded(value):
    if isinstance(value, list):
        return [folded(one) for one in value]
    if not isinstance(value, str):
        return value
    apart = unicodedata.normalize("NFKD", value.casefold())
    bare = "".join(c for c in apart if not "\u0300" <= c <= "\u036f").casefold()
    written = "".join(LETTERS.get(c, c) for c in bare)
    return unicodedata.normalize("NFC", written)


def ordered(left, comparison, now):
    operator, right = comparison["is"], comparison["value"]
    bounds = right if isinstance(right, list) else [right]
    if isinstance(bounds[0], str):
        left, bounds = as_time(left), [as_time(bound) for bound in bounds]
    elif isinstance(left, str) and comparison.get("numbers_in_text"):
        is_one = re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", left)
        left = Decimal(left) if is_one else None
    elif isinstance(left, bool) or not isinstance(left, int | float):
        left = None
    if left is None:
        return False
    if operator == "between":
        return bounds[0] <= left <= bounds[1]
    return left > bounds[0] if operator == "greater" else left < bounds[0]


WRITTEN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)


def as_time(value):
    if not isinstance(value, str) or not WRITTEN.fullmatch(value):
        return None
    is_at_its_end = bool(re.search("[T ]24:00(:00)?", value))
    try:
        found = datetime.fromisoformat(re.sub("(?<=[T ])24(?=:00)", "00", value))
    except ValueError:
        return None
    found += timedelta(days=is_at_its_end)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def as_day(value, zone):
    """A day without a time is that day in every zone."""
    found = as_time(value)
    if found is None:
        return None
    return found.date() if len(value) == 10 else found.astimezone(zone).date()


def near(left, comparison, now):
    """Rolling; or of the days of a calendar."""
    right, operator = comparison["value"], comparison["is"]
    if comparison.get("calendar"):
        return dated(left, comparison, now)
    at, far = as_time(left), timedelta(days=right)
    if at is None:
        return False
    if operator == "in_last_days":
        return now - far <= at <= now
    return now <= at <= now + far


def dated(left, comparison, now):
    right, zone = comparison["value"], ZoneInfo(comparison.get("zone", "UTC"))
    day, today = as_day(left, zone), now.astimezone(zone).date()
    if day is None:
        return False
    ends = right if isinstance(right, list) else [right]
    return {
        "date_is": lambda: day == date.fromisoformat(ends[0]),
        "date_before": lambda: day < date.fromisoformat(ends[0]),
        "date_after": lambda: day > date.fromisoformat(ends[0]),
        "date_between": lambda: (
            date.fromisoformat(ends[0]) <= day <= date.fromisoformat(ends[1])
        ),
        "in_last_days": lambda: today - timedelta(days=right) <= day <= today,
        "in_next_days": lambda: today <= day <= today + timedelta(days=right),
        "weekday_in": lambda: WEEKDAYS[day.weekday()] in right,
        "anniversary_in": lambda: has_anniversary(day, today + timedelta(days=right)),
        "anniversary_within": lambda: any(
            has_anniversary(day, today + timedelta(days=n)) for n in range(right + 1)
        ),
    }[comparison["is"]]()


def has_anniversary(day, wanted):
    return day.year < wanted.year and anniversary(day, wanted.year) == wanted


def anniversary(day, year):
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def plain(decides):
    """By (left, right) alone, both folded where the comparison is."""

    def holds(left, comparison, now):
        right = comparison.get("value")
        if comparison.get("fold"):
            left, right = folded(left), folded(right)
        return decides(left, right)

    return holds


def opposite(holds):
    return lambda left, comparison, now: not holds(left, comparison, now)


OPERATORS = {
    "equals": plain(same),
    "in": plain(lambda left, right: any(same(left, one) for one in right)),
    "is_present": plain(lambda left, right: left is not None and left != ""),
    "contains": plain(contains),
    "starts_with": plain(
        lambda left, right: isinstance(left, str) and left.startswith(right)
    ),
    "ends_with": plain(
        lambda left, right: isinstance(left, str) and left.endswith(right)
    ),
    "matches": plain(matches),
    "has_any": plain(has(any)),
    "has_all": plain(has(all)),
    "size_is": plain(sized(int.__eq__)),
    "size_at_least": plain(sized(int.__ge__)),
    "size_at_most": plain(sized(int.__le__)),
    **dict.fromkeys(("greater", "less", "between"), ordered),
    **dict.fromkeys(("in_last_days", "in_next_days"), near),
    **dict.fromkeys(
        (
            "date_is",
            "date_before",
            "date_after",
            "date_between",
            "weekday_in",
            "anniversary_in",
            "anniversary_within",
        ),
        dated,
    ),
}
OPERATORS |= {name: opposite(OPERATORS[other]) for name, other in OPPOSITES.items()}
