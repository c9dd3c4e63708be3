"""The operators, one function each: (what somebody has, the comparison, now) → bool."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone


def compare(left, comparison, now):
    """`left`: None is missing."""
    return bool(OPERATORS[comparison["is"]](left, comparison, now))


def equals(left, comparison, now):
    return same(left, comparison["value"])


def is_one_of(left, comparison, now):
    return any(same(left, one) for one in comparison["value"])


def contains(left, comparison, now):
    if isinstance(left, list):
        return comparison["value"] in [one for one in left if isinstance(one, str)]
    return isinstance(left, str) and comparison["value"] in left


def starts_with(left, comparison, now):
    return isinstance(left, str) and left.startswith(comparison["value"])


def ends_with(left, comparison, now):
    return isinstance(left, str) and left.endswith(comparison["value"])


def greater(left, comparison, now):
    value, (bound,) = comparable(left, [comparison["value"]])
    return value is not None and value > bound


def less(left, comparison, now):
    value, (bound,) = comparable(left, [comparison["value"]])
    return value is not None and value < bound


def between(left, comparison, now):
    value, (low, high) = comparable(left, comparison["value"])
    return value is not None and low <= value <= high


def is_missing(left, comparison, now):
    return left is None or left == ""


def in_last_days(left, comparison, now):
    time = as_time(left)
    if time is None:
        return False
    return now - timedelta(days=comparison["value"]) <= time <= now


def opposite(holds):
    return lambda left, comparison, now: not holds(left, comparison, now)


OPERATORS = {
    "equals": equals,
    "not_equals": opposite(equals),
    "in": is_one_of,
    "contains": contains,
    "starts_with": starts_with,
    "ends_with": ends_with,
    "greater": greater,
    "less": less,
    "between": between,
    "is_missing": is_missing,
    "is_present": opposite(is_missing),
    "in_last_days": in_last_days,
}


def same(left, right):
    """Equal, as JSON values that may come as texts."""
    text = str(right).lower() if isinstance(right, bool) else str(right)
    if isinstance(left, bool):
        return text == ("true" if left else "false")
    if isinstance(left, int | float):
        return is_number(text) and Decimal(str(left)) == Decimal(text)
    return isinstance(left, str) and left == text


def is_number(text):
    try:
        Decimal(text)
    except ArithmeticError:
        return False
    return True


def comparable(left, bounds):
    """(the value as the bounds are, or None; the bounds): times where those are texts."""
    if isinstance(bounds[0], str):
        return as_time(left), [as_time(bound) for bound in bounds]
    if isinstance(left, bool) or not isinstance(left, int | float):
        return None, bounds
    return left, bounds


def as_time(value):
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.get_default_timezone())
