"""One comparison of one value: an attribute of a person, or a property of an event.

    {"is": OPERATOR, "value": VALUE} and the options that the operator has

The value on the left is JSON as it was sent. It is *missing* where it is absent, null
or an empty text. A comparison never fails on a type that it does not expect: it is
then simply not true, and its opposite (`not_equals`, `is_missing`) is true. Each is in a
module of comparing/; docs/segments.md has what they are true of.
"""

import re
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from psycopg.sql import Literal

from segments.rules.comparing import dates, days, lists, numbers, texts, values
from segments.rules.comparing.folding import fold
from segments.rules.comparing.operator import (
    CALENDAR,
    FOLD,
    IN_TEXT,
    JSON,
    ZONE,
    Comparison,
    Operator,
)

DATE, MAX_DAYS = values.DATE, values.MAX_DAYS
check_days, is_date, is_number = values.check_days, values.is_date, values.is_number
is_storable = values.is_storable
AS_JSON = JSON
OPERATORS: dict[str, Operator] = {
    **texts.OPERATORS,
    **numbers.OPERATORS,
    **texts.PRESENCE,
    **dates.OPERATORS,
    **lists.OPERATORS,
}
OPPOSITES = {
    "equals": "not_equals",
    "in": "not_in",
    "contains": "not_contains",
    "is_present": "is_missing",
    "has_any": "has_none",
}
KEYS = {"is", "value", FOLD, IN_TEXT, CALENDAR, ZONE}
# A sentence names so many values of a list.
NAMED = 20
# What is mentioned so often is worked out once, behind a fence.
FENCED = 3
_WEEKDAYS = dict(
    zip(
        values.WEEKDAYS,
        (
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
        ),
        strict=True,
    )
)


def literal(value: object) -> str:
    """A value in SQL: the text of a statement is the same for the same rules."""
    if isinstance(value, list):
        # As psycopg does, in a tenth of the time.
        value = f"{{{','.join(map(_element, value))}}}"
    return Literal(value).as_string(None)


def _element(value: object) -> str:
    """An element of an array in PostgreSQL's words."""
    if not isinstance(value, str):
        return "NULL" if value is None else str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def reads(comparison: Comparison) -> str:
    """How a valid comparison reads the value on the left: SQL over `$a`, the JSON.

    Null where it is not that.
    """
    return OPERATORS[comparison["is"]].reads(comparison)


def read(template: str, json_value: str) -> str:
    """SQL of a JSON value (SQL) as such a template reads it."""
    if template.count("$a") < FENCED:
        return f"({template.replace('$a', json_value)})"
    return _fenced(template.replace("$a", "stored.v"), "stored", json_value)


def _fenced(sql: str, name: str, value: str) -> str:
    """SQL in which a value is called name.v: worked out once, not at each mention."""
    return f"(SELECT {sql} FROM (SELECT {value} AS v OFFSET 0) {name})"


def holds(left: str, comparison: Comparison) -> str:
    """A valid comparison in SQL, never null; `left` is read as it `reads`."""
    operator = OPERATORS[comparison["is"]]
    given = operator.values(comparison)
    template = operator.template(comparison, given)
    # A column, or what JSON has under a key, is as cheap as a fence.
    is_once = template.count("$x") == 1 or "CASE" not in left
    value = left if is_once else "compared.v"
    sql = "".join(
        value
        if piece == "$x"
        else literal(given[piece[1:]])
        if piece.startswith("$")
        else piece
        for piece in re.split(r"(\$[a-z_]+)", template)
    )
    return sql if is_once else _fenced(sql, "compared", left)


def size(comparison: Comparison) -> int:
    """How many comparisons a valid one is worth."""
    value = comparison.get("value")
    each = OPERATORS[comparison["is"]].values_each
    return 1 + (len(value) // each if isinstance(value, list) else 0)


def reads_the_clock(comparison: Comparison) -> bool:
    """Whether a valid comparison is with the time that it is."""
    return OPERATORS[comparison["is"]].reads_clock


def midnights(comparisons: Iterable[Comparison]) -> set[str]:
    """The zones with whose days alone valid comparisons change by time.

    None where some change at any moment, or all never.
    """
    moving = [one for one in comparisons if reads_the_clock(one)]
    if all(dates.is_by_days(one) for one in moving):
        return {days.zone_of(one) for one in moving}
    return set()


def is_exchanged(condition: dict[str, Any]) -> bool:
    """Whether a valid comparison is between two ends of which the second is smaller."""
    if condition["is"] != "between":
        return False
    low, high = condition["value"]
    if isinstance(low, str):
        return values.as_time(low) > values.as_time(high)
    return bool(low > high)


def offered() -> list[dict[str, Any]]:
    """What a form offers: each comparison with what it takes (values.CHECKS)."""
    return [
        {
            "key": key,
            "label": one.label,
            "takes": one.takes,
            "unit": one.unit,
            "options": list(one.options),
            "is_opposite": one.is_opposite,
            "note": one.note,
        }
        for key, one in OPERATORS.items()
    ]


def validate(condition: dict[str, Any], where: str) -> None:
    """Raise a ValidationError, naming the place, unless all but the name fits."""
    name = condition.get("is")
    if not isinstance(name, str) or name not in OPERATORS:
        choices = ", ".join(OPERATORS)
        raise ValidationError(f"{where}: choose a comparison, one of {choices}.")
    operator = OPERATORS[name]
    problem = values.CHECKS[operator.takes](condition.get("value"))
    if problem := problem or _wrong_option(operator, condition):
        raise ValidationError(f"{where}, “{operator.label}”: {problem}.")


def _wrong_option(operator: Operator, condition: dict[str, Any]) -> str:
    """What is wrong with a comparison's options; empty when nothing is."""
    for option in (FOLD, IN_TEXT, CALENDAR, ZONE):
        if option not in condition:
            continue
        if option not in operator.options:
            return f"it has no option “{option}”; leave it out"
        given = condition[option]
        if option != ZONE and not isinstance(given, bool):
            return f"“{option}” is true or false"
        if option == ZONE and (problem := days.check_zone(given)):
            return problem
    if ZONE in condition and not dates.is_by_days(condition):
        return "a zone is only for calendar days; add “calendar”, or leave it out"
    if condition.get(FOLD) and not _is_left(condition["value"]):
        return "without accents nothing is left of a value"
    return ""


def _is_left(value: object) -> bool:
    given = value if isinstance(value, list) else [value]
    return all(fold(one) for one in given if isinstance(one, str))


def opposite(operator: str) -> str | None:
    """The one that is true of just whom this one is not true of; None where none is."""
    for one, other in OPPOSITES.items():
        if operator in (one, other):
            return other if operator == one else one
    return None


def describe(name: str, condition: dict[str, Any]) -> str:
    """A valid condition as part of a sentence: city equals Pune."""
    operator, value = OPERATORS[condition["is"]], condition.get("value")
    said = f"{name} {operator.label}"
    if operator.takes == "ahead" and value == 0:
        said = f"{name} has its anniversary today"
    elif value is not None:
        said = f"{said} {_said(condition['is'], value)}"
        if operator.unit:
            said += f" {operator.unit[:-1] if value == 1 else operator.unit}"
    return f"{said}{_said_options(condition)}"


def _said(operator: str, value: Any) -> str:
    if operator in ("between", "date_between"):
        word = "and" if operator == "between" else "to"
        return f"{values.as_text(value[0])} {word} {values.as_text(value[1])}"
    if operator == "weekday_in":
        return " or ".join(_WEEKDAYS[one] for one in value)
    if not isinstance(value, list):
        return values.as_text(value)
    said = ", ".join(map(values.as_text, value[:NAMED]))
    return f"{said} and {len(value) - NAMED:,} more" if len(value) > NAMED else said


def _said_options(condition: dict[str, Any]) -> str:
    said = []
    if condition.get(FOLD):
        said.append("case and accents alike")
    if condition.get(IN_TEXT):
        said.append("numbers in texts too")
    if condition.get(CALENDAR):
        said.append("calendar days")
    if zone := condition.get(ZONE):
        said.append(f"in {zone}")
    return f" ({', '.join(said)})" if said else ""
