"""Messages are held against the types that people expect of their values."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from segments.dictionary import values
from segments.dictionary.observing import ATTRIBUTE, PROPERTY, Key
from segments.models import DictionaryEntry, ValueType

Mismatch = DictionaryEntry.Mismatch


class WrongTypeError(ValueError):
    """A value is of another type than its dictionary entry says."""


class Message(Protocol):
    """What is asked of a message; values may be taken out of its payload."""

    payload: dict[str, Any]

    @property
    def key(self) -> int: ...
    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    type: str
    on_mismatch: str


@dataclass(slots=True, kw_only=True)
class Checked:
    """Who is refused, by key of the message, and how many values were of another type."""

    refused: dict[int, WrongTypeError] = field(default_factory=dict)
    mismatches: Counter[Key] = field(default_factory=Counter)


# Event → name → expectation; attributes are under "".
Expectations = Mapping[str, Mapping[str, Expectation]]


def check(messages: Sequence[Message]) -> Checked:
    """Refuse messages, or leave out values, as the dictionary's entries say."""
    checked = Checked()
    expected = _expectations()
    if not expected:
        return checked
    attributes = expected.get("")
    for message in messages:
        payload = message.payload
        if attributes and payload.get("traits"):
            _check(checked, message, "traits", "", attributes)
        if message.kind == "track" and (of_event := expected.get(payload["event"])):
            _check(checked, message, "properties", payload["event"], of_event)
    return checked


def _check(
    checked: Checked,
    message: Message,
    part: str,
    event: str,
    expected: Mapping[str, Expectation],
) -> None:
    said = message.payload.get(part) or {}
    dropped: list[str] = []
    for name, one in expected.items():
        if name not in said or values.fits(said[name], one.type):
            continue
        kind = PROPERTY if event else ATTRIBUTE
        checked.mismatches[kind, event, name] += 1
        if one.on_mismatch == Mismatch.REFUSE:
            checked.refused[message.key] = _error(name, said[name], one.type, part)
        elif one.on_mismatch == Mismatch.DROP:
            dropped.append(name)
    if dropped:
        kept = {name: value for name, value in said.items() if name not in dropped}
        message.payload = {**message.payload, part: kept}


def _error(name: str, value: Any, expected: str, part: str) -> WrongTypeError:
    found = values.label(ValueType.values[values.place(value)])
    return WrongTypeError(
        f"{part}.{name} is expected to be {_a(values.label(expected))}, and is "
        f"{_a(found)}. Its entry in the dictionary says so."
    )


def _a(type: str) -> str:
    if type in ("true or false", "null"):
        return type
    return f"an {type}" if type.startswith("o") else f"a {type}"


def _expectations() -> Expectations:
    found: dict[str, dict[str, Expectation]] = defaultdict(dict)
    rows = DictionaryEntry.objects.exclude(expected_type="").exclude(kind="event")
    for event, name, type, on_mismatch in rows.values_list(
        "event", "name", "expected_type", "on_mismatch"
    ):
        found[event][name] = Expectation(type=type, on_mismatch=on_mismatch)
    return found
