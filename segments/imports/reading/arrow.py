"""Arrow's columns as values that JSON has, a cell that has none by itself."""

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any

# What JSON's readers take for a whole number without rounding it.
WHOLE = 1 << 63


class Odd(str):
    """What a cell has in words, where Python has no value for it: a date after 9999."""

    __slots__ = ()


def values(column: Any) -> list[Any]:
    """An array's values as Python has them; those that it has not as `Odd`."""
    from pyarrow import ArrowException

    errors = (ValueError, OverflowError, LookupError, ArrowException)
    try:
        # Python's times have microseconds.
        in_micros = _in_micros(column.type)
        if in_micros != column.type:
            column = column.cast(in_micros, safe=False)
        found: list[Any] = column.to_pylist()
    except errors:
        return list(_one_by_one(column, errors))
    return found


def plain(value: Any) -> Any:
    """A value as JSON has it; times as ISO 8601, without a zone where they have none.

    (P) What is no number, infinite, or `Odd`, is no value; a number that JSON's readers
    would round is a text; bytes that are no text are one in hexadecimal; of what JSON
    has not there is its text.
    """
    if value is None or isinstance(value, str | bool | int):
        return None if value.__class__ is Odd else value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    return str(value)


def _decimal(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        return int(value) if abs(value) < WHOLE else str(int(value))
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else str(value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def _one_by_one(column: Any, errors: tuple[type[Exception], ...]) -> Iterator[Any]:
    for scalar in column:
        try:
            yield scalar.as_py()
        except errors:
            yield Odd(_in_words(scalar, errors))


def _in_words(scalar: Any, errors: tuple[type[Exception], ...]) -> str:
    try:
        return str(scalar.cast("string").as_py())
    except errors:
        return str(scalar.type)


def _in_micros(type: Any) -> Any:
    """The same type, with microseconds where it has nanoseconds, however deep."""
    import pyarrow
    from pyarrow import types

    if types.is_timestamp(type) and type.unit == "ns":
        return pyarrow.timestamp("us", type.tz)
    if types.is_time64(type) and type.unit == "ns":
        return pyarrow.time64("us")
    if types.is_duration(type) and type.unit == "ns":
        return pyarrow.duration("us")
    if types.is_list(type):
        return pyarrow.list_(_in_micros(type.value_type))
    if types.is_large_list(type):
        return pyarrow.large_list(_in_micros(type.value_type))
    if types.is_struct(type):
        return pyarrow.struct([f.with_type(_in_micros(f.type)) for f in type])
    if types.is_map(type):
        return pyarrow.map_(_in_micros(type.key_type), _in_micros(type.item_type))
    return type
