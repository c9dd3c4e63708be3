"""What a value is. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from segments.identity import lists
from segments.models import ValueType
from segments.rules.operators import DATE

# Where a type's count stands.
PLACE: Mapping[str, int] = {value: n for n, value in enumerate(ValueType.values)}
SIZE = len(PLACE)
_TEXT, _DATE = PLACE[ValueType.TEXT], PLACE[ValueType.DATE]
_LIST, _OBJECTS = PLACE[ValueType.LIST], PLACE[ValueType.OBJECTS]
_NULL = PLACE[ValueType.NULL]
_PLAIN = {
    int: PLACE[ValueType.NUMBER],
    float: PLACE[ValueType.NUMBER],
    bool: PLACE[ValueType.BOOLEAN],
    type(None): _NULL,
}
# Types that are another's special case.
_ALSO = {_TEXT: {_DATE}, _LIST: {_OBJECTS}}


def place(value: Any) -> int:
    """Where the value's type is counted."""
    if (known := _PLAIN.get(type(value))) is not None:
        return known
    if isinstance(value, str):
        return _DATE if is_date(value) else _TEXT
    if isinstance(value, dict):
        # That a list of objects changes is said by an object.
        return _OBJECTS if lists.is_change(value) else PLACE[ValueType.OBJECT]
    is_of_objects = value and all(isinstance(item, dict) for item in value)
    return _OBJECTS if is_of_objects else _LIST


def is_date(text: str) -> bool:
    """Whether a text is a date, or a date and a time, as rules read it."""
    if text[4:5] != "-" or not DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def fits(value: Any, expected: str) -> bool:
    """Whether the value is of the expected type; null and an empty list fit any."""
    return place(value) in accepted(expected) or (
        value == [] and PLACE[expected] in (_LIST, _OBJECTS)
    )


def accepted(expected: str) -> set[int]:
    """Where the types are counted that an expected one takes: a date is a text."""
    wanted = PLACE[expected]
    return {wanted, _NULL} | _ALSO.get(wanted, set())


def label(type: str) -> str:
    return str(ValueType(type).label)
