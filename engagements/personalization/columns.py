"""A parameter's value for many people at once.

Nearly every value is one path whose value fits as it is: a text for a text parameter, a
number for a number. Such a column is looked up for everybody and checked as a whole, in
loops that are not Python's. Who does not fit takes the long way, alone; both give the
same (a property test holds them against each other). What comes out of PostgreSQL has
no NUL and no half of a character, and no NaN.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from math import inf
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from externalapi.definitions.compiled import Reader
from externalapi.template.parameters import ParameterType
from lemnisk_braze.lib.json_types import JSON

Context = Mapping[str, Any]
# One person's value, None where there is none; raises one of ERRORS.
Source = Callable[[Context], JSON]
ERRORS = (ValueError, TypeError, RecursionError, ArithmeticError)

# No text of so many characters is too long, whatever they are.
SHORT = 20_000
_WHOLE = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """People whose data lie side by side, and the context that is the same for all.

    `engagements`: what `engagement` means to each, where that differs; `variants`: which
    one each gets, by number, where there are several.
    """

    shared: Context
    profiles: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    engagements: Sequence[Mapping[str, Any]] = ()
    variants: Sequence[int] = ()

    @classmethod
    def of_one(cls, context: Context) -> "Group":
        return cls(
            shared=context, profiles=[context["profile"]], events=[context["event"]]
        )

    def __len__(self) -> int:
        return len(self.profiles)

    def some(self, positions: Sequence[int]) -> "Group":
        """Those of the group at these positions, in this order."""
        if len(positions) == len(self):
            return self
        return replace(
            self,
            profiles=[self.profiles[n] for n in positions],
            events=[self.events[n] for n in positions],
            engagements=[self.engagements[n] for n in positions]
            if self.engagements
            else (),
            variants=[self.variants[n] for n in positions] if self.variants else (),
        )

    def context(self, position: int) -> Context:
        """What one person's variables are looked up in."""
        own = {"profile": self.profiles[position], "event": self.events[position]}
        if self.engagements:
            own["engagement"] = self.engagements[position]
        return {**self.shared, **own}


class LeftOutError(ValueError):
    """What an optional parameter cannot take: it is left out, and the delivery says so."""


# Position → why there is no value: an error, or None where there is nothing.
Gaps = Mapping[int, Exception | None]
# A value for each of a group; who has none has a gap.
Column = Callable[[Group], tuple[Sequence[JSON], Gaps]]
NO_GAPS: Gaps = MappingProxyType({})


def through(
    path: tuple[str, ...],
    reader: Reader,
    slow: Source,
    *,
    has_default: bool = False,
    fallback: JSON = None,
) -> Column:
    """Return a column that tries the path first; `slow` does what it cannot.

    `fallback`: what stands in for nothing at the path; None: ask `slow`.
    """
    fit = FITS.get(reader.parameter.type)
    look_up = _look_up(path)
    if fit is None or look_up is None or not reader.parameter.is_plain:
        return one_by_one(slow)
    if has_default:
        # Liquid's default takes the place of false, too.
        fit = FITS_WITH_DEFAULT.get(reader.parameter.type, fit)

    def column(group: Group) -> tuple[Sequence[JSON], Gaps]:
        values = look_up(group)
        if fit(values):
            return values, NO_GAPS
        gaps: dict[int, Exception | None] = {}
        for position, value in enumerate(values):
            if value is None and fallback is not None:
                values[position] = fallback
            elif not fit([value]):
                values[position] = _read(slow, group, position, gaps)
        return values, gaps

    return column


def one_by_one(source: Source) -> Column:
    """A column of what the source gives for each person."""

    def column(group: Group) -> tuple[Sequence[JSON], Gaps]:
        gaps: dict[int, Exception | None] = {}
        everybody = range(len(group))
        return [_read(source, group, position, gaps) for position in everybody], gaps

    return column


def same_for_all(source: Source) -> Column:
    """A column of what the source gives for the first person."""

    def column(group: Group) -> tuple[Sequence[JSON], Gaps]:
        gap: dict[int, Exception | None] = {}
        value = _read(source, group, 0, gap)
        gaps = dict.fromkeys(range(len(group)), gap[0]) if gap else NO_GAPS
        return [value] * len(group), gaps

    return column


def by_variant(columns: Mapping[int, Column]) -> Column:
    """A column of what each variant's own gives for its people."""

    def column(group: Group) -> tuple[Sequence[JSON], Gaps]:
        values: list[JSON] = [None] * len(group)
        gaps: dict[int, Exception | None] = {}
        for number in set(group.variants):
            at = [n for n, own in enumerate(group.variants) if own == number]
            found, missing = columns[number](group.some(at))
            for n, value in zip(at, found, strict=True):
                values[n] = value
            gaps |= {at[n]: why for n, why in missing.items()}
        return values, gaps

    return column


def _read(
    source: Source, group: Group, position: int, gaps: dict[int, Exception | None]
) -> JSON:
    try:
        value = source(group.context(position))
    except ERRORS as e:
        # One person's odd data must not stop the other 74.
        gaps[position] = e
        return None
    if value is None:
        gaps[position] = None
    return value


def _look_up(path: tuple[str, ...]) -> Callable[[Group], list[Any]] | None:
    match path:
        case ("profile", name):
            return partial(_attribute, name, itemgetter(name))
        case ("event", "properties", name):
            return lambda group: [
                (event.get("properties") or {}).get(name) for event in group.events
            ]
    return None


def _attribute(
    name: str, item: Callable[[Mapping[str, Any]], Any], group: Group
) -> list[Any]:
    try:
        # Mostly everybody has it: twice as fast.
        return list(map(item, group.profiles))
    except KeyError:
        return [person.get(name) for person in group.profiles]


def _are_texts(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == {str} and _are_short(values)


def _are_short(texts: Sequence[str]) -> bool:
    return "" not in texts and max(map(len, texts)) < SHORT


def _are_integers(values: Sequence[Any]) -> bool:
    return (
        set(map(type, values)) == {int}
        and min(values) >= -_WHOLE
        and max(values) < _WHOLE
    )


def _are_numbers(values: Sequence[Any]) -> bool:
    found = set(map(type, values))
    if not found <= {int, float} or inf in values or -inf in values:
        return False
    return found == {float} or _are_integers([v for v in values if type(v) is int])


def _are_booleans(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == {bool}


def _are_true(values: Sequence[Any]) -> bool:
    return _are_booleans(values) and all(values)


def _are_datetimes(values: Sequence[Any]) -> bool:
    """Whether they are times in UTC, written just as they go out."""
    if set(map(type, values)) != {str} or set(map(len, values)) != {20}:
        return False
    text = "".join(values)
    if any(text[at::20] != mark * len(values) for at, mark in _MARKS):
        return False
    try:
        deque(map(datetime.fromisoformat, values), maxlen=0)
    except ValueError:
        return False
    return True


def _are_of_a_kind(values: Sequence[Any]) -> bool:
    """Whether they are texts, numbers or booleans: what goes out as it is."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return _are_short(values)
    return kinds == {bool} or _are_numbers(values)


def _are_said(values: Sequence[Any]) -> bool:
    """The same where a default takes the place of false."""
    return bool not in set(map(type, values)) and _are_of_a_kind(values)


# Where 2026-01-31T09:30:05Z has what is no digit.
_MARKS = ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "Z"))
# Whether all of some values (at least one) go out as they are.
FITS: Mapping[ParameterType, Callable[[Sequence[Any]], bool]] = MappingProxyType(
    {
        ParameterType.TEXT: _are_texts,
        ParameterType.INTEGER: _are_integers,
        ParameterType.NUMBER: _are_numbers,
        ParameterType.BOOLEAN: _are_booleans,
        ParameterType.DATETIME: _are_datetimes,
        ParameterType.ANY: _are_of_a_kind,
    }
)
FITS_WITH_DEFAULT: Mapping[ParameterType, Callable[[Sequence[Any]], bool]] = (
    MappingProxyType({ParameterType.BOOLEAN: _are_true, ParameterType.ANY: _are_said})
)
