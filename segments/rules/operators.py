"""One comparison of one value: an attribute of a person, or a property of an event.

The value on the left is JSON as it was sent. It is *missing* where it is absent, null
or an empty text. A comparison never fails on a type that it does not expect: it is
then simply not true, and its opposite (`not_equals`, `is_missing`) is true.

    equals, in           the same text, or the same number (5 equals 5.0 and "5")
    contains             a text with this part, or a list with this text in it
    starts_with, ends_with              texts only; upper and lower case differ
    greater, less, between              numbers with numbers, dates with dates
    in_last_days         a date between that many days ago and now
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from django.core.exceptions import ValidationError
from psycopg.sql import Literal

# `is` and `value`.
Comparison: TypeAlias = dict[str, Any]

MAX_TEXT = 1_000
MAX_LIST = 1_000
MAX_DAYS = 3_660
# So many values of a list cost as much as a comparison.
VALUES_EACH = 50
JSON_NUMBER = re.compile(r"-?(0|[1-9]\d{0,29})(\.\d{1,30})?")
DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?"
)

_TEXT = "($a #>> '{}')"
_IS_TEXT = "jsonb_typeof($a) = 'string'"
_NUMBER = "CASE WHEN jsonb_typeof($a) = 'number' THEN $a::numeric END"
# ISO 8601 as clients write it. PostgreSQL alone would take "now", "infinity", "2026-01-31
# BC" and "2026-01-31 10:00 PM" as well.
_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
# The inner CASE keeps the cast behind its check.
_TIME = (
    rf"CASE WHEN {_IS_TEXT} AND {_TEXT} ~ '{_ISO}'"
    f" AND pg_input_is_valid({_TEXT}, 'timestamptz')"
    f" THEN {_TEXT}::timestamptz END"
)
AS_JSON = "$a"
READ_AS = {"json": AS_JSON, "number": _NUMBER, "time": _TIME}
_EQUALS = "$a = ANY($candidates::text[]::jsonb[])"
_IS_PRESENT = """jsonb_typeof($a) <> 'null' AND $a <> '""'::jsonb"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """How a comparison reads, what it compares with, and what it is in SQL."""

    label: str
    takes: str  # a key of CHECKS; the form asks for the value accordingly
    sql: str
    is_opposite: bool = False

    def check(self, value: object) -> str:
        """What is wrong with a rule's value; empty when nothing is."""
        return CHECKS[self.takes](value)


def literal(value: object) -> str:
    """A value in SQL: the text of a statement is the same for the same rules."""
    return Literal(value).as_string(None)


def reads(comparison: Comparison) -> str:
    """How a valid comparison reads the value on the left: SQL over `$a`, the JSON.

    Null where it is not that.
    """
    return READ_AS[_kind(comparison["is"], comparison.get("value"))]


def holds(left: str, comparison: Comparison) -> str:
    """A valid comparison in SQL, never null; `left` is read as it `reads`."""
    operator, value = comparison["is"], comparison.get("value")
    given = {f"${name}": v for name, v in _parameters(value).items()}
    sql = "".join(
        left
        if piece in ("$a", "$x")
        else literal(given[piece])
        if piece.startswith("$")
        else piece
        for piece in re.split(r"(\$[a-z_]+)", _template(operator, value))
    )
    return f"(({sql}) IS {'NOT ' if OPERATORS[operator].is_opposite else ''}TRUE)"


def size(condition: Comparison) -> int:
    """How many comparisons a valid one is worth."""
    value = condition.get("value")
    return 1 + (len(value) // VALUES_EACH if isinstance(value, list) else 0)


def reads_the_clock(condition: Comparison) -> bool:
    """Whether a valid comparison is with the time that it is."""
    return bool(condition["is"] == "in_last_days")


def _template(operator: str, value: object) -> str:
    """The operator's SQL: `$a` is the left side as JSON, `$x` read as its `kind`."""
    cast = "timestamptz" if _kind(operator, value) == "time" else "numeric"
    return OPERATORS[operator].sql.replace("$cast", cast)


def _kind(operator: str, value: object) -> str:
    """How the operator reads the left side: a key of READ_AS."""
    if "$x" not in OPERATORS[operator].sql:
        return "json"
    bound = value[0] if isinstance(value, list) and value else value
    is_time = isinstance(bound, str) or operator == "in_last_days"
    return "time" if is_time else "number"


def _parameters(value: object) -> dict[str, object]:
    """Everything that a template may name, made from the rule's value."""
    values = value if isinstance(value, list) else [value]
    return {
        "candidates": [c for v in values for c in _candidates(v)],
        "text": _as_text(values[0]),
        "low": _as_bound(values[0]),
        "high": _as_bound(values[-1]),
    }


def _candidates(value: object) -> list[str]:
    """The JSON texts that a value equals: as text, and as the number or boolean in it."""
    text = _as_text(value)
    found = [json.dumps(text)]
    is_json = not isinstance(value, str) or JSON_NUMBER.fullmatch(text)
    if is_json or text in ("true", "false"):
        found.append(text)
    return found


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _as_bound(value: object) -> str:
    """A number, or a date in UTC, as PostgreSQL reads it."""
    if not isinstance(value, str) or not is_date(value):
        return _as_text(value)
    time = datetime.fromisoformat(value)
    return (
        (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    )


def _check_scalar(value: object) -> str:
    if isinstance(value, bool) or is_number(value):
        return ""
    if not isinstance(value, str):
        return "enter a text or a number"
    if not is_storable(value):
        return "the value has a character that cannot be stored"
    return "" if 0 < len(value) <= MAX_TEXT else f"enter up to {MAX_TEXT:,} characters"


def is_storable(text: str) -> bool:
    """PostgreSQL stores neither NUL nor half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _check_text(value: object) -> str:
    return _check_scalar(value) if isinstance(value, str) else "enter a text"


def _check_list(value: object) -> str:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LIST:
        return f"list between 1 and {MAX_LIST:,} values"
    return next(filter(None, map(_check_scalar, value)), "")


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


def is_exchanged(condition: dict[str, Any]) -> bool:
    """Whether a valid comparison is between two ends of which the second is smaller."""
    if condition["is"] != "between":
        return False
    low, high = condition["value"]
    if isinstance(low, str):
        return datetime.fromisoformat(_as_bound(low)) > datetime.fromisoformat(
            _as_bound(high)
        )
    return bool(low > high)


def _check_nothing(value: object) -> str:
    return "" if value is None else "takes no value; leave it empty"


def check_days(value: object) -> str:
    """Say what is wrong with a number of days; empty when nothing is."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and 0 < value <= MAX_DAYS:  # type: ignore[operator]
        return ""
    return f"enter a whole number of days between 1 and {MAX_DAYS:,}"


def is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # Neither NaN nor infinity is; a whole number of any length can be compared.
    return abs(value) < 1e30


def is_date(value: str) -> bool:
    if not DATE.fullmatch(value):
        return False
    try:
        # Clear of the years in which a change of time zone would overflow.
        return 1000 <= datetime.fromisoformat(value).year < 9999
    except ValueError:
        return False


CHECKS: dict[str, Callable[[object], str]] = {
    "value": _check_scalar,
    "text": _check_text,
    "values": _check_list,
    "bound": _check_bound,
    "pair": _check_pair,
    "days": check_days,
    "nothing": _check_nothing,
}
OPERATORS = {
    "equals": Operator(label="equals", takes="value", sql=_EQUALS),
    "not_equals": Operator(
        label="does not equal", takes="value", sql=_EQUALS, is_opposite=True
    ),
    "contains": Operator(
        label="contains",
        takes="text",
        sql="CASE jsonb_typeof($a)"
        f" WHEN 'string' THEN strpos({_TEXT}, $text) > 0"
        " WHEN 'array' THEN $a ? $text END",
    ),
    "starts_with": Operator(
        label="starts with",
        takes="text",
        sql=f"{_IS_TEXT} AND starts_with({_TEXT}, $text)",
    ),
    "ends_with": Operator(
        label="ends with",
        takes="text",
        sql=f"{_IS_TEXT} AND right({_TEXT}, length($text)) = $text",
    ),
    "greater": Operator(label="is greater than", takes="bound", sql="$x > $low::$cast"),
    "less": Operator(label="is less than", takes="bound", sql="$x < $low::$cast"),
    "between": Operator(
        label="is between",
        takes="pair",
        sql="$x BETWEEN $low::$cast AND $high::$cast",
    ),
    "in": Operator(label="is one of", takes="values", sql=_EQUALS),
    "is_present": Operator(label="is present", takes="nothing", sql=_IS_PRESENT),
    "is_missing": Operator(
        label="is missing", takes="nothing", sql=_IS_PRESENT, is_opposite=True
    ),
    "in_last_days": Operator(
        label="is in the last",
        takes="days",
        sql="$x BETWEEN now() - make_interval(days => $low::int) AND now()",
    ),
}


def validate(condition: dict[str, Any], where: str) -> None:
    """Raise a ValidationError, naming the place, unless `is` and `value` fit."""
    operator = condition.get("is")
    if not isinstance(operator, str) or operator not in OPERATORS:
        choices = ", ".join(OPERATORS)
        raise ValidationError(f"{where}: choose a comparison, one of {choices}.")
    if problem := OPERATORS[operator].check(condition.get("value")):
        label = OPERATORS[operator].label
        raise ValidationError(f"{where}, “{label}”: {problem}.")


def describe(name: str, condition: dict[str, Any]) -> str:
    """A valid condition as part of a sentence: city equals Pune."""
    value: Any = condition.get("value")
    said = f"{name} {OPERATORS[condition['is']].label}"
    if condition["is"] == "between":
        return f"{said} {_as_text(value[0])} and {_as_text(value[1])}"
    if condition["is"] == "in_last_days":
        return f"{said} {value} {'day' if value == 1 else 'days'}"
    if isinstance(value, list):
        return f"{said} {', '.join(map(_as_text, value))}"
    return said if value is None else f"{said} {_as_text(value)}"
