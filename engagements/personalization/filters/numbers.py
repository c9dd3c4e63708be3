"""What filters do with numbers: exactly, in decimals, and rounded half up."""

from collections.abc import Sequence
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
)
from math import isinf
from typing import Any

from engagements.personalization.filters.errors import FilterError
from engagements.personalization.filters.kinds import (
    MAX_DIGITS,
    Number,
    checked,
    number,
)
from engagements.personalization.filters.lists import property_of

MAX_PLACES = 30
# Room for every digit of the largest number beside those of the smallest.
_EXACT = Context(
    prec=2 * MAX_DIGITS + 100, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_HALF_UP
)


def plain(value: Number) -> int | float:
    """The number as JSON has it."""
    if isinstance(checked(value), int):
        return int(value)
    found = float(value)
    if isinf(found):
        raise FilterError("this number is too large")
    return found


def plus(one: Number, other: Number) -> Number:
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    return _EXACT.add(one, other)


def minus(one: Number, other: Number) -> Number:
    if isinstance(one, int) and isinstance(other, int):
        return one - other
    return _EXACT.subtract(one, other)


def times(one: Number, other: Number) -> Number:
    if isinstance(one, int) and isinstance(other, int):
        return one * other
    return _EXACT.multiply(one, other)


def divided_by(one: Number, other: Number) -> Number:
    """Two whole numbers give a whole number, rounded down, as in Liquid."""
    if isinstance(one, int) and isinstance(other, int):
        return one // other
    return _EXACT.divide(one, other)


def modulo(one: Number, other: Number) -> Number:
    """The remainder has the sign of the divisor, as in Ruby."""
    if isinstance(one, int) and isinstance(other, int):
        return one % other
    rest = _EXACT.remainder(one, other)
    return _EXACT.add(rest, other) if rest and (rest < 0) != (other < 0) else rest


def ceil(one: Number) -> int:
    return int(Decimal(one).to_integral_value(ROUND_CEILING))


def floor(one: Number) -> int:
    return int(Decimal(one).to_integral_value(ROUND_FLOOR))


def round_(one: Number, places: int = 0) -> Number:
    if isinstance(one, int) and places >= 0:
        return one
    kept = max(-MAX_PLACES, min(places, MAX_PLACES))
    rounded = _EXACT.quantize(Decimal(one), Decimal(1).scaleb(-kept))
    return rounded if kept > 0 else int(rounded)


def sum_(items: Sequence[Any], name: str | None = None) -> Number | None:
    """None where one of them has nothing to add."""
    found = [property_of(item, name) for item in items] if name else items
    if any(item is None for item in found):
        return None
    total: Number = 0
    for item in found:
        total = checked(plus(total, number(item)))
    return total


def number_with_delimiter(one: Number) -> str:
    return f"{one:,}" if isinstance(one, int) else f"{one:,f}"


def money(one: Number) -> str:
    return f"{_EXACT.quantize(Decimal(one), Decimal('0.01')):,f}"
