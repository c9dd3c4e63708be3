"""The types that the cells of a column may have, and what a cell of each says.

A converter takes a cell's text, trimmed and not empty, and returns a value of JSON; it
raises ValueError with words for the row's reason.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

import phonenumbers

from segments.contact import as_dialled, is_international, parsed
from segments.tracking import request_body
from segments.tracking.errors import RefusedError

Convert = Callable[[str], Any]

TEXT, AS_IS = "text", "as_is"
NUMBER, NUMBER_COMMA, BOOLEAN = "number", "number_comma", "boolean"
DATE_YMD, DATE_DMY, DATE_MDY = "date_ymd", "date_dmy", "date_mdy"
EXCEL_DATE = "excel_date"
JSON = "json"

# What number-like text is a number: no zeros before it, no more digits than are exact.
_WHOLE = r"(?:0|[1-9]\d{0,17})"
_DAY, _MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?"
_TIME = rf"(?:(?:[T ]|, ?){_CLOCK}(?: ?[AaPp][Mm])?(?: ?(?:Z|[+-]\d{{2}}:?\d{{2}}))?)?"


def _number(point: str, group: str) -> str:
    grouped = rf"[1-9]\d{{0,2}}(?:{group}\d{{3}}){{1,4}}"
    return rf"-?(?:{_WHOLE}|(?:0|[1-9]\d{{0,11}}|{grouped})(?:{point}\d{{1,16}})?)"


# Cores of regular expressions; a backreference's number is that of its only group.
PATTERNS: Mapping[str, str] = {
    NUMBER: _number(r"\.", ","),
    NUMBER_COMMA: _number(",", r"\."),
    BOOLEAN: r"(?i:true|false)",
    DATE_YMD: rf"[12]\d{{3}}([-/])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01]){_TIME}",
    DATE_DMY: rf"{_DAY}([-/.]){_MONTH}\1[12]\d{{3}}{_TIME}",
    DATE_MDY: rf"{_MONTH}([-/]){_DAY}\1[12]\d{{3}}{_TIME}",
}
LABELS: Mapping[str, str] = {
    TEXT: "Text",
    NUMBER: "Number (1,234.5)",
    NUMBER_COMMA: "Number (1.234,5)",
    BOOLEAN: "True or false",
    DATE_YMD: "Date (2026-07-05)",
    DATE_DMY: "Date, day first (05/07/2026)",
    DATE_MDY: "Date, month first (07/05/2026)",
    EXCEL_DATE: "Date as Excel’s number (45292)",
    JSON: "List or object (JSON)",
    AS_IS: "As it is in the file",
}
# A long number as a spreadsheet shows it, and saves it.
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]{2,3}")
_TRUE, _FALSE = {"true", "yes", "y", "1"}, {"false", "no", "n", "0"}
# The days of Excel's calendar: it has a 29 February 1900.
_EXCEL_BEGIN, _EXCEL_LEAP = date(1899, 12, 31), 60
_DATE = re.compile(r"(\d+)[-/.](\d+)[-/.](\d+)(?:(?:[T ]|, ?)(.+))?")
_OF_DAY = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?: ?([AaPp])[Mm])?"
    r"(?: ?(Z|[+-]\d{2}:?\d{2}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What a file cannot say of its cells: `zone` is that of times without one."""

    zone: tzinfo = UTC


def converter(type: str, how: How) -> Convert:
    """The converter of one of LABELS."""
    if type in (NUMBER, NUMBER_COMMA):
        return _as_number if type == NUMBER else _as_number_comma
    if type in (DATE_YMD, DATE_DMY, DATE_MDY):
        order = type.removeprefix("date_")
        return lambda text: as_time(text, order, how.zone)
    others = {BOOLEAN: _as_boolean, EXCEL_DATE: _as_excel_date, JSON: as_json}
    return others.get(type, str)


def as_time(text: str, order: str, zone: tzinfo) -> str:
    """A date as 2026-07-05; with a time of day in UTC, as 2026-07-05T10:00:00Z.

    `order`: "ymd", "dmy" or "mdy".
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"“{_short(text)}” is no date")
    numbers = dict(zip(order, map(int, found.groups()[:3]), strict=True))
    try:
        day = date(numbers["y"], numbers["m"], numbers["d"])
        if found[4] is None:
            return day.isoformat()
        at = datetime.combine(day, time()) + _of_day(found[4])
        own = _zone(found[4])
        return _in_utc(at.replace(tzinfo=own or zone))
    except (ValueError, OverflowError) as e:
        raise ValueError(f"“{_short(text)}” is no date") from e


def as_json(text: str) -> list[Any] | dict[str, Any]:
    """The list or object that a text is, strictly: as a message may hold it."""
    if text[:1] not in ("[", "{"):
        raise ValueError(f"“{_short(text)}” is neither a list nor an object")
    try:
        value: list[Any] | dict[str, Any] = request_body.parse_value(text)
    except RefusedError as e:
        raise ValueError(f"“{_short(text)}” cannot be kept. {e.message}") from e
    return value


def is_json(text: str) -> bool:
    """Whether a cell is a list or an object, or empty."""
    try:
        if trimmed := text.strip():
            as_json(trimmed)
    except ValueError:
        return False
    return True


def as_phone(text: str, country: str) -> str:
    """The number in E.164; without a country, what does not begin with + stays.

    `country`: an ISO code, or "+" where numbers begin with the country's code without
    its plus.
    """
    dialled = as_dialled(text)
    if is_international(dialled):
        return dialled
    if not country and not dialled.startswith("+"):
        return text
    if country == "+" and not dialled.startswith("+"):
        dialled = f"+{dialled.removeprefix('00')}"
    number = parsed(dialled, country if country != "+" else None)
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValueError(f"“{_short(text)}” is no phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def rounded(text: str) -> str:
    """What is wrong with an identifier that a spreadsheet has rounded; "" with others.

    Many long numbers become one: 1.23457E+11.
    """
    if not _ROUNDED.fullmatch(text):
        return ""
    return (
        f"“{text}” is what a spreadsheet leaves of a long number; make the column a"
        " text there, and save it again"
    )


def _as_number(text: str) -> int | float:
    if not _IS_NUMBER(text):
        raise ValueError(f"“{_short(text)}” is no number")
    plain = text.replace(",", "")
    number = float(plain) if "." in plain else int(plain)
    if abs(number) >= 1 << 63:
        raise ValueError(f"“{_short(text)}” is too long a number; import it as text")
    return number


def _as_number_comma(text: str) -> int | float:
    try:
        return _as_number(text.translate(_SWAP))
    except ValueError as e:
        raise ValueError(f"“{_short(text)}” is no number") from e


_IS_NUMBER = re.compile(
    r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d*)?", re.ASCII
).fullmatch
_SWAP = str.maketrans(",.", ".,")


def _as_boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"“{_short(text)}” is neither true nor false")
    return word in _TRUE


def _as_excel_date(text: str) -> str:
    """In Excel's calendar a day is a number, in every zone the same."""
    try:
        days, _, part = text.replace(",", ".").partition(".")
        number = int(days)
        if number < 1:
            raise ValueError
        day = _EXCEL_BEGIN + timedelta(days=number - (number > _EXCEL_LEAP))
        seconds = round(float(f"0.{part}") * 86_400) if part.strip("0") else 0
    except (ValueError, OverflowError) as e:
        raise ValueError(f"“{_short(text)}” is no date of Excel’s") from e
    if not seconds:
        return day.isoformat()
    at = datetime.combine(day, time()) + timedelta(seconds=seconds)
    return f"{at.isoformat()}"


def _of_day(text: str) -> timedelta:
    found = _OF_DAY.fullmatch(text)
    if found is None:
        raise ValueError(text)
    hour, half = int(found[1]), (found[5] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + 12 * (half == "p")
    micro = int((found[4] or "0")[:6].ljust(6, "0"))
    of_day = time(hour, int(found[2]), int(found[3] or 0), micro)
    return datetime.combine(date.min, of_day) - datetime.min


def _zone(text: str) -> tzinfo | None:
    found = _OF_DAY.fullmatch(text)
    own = found[6] if found else None
    if not own:
        return None
    return UTC if own == "Z" else datetime.strptime(own, "%z").tzinfo


def _in_utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
