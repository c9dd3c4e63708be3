"""Lists of values: what is in them, and how many.

An element is compared as `equals` compares a value. What is no list has no elements and
no size.
"""

from segments.rules import long_lists
from segments.rules.comparing.folding import as_text, value
from segments.rules.comparing.operator import FOLD, Comparison, Given, Operator
from segments.rules.comparing.texts import all_candidates
from segments.rules.comparing.values import candidates

# Of what is no list there are no rows.
_ELEMENTS = (
    "jsonb_array_elements(CASE jsonb_typeof($x) WHEN 'array' THEN $x END) element"
)
# Each value as text, or as the number or boolean in it.
_ALL = (
    "jsonb_typeof($x) = 'array' AND NOT EXISTS ("
    "SELECT FROM unnest($texts::text[]::jsonb[], $others::text[]::jsonb[]) wanted (t, o)"
    " WHERE ($x @> wanted.t OR $x @> wanted.o) IS NOT TRUE)"
)
_SIZE = "CASE jsonb_typeof($x) WHEN 'array' THEN jsonb_array_length($x) END"


def _any(comparison: Comparison, given: Given) -> str:
    is_one = long_lists.is_one_of("element", given["candidates"])
    return f"EXISTS (SELECT FROM {_ELEMENTS} WHERE {is_one})"


def _each(comparison: Comparison) -> dict[str, object]:
    found = [candidates(value(comparison, one)) for one in comparison["value"]]
    return {
        "texts": [text for text, *_ in found],
        "others": [other[0] if other else None for _, *other in found],
    }


def _size(comparison: Comparison) -> dict[str, object]:
    return {"size": comparison["value"]}


def _sized(label: str, sign: str) -> Operator:
    return Operator(
        label=label,
        takes="size",
        sql=f"{_SIZE} {sign} $size::int",
        values=_size,
        unit="values",
    )


def _of_any(label: str, *, is_opposite: bool = False) -> Operator:
    return Operator(
        label=label,
        takes="values",
        sql=_any,
        reads=as_text,
        values=all_candidates,
        is_opposite=is_opposite,
        options=(FOLD,),
    )


OPERATORS = {
    "has_any": _of_any("has any of"),
    "has_all": Operator(
        label="has all of",
        takes="values",
        sql=_ALL,
        reads=as_text,
        values=_each,
        options=(FOLD,),
        # Each is looked for in the whole list.
        values_each=50,
    ),
    "has_none": _of_any("has none of", is_opposite=True),
    "size_is": _sized("has exactly", "="),
    "size_at_least": _sized("has at least", ">="),
    "size_at_most": _sized("has at most", "<="),
}
