"""Larger and smaller: numbers with numbers, dates with dates.

A text with a number in it is none, unless the comparison has `numbers_in_text`.
"""

from segments.rules.comparing.days import TIME
from segments.rules.comparing.operator import (
    IN_TEXT,
    JSON,
    TEXT,
    Comparison,
    Given,
    Operator,
)
from segments.rules.comparing.values import as_bound

NUMBER = f"CASE WHEN jsonb_typeof({JSON}) = 'number' THEN {JSON}::numeric END"
# A number as a text has it.
PLAIN = r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$"
# The inner CASE keeps the cast behind its check.
NUMBER_IN_TEXT = (
    f"CASE jsonb_typeof({JSON}) WHEN 'number' THEN {JSON}::numeric WHEN 'string' THEN"
    f" CASE WHEN {TEXT} ~ '{PLAIN}'"
    f" THEN {TEXT}::numeric END END"
)


def _ends(comparison: Comparison) -> list[object]:
    given = comparison["value"]
    return given if isinstance(given, list) else [given]


def _is_date(comparison: Comparison) -> bool:
    return isinstance(_ends(comparison)[0], str)


def _read(comparison: Comparison) -> str:
    if _is_date(comparison):
        return TIME
    return NUMBER_IN_TEXT if comparison.get(IN_TEXT) else NUMBER


def _values(comparison: Comparison) -> dict[str, object]:
    low, high = _ends(comparison)[0], _ends(comparison)[-1]
    return {"low": as_bound(low), "high": as_bound(high)}


def _ordered(label: str, takes: str, sql: str) -> Operator:
    def typed(comparison: Comparison, given: Given) -> str:
        cast = "timestamptz" if _is_date(comparison) else "numeric"
        return sql.replace("$cast", cast)

    return Operator(
        label=label,
        takes=takes,
        sql=typed,
        reads=_read,
        values=_values,
        options=(IN_TEXT,),
    )


OPERATORS = {
    "greater": _ordered("is greater than", "bound", "$x > $low::$cast"),
    "less": _ordered("is less than", "bound", "$x < $low::$cast"),
    "between": _ordered(
        "is between", "pair", "$x BETWEEN $low::$cast AND $high::$cast"
    ),
}
