"""Texts, and what equals: the same text, or the same number (5 equals 5.0 and "5").

Upper and lower case, accents and the ways to write one character differ, unless the
comparison has `fold`.
"""

from collections.abc import Callable

from segments.rules import long_lists
from segments.rules.comparing import patterns
from segments.rules.comparing.folding import as_text, is_folded, value
from segments.rules.comparing.operator import FOLD, Comparison, Given, Operator
from segments.rules.comparing.values import candidates

_IS_TEXT, _TEXT = "jsonb_typeof($x) = 'string'", "($x #>> '{}')"
_IS_PRESENT = """jsonb_typeof($x) <> 'null' AND $x <> '""'::jsonb"""
# An element is compared as `equals` compares: as a text, or the number or boolean in it.
_CONTAINS = (
    "CASE jsonb_typeof($x)"
    f" WHEN 'string' THEN strpos({_TEXT}, $text) > 0"
    " WHEN 'array' THEN $x ? $text OR $x @> $other::jsonb IS TRUE END"
)


def all_candidates(comparison: Comparison) -> dict[str, object]:
    """The JSON texts that one of the rule's values equals, and all as one JSON list."""
    given = comparison["value"]
    values = given if isinstance(given, list) else [given]
    each = (c for one in values for c in candidates(value(comparison, one)))
    found = list(dict.fromkeys(each))
    return {"candidates": found, "listed": f"[{','.join(found)}]"}


def _equals(comparison: Comparison, given: Given) -> str:
    return long_lists.is_one_of("$x", given["candidates"])


def _text(comparison: Comparison) -> dict[str, object]:
    return {"text": value(comparison, comparison["value"])}


def _part_or_element(comparison: Comparison) -> dict[str, object]:
    text = value(comparison, comparison["value"])
    _, *others = candidates(text)
    return {"text": text, "other": others[0] if others else None}


def _pattern(comparison: Comparison) -> dict[str, object]:
    folded = is_folded(comparison)
    return {"pattern": patterns.compile(comparison["value"], folded=folded)}


def _equality(label: str, takes: str, *, is_opposite: bool = False) -> Operator:
    return Operator(
        label=label,
        takes=takes,
        sql=_equals,
        reads=as_text,
        values=all_candidates,
        is_opposite=is_opposite,
        options=(FOLD,),
    )


def _part(
    label: str,
    sql: str,
    values: Callable[[Comparison], dict[str, object]] = _text,
    *,
    is_opposite: bool = False,
) -> Operator:
    return Operator(
        label=label,
        takes="text",
        sql=sql,
        reads=as_text,
        values=values,
        is_opposite=is_opposite,
        options=(FOLD,),
    )


OPERATORS = {
    "equals": _equality("equals", "value"),
    "not_equals": _equality("does not equal", "value", is_opposite=True),
    "in": _equality("is one of", "values"),
    "not_in": _equality("is none of", "values", is_opposite=True),
    "contains": _part("contains", _CONTAINS, _part_or_element),
    "not_contains": _part(
        "does not contain", _CONTAINS, _part_or_element, is_opposite=True
    ),
    "starts_with": _part("starts with", f"{_IS_TEXT} AND starts_with({_TEXT}, $text)"),
    "ends_with": _part(
        "ends with", f"{_IS_TEXT} AND right({_TEXT}, length($text)) = $text"
    ),
    "matches": Operator(
        label="matches the pattern",
        takes="pattern",
        sql=f"{_IS_TEXT} AND {_TEXT} COLLATE segments_letters ~ $pattern",
        reads=as_text,
        values=_pattern,
        options=(FOLD,),
    ),
}
PRESENCE = {
    "is_present": Operator(label="is present", takes="nothing", sql=_IS_PRESENT),
    "is_missing": Operator(
        label="is missing", takes="nothing", sql=_IS_PRESENT, is_opposite=True
    ),
}
