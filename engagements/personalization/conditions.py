"""What a condition of a tag compares, and how: as Liquid, but nothing in silence.

What cannot be compared is false. A number that came as text is a number beside one, and
a date is compared as a time.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Blank, Empty, Nil
from liquid.expression import Expression

from engagements.personalization.filters import kinds
from engagements.personalization.filters.errors import FilterError

# What is compared as a time with another of its kind.
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?")


def is_true(value: object) -> bool:
    """Only nothing and false are not true: an empty text is, and so is 0."""
    return value is not None and value is not False and not isinstance(value, Nil)


def equal(left: Any, right: Any) -> bool:
    """Whether two values are the same; `blank`, `empty` and `nil` stand for a kind."""
    for word, value in ((left, right), (right, left)):
        match word:
            case Nil():
                return value is None or isinstance(value, Nil)
            case Empty():
                return value in ("", [], {}) and not isinstance(value, bool)
            case Blank():
                is_space = isinstance(value, str) and not value.strip()
                return value is None or value is False or is_space or value in ([], {})
    pair = _alike(left, right)
    return pair is not None and bool(pair[0] == pair[1])


def _less(left: Any, right: Any) -> bool:
    pair = _alike(left, right)
    return pair is not None and _are_ordered(pair) and bool(pair[0] < pair[1])


def _at_most(left: Any, right: Any) -> bool:
    pair = _alike(left, right)
    return pair is not None and _are_ordered(pair) and bool(pair[0] <= pair[1])


def _are_ordered(pair: tuple[Any, Any]) -> bool:
    return not any(
        value is None or isinstance(value, bool | list | dict | Nil | Empty | Blank)
        for value in pair
    )


def _contains(left: Any, right: Any) -> bool:
    """Whether a text has a text in it, a list an item, an object a name."""
    if right is None:
        return False
    if isinstance(left, str):
        return isinstance(right, str | int | float) and _as_text(right) in left
    if isinstance(left, list):
        return any(equal(item, right) for item in left)
    return isinstance(left, dict) and isinstance(right, str) and right in left


def _as_text(value: object) -> str:
    try:
        return kinds.text(value)
    except FilterError:
        return ""


def _alike(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Both as what they can be compared as; None where they are of two kinds."""
    if left is None or right is None:
        return (left, right) if left is right else None
    for value, other in ((left, right), (right, left)):
        if isinstance(value, bool):
            return (left, right) if isinstance(other, bool) else None
        if isinstance(value, datetime):
            return _both(kinds.DATE, left, right)
    if isinstance(left, int | float) or isinstance(right, int | float):
        return _both(kinds.NUMBER, left, right)
    if isinstance(left, str) and isinstance(right, str):
        if _DATE.fullmatch(left) and _DATE.fullmatch(right):
            return _both(kinds.DATE, left, right) or (left, right)
        return left, right
    return (left, right) if type(left) is type(right) else None


def _both(kind: kinds.Kind, left: Any, right: Any) -> tuple[Any, Any] | None:
    try:
        return kind.read(left), kind.read(right)
    except FilterError:
        return None


COMPARED: dict[type[Expression], Callable[[Any, Any], bool]] = {
    EqExpression: equal,
    NeExpression: lambda left, right: not equal(left, right),
    LtExpression: _less,
    LeExpression: _at_most,
    GtExpression: lambda left, right: _less(right, left),
    GeExpression: lambda left, right: _at_most(right, left),
    ContainsExpression: _contains,
}
