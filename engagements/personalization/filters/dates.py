"""Dates and times: reading them, time zones, and Ruby's formats.

Everything that is read is a moment: a time without a zone is UTC, as in a parameter.
What could be two dates (03/06/2021) is none.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo

from engagements import time_zones
from engagements.personalization.filters.errors import FilterError

Format = Callable[[datetime], str]

_MONTHS = (
    "January February March April May June July August September October November "
    "December"
).split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTH_NUMBERS = {
    word.lower(): number
    for number, name in enumerate(_MONTHS, 1)
    for word in (name, name[:3], "Sept" if name == "September" else name)
}
_TIME = (
    r"(?:[T ,]\s*(?:at )?(?P<hour>\d{1,2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:[.,:](?P<fraction>\d{1,9}))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?"
    r"(?:\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2}))?)?"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_ORDERS = tuple(
    re.compile(date + _TIME, re.IGNORECASE | re.ASCII)
    for date in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        # With dots the day comes first, in every country that writes them.
        r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})",
        _WEEKDAY + r"(?P<day>\d{1,2})(?:st|nd|rd|th)?[ -](?P<name>[a-z]{3,9})\.?,?[ -]"
        r"(?P<year>\d{4})",
        _WEEKDAY + r"(?P<name>[a-z]{3,9})\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+"
        r"(?P<year>\d{4})",
    )
)
_DIGITS = re.compile(r"[0-9]{1,15}")
_DAY_SHAPES = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}
_SHORTEST_COUNT = 9
_MILLISECONDS = 10**11
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 64


def moment(value: object) -> datetime:
    """The time that a value means; raises FilterError where it means none.

    A number is seconds since 1970 (milliseconds from 100,000,000,000 on), but eight
    digits that are a day, 19901231, are that day, and fourteen a second of it. A text
    of fewer digits may be a year or anything else: it is no time.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        if isinstance(value, str):
            written = value.strip()
            is_count = _DIGITS.fullmatch(written)
            return _of_digits(written) if is_count else _of_text(written)
        if isinstance(value, int) and not isinstance(value, bool):
            return _of_day(str(value)) or _of_count(value)
        if isinstance(value, float):
            return _of_count(value)
    except (ValueError, OverflowError):
        pass
    shown = "this" if isinstance(value, list | dict) else f"“{str(value)[:40]}”"
    raise FilterError(f"{shown} is not a date and time")


def _of_digits(digits: str) -> datetime:
    if day := _of_day(digits):
        return day
    if len(digits) < _SHORTEST_COUNT:
        raise ValueError
    return _of_count(int(digits))


def _of_day(digits: str) -> datetime | None:
    shape = _DAY_SHAPES.get(len(digits))
    if shape is None or digits < "1000":
        return None
    try:
        return datetime.strptime(digits, shape).replace(tzinfo=UTC)
    except ValueError:
        return None


def _of_count(count: float) -> datetime:
    unit = "milliseconds" if abs(count) >= _MILLISECONDS else "seconds"
    return _EPOCH + timedelta(**{unit: count})


@lru_cache(maxsize=1_024)
def _of_text(written: str) -> datetime:
    if not 0 < len(written) <= _LONGEST:
        raise ValueError
    for order in _ORDERS:
        if found := order.fullmatch(written):
            return _of_parts(found.groupdict())
    # ISO 8601's rarer forms: weeks, and times without colons.
    at = datetime.fromisoformat(written)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _of_parts(parts: Mapping[str, str | None]) -> datetime:
    name = parts.get("name") or ""
    month = _MONTH_NUMBERS.get(name.lower()) or parts.get("month")
    fraction = (parts["fraction"] or "").ljust(6, "0")[:6]
    return datetime(
        int(parts["year"] or 0),
        int(month or 0),
        int(parts["day"] or 0),
        _hour(int(parts["hour"] or 0), parts["half"]),
        int(parts["minute"] or 0),
        int(parts["second"] or 0),
        int(fraction),
        tzinfo=_offset(parts["zone"]),
    )


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError
    return hour % 12 + (12 if half.lower() == "p" else 0)


def _offset(zone: str | None) -> tzinfo:
    if zone is None or zone[0] not in "+-":
        return UTC
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if minutes > 59:
        raise ValueError
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if zone[0] == "-" else offset)


def zone(name: str) -> tzinfo:
    """The time zone of this name; raises FilterError."""
    if name in time_zones.names():
        return ZoneInfo(name)
    if re.fullmatch(r"[+-][0-9]{2}:?[0-5][0-9]", name) and name[1:3] < "15":
        return _offset(name)
    close = get_close_matches(name[:40], time_zones.names(), n=1)
    hint = f" Did you mean “{close[0]}”?" if close else " Write one as Europe/Berlin."
    raise FilterError(f"there is no time zone “{name[:40]}”.{hint}")


# A format: Ruby's directives, as %d, %-d, %^a, %3N and %:z.
_DIRECTIVE = re.compile(r"%(?P<flags>[-0^_#]*)(?P<width>[0-9]{0,2})(?P<letter>:?[^:]?)")
_SHORTHANDS = {
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "R": "%H:%M",
    "T": "%H:%M:%S",
    "X": "%H:%M:%S",
    "c": "%a %b %e %H:%M:%S %Y",
    "h": "%b",
    "r": "%I:%M:%S %p",
    "v": "%e-%^b-%Y",
    "x": "%m/%d/%y",
}
# Letter → the number it stands for, how many digits it has, and what fills them up.
_NUMBERS: Mapping[str, tuple[Callable[[datetime], int], int, str]] = {
    "C": (lambda at: at.year // 100, 2, "0"),
    "G": (lambda at: at.isocalendar()[0], 4, "0"),
    "H": (lambda at: at.hour, 2, "0"),
    "I": (lambda at: at.hour % 12 or 12, 2, "0"),
    "M": (lambda at: at.minute, 2, "0"),
    "S": (lambda at: at.second, 2, "0"),
    "U": (lambda at: (_day_of_year(at) + 6 - at.isoweekday() % 7) // 7, 2, "0"),
    "V": (lambda at: at.isocalendar()[1], 2, "0"),
    "W": (lambda at: (_day_of_year(at) + 6 - at.weekday()) // 7, 2, "0"),
    "Y": (lambda at: at.year, 4, "0"),
    "d": (lambda at: at.day, 2, "0"),
    "e": (lambda at: at.day, 2, " "),
    "g": (lambda at: at.isocalendar()[0] % 100, 2, "0"),
    "j": (lambda at: _day_of_year(at), 3, "0"),
    "k": (lambda at: at.hour, 2, " "),
    "l": (lambda at: at.hour % 12 or 12, 2, " "),
    "m": (lambda at: at.month, 2, "0"),
    "s": (lambda at: (at - _EPOCH) // timedelta(seconds=1), 1, "0"),
    "u": (lambda at: at.isoweekday(), 1, "0"),
    "w": (lambda at: at.isoweekday() % 7, 1, "0"),
    "y": (lambda at: at.year % 100, 2, "0"),
}
_WORDS: Mapping[str, Callable[[datetime], str]] = {
    "A": lambda at: _DAYS[at.weekday()],
    "B": lambda at: _MONTHS[at.month - 1],
    "P": lambda at: "pm" if at.hour >= 12 else "am",
    "Z": lambda at: at.tzname() or "UTC",
    "a": lambda at: _DAYS[at.weekday()][:3],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "p": lambda at: "PM" if at.hour >= 12 else "AM",
}
_SIGNS = {"%": "%", "n": "\n", "t": "\t"}
_FRACTIONS = {"L": 3, "N": 9}
DIRECTIVES = "".join(
    sorted({*_SHORTHANDS, *_NUMBERS, *_WORDS, *_SIGNS, *_FRACTIONS, "z"})
)
_MAX_FORMAT = 200


@lru_cache(maxsize=256)
def compile_format(written: str) -> Format:
    """Return what writes a time so; raises FilterError for a directive that is none."""
    if not written.strip():
        raise FilterError("the format is empty; write one as %Y-%m-%d")
    if len(written) > _MAX_FORMAT:
        raise FilterError(f"the format is longer than {_MAX_FORMAT} characters")
    parts: list[Format] = []
    end = 0
    for found in _DIRECTIVE.finditer(written):
        parts += [_constant(written[end : found.start()]), _directive(found)]
        end = found.end()
    parts.append(_constant(written[end:]))
    return lambda at: "".join([part(at) for part in parts])


def _directive(found: re.Match[str]) -> Format:
    flags, width, letter = found["flags"], int(found["width"] or 0), found["letter"]
    if letter in _SHORTHANDS:
        return _padded(compile_format(_SHORTHANDS[letter]), flags, width)
    if letter in _NUMBERS:
        return _number(*_NUMBERS[letter], flags, width)
    if letter in _WORDS:
        return _padded(_WORDS[letter], flags, width)
    if letter in _FRACTIONS:
        digits = width or _FRACTIONS[letter]
        return lambda at: f"{at.microsecond:06}".ljust(digits, "0")[:digits]
    if letter in ("z", ":z"):
        colon = ":" if letter == ":z" else ""
        return lambda at: _offset_text(at, colon)
    if letter in _SIGNS and not flags and not width:
        return _constant(_SIGNS[letter])
    raise FilterError(f"“{found[0]}” is not supported in a date’s format")


def _constant(text: str) -> Format:
    return lambda at: text


def _number(
    read: Callable[[datetime], int], digits: int, fill: str, flags: str, width: int
) -> Format:
    if "-" in flags:
        return lambda at: str(read(at))
    own = " " if "_" in flags else "0" if "0" in flags else fill
    return lambda at: str(read(at)).rjust(width or digits, own)


def _padded(write: Format, flags: str, width: int) -> Format:
    fill = "0" if "0" in flags else " "

    def padded(at: datetime) -> str:
        text = write(at)
        if "^" in flags:
            text = text.upper()
        elif "#" in flags:
            text = text.lower() if text.isupper() else text.upper()
        return text.rjust(width, fill)

    return padded


def _offset_text(at: datetime, colon: str) -> str:
    minutes = (at.utcoffset() or timedelta(0)) // timedelta(minutes=1)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}{colon}{abs(minutes) % 60:02}"


def _day_of_year(at: datetime) -> int:
    return at.timetuple().tm_yday


def in_zone(at: datetime, zone: tzinfo) -> datetime:
    return at.astimezone(zone)


def later(at: datetime, days: int) -> datetime:
    return at + timedelta(days=days)
