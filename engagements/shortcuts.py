"""The short way for what nearly every value is: one path whose value fits as it is.

A text for a text parameter, a number for a number: found in two look-ups and checked by
its class alone. Everything else, and whatever does not fit, takes the long way, so both
give the same (a property test holds them against each other). What comes out of
PostgreSQL has no NUL and no half of a character, and no number that JSON has not.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from externalapi.definition import Reader
from externalapi.parameters import JSON, ParameterType

Context = Mapping[str, Any]
Source = Callable[[Context], JSON]

# No text of so many characters is too long, whatever they are.
SHORT = 20_000
_WHOLE = 2**63


def through(
    path: tuple[str, ...],
    reader: Reader,
    slow: Source,
    *,
    has_default: bool = False,
    fallback: JSON = None,
) -> Source:
    """Return a source that tries the path first; `slow` does what it cannot.

    `fallback`: what stands in for nothing at the path; None: ask `slow`.
    """
    fits = FITS.get(reader.parameter.type)
    if fits is None or not reader.parameter.is_plain:
        return slow
    if fits is _fits_boolean and has_default:
        # Liquid's default takes the place of false, too.
        fits = _is_true
    match path:
        case (root, name):
            return _shallow(root, name, fits, fallback, slow)
        case ("event", "properties", name):
            return _in_properties(name, fits, fallback, slow)
    return slow


def _shallow(
    root: str, name: str, fits: Callable[[Any], bool], fallback: JSON, slow: Source
) -> Source:
    if fits is _fits_text:
        return _text(root, name, fallback, slow)

    def source(context: Context) -> JSON:
        value: JSON = context[root].get(name)
        if fits(value):
            return value
        return slow(context) if value is not None or fallback is None else fallback

    return source


def _text(root: str, name: str, fallback: JSON, slow: Source) -> Source:
    """`_shallow` for the usual case, without the call."""

    def source(context: Context) -> JSON:
        value: JSON = context[root].get(name)
        if value.__class__ is str and 0 < len(value) < SHORT:
            return value
        return slow(context) if value is not None or fallback is None else fallback

    return source


def _in_properties(
    name: str, fits: Callable[[Any], bool], fallback: JSON, slow: Source
) -> Source:
    def source(context: Context) -> JSON:
        properties = context["event"].get("properties")
        value: JSON = properties.get(name) if properties else None
        if fits(value):
            return value
        return slow(context) if value is not None or fallback is None else fallback

    return source


def _fits_text(value: Any) -> bool:
    return value.__class__ is str and 0 < len(value) < SHORT


def _fits_integer(value: Any) -> bool:
    return value.__class__ is int and -_WHOLE <= value < _WHOLE


def _fits_number(value: Any) -> bool:
    return value.__class__ is float or _fits_integer(value)


def _fits_boolean(value: Any) -> bool:
    return value is True or value is False


def _is_true(value: Any) -> bool:
    return value is True


def _fits_datetime(value: Any) -> bool:
    """Whether it is a time in UTC, written just as it goes out."""
    if value.__class__ is not str or len(value) != 20 or value[19] != "Z":
        return False
    if (value[4], value[7], value[10], value[13], value[16]) != (
        "-",
        "-",
        "T",
        ":",
        ":",
    ):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


FITS: Mapping[ParameterType, Callable[[Any], bool]] = MappingProxyType(
    {
        ParameterType.TEXT: _fits_text,
        ParameterType.INTEGER: _fits_integer,
        ParameterType.NUMBER: _fits_number,
        ParameterType.BOOLEAN: _fits_boolean,
        ParameterType.DATETIME: _fits_datetime,
    }
)
