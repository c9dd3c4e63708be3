"""Parameters of an External API: what a marketer fills in, and how a value is read."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from types import MappingProxyType

import orjson

from externalapi.template.transforms import TRANSFORMS, Transform
from lemnisk_braze.lib.json_types import JSON

# One value may not be larger than an item that Braze's own customers send.
MAX_VALUE_BYTES = 100 * 1024
MAX_DEPTH = 20

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = range(-(2**63), 2**63)
_TRUE = frozenset({"true", "yes", "1", "on"})
_FALSE = frozenset({"false", "no", "0", "off"})


class MissingParameterError(ValueError):
    """A required parameter has no value for this person."""

    def __init__(self, name: str) -> None:
        super().__init__(f"“{name}” has no value")
        self.name = name


class InvalidParameterError(ValueError):
    """A parameter's value is not of its type, or cannot go where it is used."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"“{name}”: {message}")
        self.name = name
        self.message = message


class ParameterType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    LIST = "list"
    OBJECT = "object"
    # What an engagement's payload takes as it comes; no External API asks for it.
    ANY = "any"

    @property
    def label(self) -> str:
        return _TYPE_LABELS[self]


class Level(StrEnum):
    """Who gives the value: each engagement, the person's identifier, or the API."""

    ENGAGEMENT = "engagement"
    IDENTIFIER = "identifier"
    FIXED = "fixed"

    @property
    def label(self) -> str:
        return _LEVEL_LABELS[self]


_TYPE_LABELS = {
    ParameterType.TEXT: "Text",
    ParameterType.INTEGER: "Whole number",
    ParameterType.NUMBER: "Number",
    ParameterType.BOOLEAN: "Yes or no",
    ParameterType.DATETIME: "Date and time",
    ParameterType.LIST: "List",
    ParameterType.OBJECT: "Object",
    ParameterType.ANY: "Any value",
}
# What a parameter of an External API can be.
ASKED_TYPES = tuple(kind for kind in ParameterType if kind is not ParameterType.ANY)
_LEVEL_LABELS = {
    Level.ENGAGEMENT: "Asked in each engagement",
    Level.IDENTIFIER: "The person's channel identifier",
    Level.FIXED: "Fixed here",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One `{{Name of the User}}`; `default` and `value` (level fixed) are as typed.

    `label`, `description` and `example` are for the people who fill it in. A value is
    read as `type`, goes through `transform` and is one of `allowed` where there are any.
    """

    name: str
    label: str = ""
    description: str = ""
    type: ParameterType = ParameterType.TEXT
    transform: Transform = Transform.NONE
    level: Level = Level.ENGAGEMENT
    required: bool = True
    default: str = ""
    value: str = ""
    example: str = ""
    allowed: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What people read: the label, else the name."""
        return self.label or self.name

    @property
    def is_plain(self) -> bool:
        """Whether a value of its type goes in as it is."""
        return self.transform is Transform.NONE and not self.allowed

    def coerce(self, value: JSON | datetime) -> JSON:
        """Return the value as this parameter's type, as it is sent.

        Dates become ISO 8601 in UTC with Z. Raises ValueError with a sentence for the
        person who typed the value.
        """
        return self.coercer()(value)

    def coercer(self) -> Callable[[JSON | datetime], JSON]:
        """Return `coerce`, prepared for many values; raises ValueError as it does."""
        read = COERCE[self.type]
        if self.transform is not Transform.NONE:
            read = _transformed(read, TRANSFORMS[self.transform])
        if self.allowed:
            read = _limited(read, self.allowed, COERCE[self.type])
        return read

    def to_dict(self) -> dict[str, JSON]:
        """Return the parameter as it is stored: what says nothing is left out."""
        kept = {"name", "type", "level", "required", "default", "value"}
        return {
            key: _stored(item)
            for key, item in asdict(self).items()
            if key in kept or (item and item != Transform.NONE)
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, JSON]) -> "Parameter":
        allowed = data.get("allowed") or ()
        assert isinstance(allowed, list | tuple)
        return cls(
            name=str(data["name"]),
            label=str(data.get("label", "")),
            description=str(data.get("description", "")),
            type=ParameterType(str(data.get("type", ParameterType.TEXT))),
            transform=Transform(str(data.get("transform", Transform.NONE))),
            level=Level(str(data.get("level", Level.ENGAGEMENT))),
            required=bool(data.get("required", True)),
            default=str(data.get("default", "")),
            value=str(data.get("value", "")),
            example=str(data.get("example", "")),
            allowed=tuple(str(item) for item in allowed),
        )


def _stored(item: object) -> JSON:
    if isinstance(item, tuple):
        return [str(one) for one in item]
    return item if isinstance(item, bool) else str(item)


def _transformed(
    read: Callable[[JSON | datetime], JSON], transform: Callable[[str], str]
) -> Callable[[JSON | datetime], JSON]:
    return lambda value: transform(as_text(read(value)))


def _limited(
    read: Callable[[JSON | datetime], JSON],
    allowed: tuple[str, ...],
    as_typed: Callable[[JSON | datetime], JSON],
) -> Callable[[JSON | datetime], JSON]:
    values = [as_typed(one) for one in allowed]

    def limited(value: JSON | datetime) -> JSON:
        found = read(value)
        # True is 1 to Python, and is no whole number to anybody else.
        if not any(found == one and type(found) is type(one) for one in values):
            raise ValueError(f"{_quoted(value)} is not one of {', '.join(allowed)}")
        return found

    return limited


def as_text(value: JSON | datetime) -> str:
    """Return the value as it reads inside a text; an absent one is empty."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return _iso(value)
        case float() if isfinite(value):
            # As a person writes it: 0.00001, and not 1e-05.
            return f"{Decimal(repr(value)):f}"
        case dict() | list():
            return as_json(value)
    return str(value)


def as_json(value: JSON) -> str:
    """Return the value as JSON text; raises ValueError for a number that JSON has not."""
    try:
        written = orjson.dumps(value).decode()
    except TypeError:
        # A whole number beyond 64 bits, with all its digits.
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    # orjson writes NaN as null. Looking through the tree costs more than writing it,
    # so look only where a null came out.
    if "null" in written and has_nan(value):
        raise ValueError("NaN and infinity cannot be written as JSON")
    return written


def has_nan(tree: JSON) -> bool:
    """Whether there is a number in it that JSON has not."""
    if isinstance(tree, float):
        return not isfinite(tree)
    if isinstance(tree, dict):
        return any(has_nan(item) for item in tree.values())
    return isinstance(tree, list) and any(has_nan(item) for item in tree)


def _text(value: JSON | datetime) -> str:
    if isinstance(value, dict | list) or value is None:
        raise ValueError(f"{_quoted(value)} is not a text")
    return _sendable(as_text(value))


def _integer(value: JSON | datetime) -> int:
    is_digits = isinstance(value, str) and _INTEGER.fullmatch(value.strip())
    if is_digits or (isinstance(value, float) and value.is_integer()):
        value = int(value)  # type: ignore[arg-type]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{_quoted(value)} is not a whole number")
    if value not in _WHOLE:
        raise ValueError(f"{_quoted(value)} is too large a number")
    return value


def _number(value: JSON | datetime) -> int | float:
    number = value
    if isinstance(value, str) and _NUMBER.fullmatch(stripped := value.strip()):
        number = int(stripped) if _INTEGER.fullmatch(stripped) else float(stripped)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{_quoted(value)} is not a number")
    if number not in _WHOLE if isinstance(number, int) else not isfinite(number):
        raise ValueError(f"{_quoted(value)} is too large a number")
    return number


def _boolean(value: JSON | datetime) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{_quoted(value)} is not true or false")


def _datetime(value: JSON | datetime) -> str:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        if isinstance(value, datetime):
            return _iso(value)
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"{_quoted(value)} is not a date and time; write it as 2025-01-31T09:30:00Z"
    )


def _iso(moment: datetime) -> str:
    """A time without a zone is UTC, as Braze reads it."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return f"{moment.isoformat(timespec=precision)}Z"


def _list(value: JSON | datetime) -> list[JSON]:
    parsed = _parsed(value)
    if not isinstance(parsed, list):
        raise ValueError(f'{_quoted(value)} is not a list; write it as ["a", "b"]')
    return parsed


def _object(value: JSON | datetime) -> dict[str, JSON]:
    parsed = _parsed(value)
    if not isinstance(parsed, dict):
        raise ValueError(f'{_quoted(value)} is not an object; write it as {{"a": 1}}')
    return parsed


def _any(value: JSON | datetime) -> JSON:
    """A value of any type as it is; a time as it is written."""
    match value:
        case str():
            return _sendable(value)
        case bool():
            return value
        case int():
            return _integer(value)
        case float():
            return _number(value)
        case datetime():
            return _iso(value)
        case dict() | list():
            found = _parsed(value)
            assert isinstance(found, dict | list)
            return found
    raise ValueError("there is no value")


def _parsed(value: JSON | datetime) -> JSON | datetime:
    """Return a list or object, from JSON text too; anything else as it is."""
    if isinstance(value, str):
        try:
            value = orjson.loads(_sendable(value))
        except orjson.JSONDecodeError:
            return value
    if isinstance(value, dict | list):
        _check_tree(value, MAX_DEPTH)
        _check_size(len(_dumped(value)))
    return value


def _dumped(value: JSON) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as e:
        raise ValueError(f"{_quoted(value)} cannot be sent: {e}") from e


def _check_tree(value: object, depth: int) -> None:
    """orjson writes NaN as null, which tells Braze to delete: refuse it here."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{_quoted(value)} is not a number")
    if isinstance(value, str):
        _sendable(value)
    if not isinstance(value, dict | list):
        return
    if depth == 0:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    for key in value if isinstance(value, dict) else ():
        _sendable(key)
    for item in value.values() if isinstance(value, dict) else value:
        _check_tree(item, depth - 1)


def _sendable(text: str) -> str:
    if "\0" in text:
        raise ValueError("it contains a NUL character, which cannot be sent")
    if text.isascii():
        _check_size(len(text))
        return text
    try:
        _check_size(len(text.encode()))
    except UnicodeEncodeError as e:
        raise ValueError("it contains half of a character (a lone surrogate)") from e
    return text


def _check_size(size: int) -> None:
    if size > MAX_VALUE_BYTES:
        raise ValueError(f"it is longer than {MAX_VALUE_BYTES // 1024} KB")


def _quoted(value: object) -> str:
    text = str(value)
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"


COERCE: Mapping[ParameterType, Callable[[JSON | datetime], JSON]] = MappingProxyType(
    {
        ParameterType.TEXT: _text,
        ParameterType.INTEGER: _integer,
        ParameterType.NUMBER: _number,
        ParameterType.BOOLEAN: _boolean,
        ParameterType.DATETIME: _datetime,
        ParameterType.LIST: _list,
        ParameterType.OBJECT: _object,
        ParameterType.ANY: _any,
    }
)
