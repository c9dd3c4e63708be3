"""What a filter takes: each kind reads a value, or says why it is not one.

A value of the wrong kind is an error for the person whose it is. Nothing here turns a
text that is no number into 0, or a list into the text of a list.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any, TypeAlias

from engagements.personalization.filters import dates
from engagements.personalization.filters.errors import FilterError
from externalapi.template.parameters import as_text

Number: TypeAlias = int | Decimal

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
# No number is longer than the largest double is, written out.
MAX_DIGITS = 309
_SMALLEST_INDEX, _LARGEST_INDEX = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`name` is what the documentation says, `read` raises FilterError."""

    name: str
    read: Callable[[Any], Any]


def name_of(value: object) -> str:
    """What kind of thing a value is, in words."""
    for kinds, name in _NAMES:
        if isinstance(value, kinds):
            return name
    return "this"


def text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        # Who asked for a time zone reads its time, and still knows which it is.
        return value.isoformat() if value.utcoffset() else as_text(value)
    if isinstance(value, float) and not isfinite(value):
        raise FilterError("this number is too large")
    if isinstance(value, bool | int | float):
        return as_text(value)
    raise FilterError(f"a text is needed here, not {name_of(value)}")


def number(value: object) -> Number:
    """The number exactly as it is written, so that 2.675 is not a little less."""
    if isinstance(value, str):
        return _written_number(value.strip())
    if isinstance(value, int) and not isinstance(value, bool):
        return checked(value)
    if isinstance(value, float):
        return checked(Decimal(repr(value)))
    raise FilterError(f"a number is needed here, not {name_of(value)}")


def checked(value: Number) -> Number:
    """The number; raises FilterError for one that no double comes near."""
    if isinstance(value, Decimal) and not value.is_finite():
        raise FilterError("this number is too large")
    digits = value.adjusted() if isinstance(value, Decimal) else value.bit_length() // 4
    if digits >= MAX_DIGITS:
        raise FilterError("this number is too large")
    return value


def whole(value: object) -> int:
    found = number(value)
    if isinstance(found, Decimal):
        if found != found.to_integral_value():
            raise FilterError(f"“{text(value)[:40]}” is not a whole number")
        found = int(found)
    if not _SMALLEST_INDEX <= found <= _LARGEST_INDEX:
        raise FilterError("this number is too large")
    return found


def divisor(value: object) -> Number:
    found = number(value)
    if found == 0:
        raise FilterError("nothing can be divided by 0")
    return found


def items(value: object) -> list[Any]:
    """The list with the lists in it unfolded, as Liquid has it."""
    if not isinstance(value, list):
        raise FilterError(f"a list is needed here, not {name_of(value)}")
    if not any(isinstance(item, list) for item in value):
        return value
    unfolded: list[Any] = []
    for item in value:
        unfolded.extend(items(item) if isinstance(item, list) else [item])
    return unfolded


def record(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FilterError(f"an object is needed here, not {name_of(value)}")
    return value


def sized(value: object) -> object:
    if not isinstance(value, str | list | dict):
        raise FilterError(f"a text or a list is needed here, not {name_of(value)}")
    return value


def text_or_items(value: object) -> object:
    return items(value) if isinstance(value, list) else text(value)


def truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise FilterError("write true or false here")
    return value


def _written_number(written: str) -> Number:
    if not _NUMBER.fullmatch(written):
        raise FilterError(f"“{written[:40]}” is not a number")
    if _WHOLE.fullmatch(written):
        if len(written) > MAX_DIGITS:
            raise FilterError("this number is too large")
        return checked(int(written))
    return checked(Decimal(written))


_NAMES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "a text"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (datetime, "a time"),
    (list, "a list"),
    (dict, "an object"),
)
ANY = Kind(name="anything", read=lambda value: value)
TEXT = Kind(name="text", read=text)
NUMBER = Kind(name="number", read=number)
DIVISOR = Kind(name="number but 0", read=divisor)
WHOLE = Kind(name="whole number", read=whole)
LIST = Kind(name="list", read=items)
OBJECT = Kind(name="object", read=record)
SIZED = Kind(name="text, list or object", read=sized)
SLICED = Kind(name="text or list", read=text_or_items)
TRUTH = Kind(name="true or false", read=truth)
DATE = Kind(name="date and time", read=dates.moment)
FORMAT = Kind(name="format", read=lambda value: dates.compile_format(text(value)))
ZONE = Kind(name="time zone", read=lambda value: dates.zone(text(value)))
