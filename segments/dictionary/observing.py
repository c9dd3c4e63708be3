"""What messages that were applied tell of names: counted whole, looked into in part.

Messages of one source that have the same names, in the same order, are counted as one
shape, which costs a tuple each. Of a shape a few values tell the types of all: shares of
types are estimates where much came at once, numbers of messages are not.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from segments.dictionary import personal, values
from segments.models import DictionaryEntry

# (kind, event, name)
Key: TypeAlias = tuple[str, str, str]

ATTRIBUTE = DictionaryEntry.Kind.ATTRIBUTE.value
EVENT = DictionaryEntry.Kind.EVENT.value
PROPERTY = DictionaryEntry.Kind.PROPERTY.value
# So many of a shape are looked into, and so many messages of a chunk; the first of each
# shape comes first.
OF_A_SHAPE = 12
OF_A_CHUNK = 400
MAX_NAME = 255
# A chunk of names that never came before tells no more than so many of them.
MOST_NAMES = 5_000
_NO_VALUES: Mapping[str, Any] = {}


class Message(Protocol):
    """What is asked of a message."""

    @property
    def source_id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...


class Sighting:
    """What came under a name: how often, as what (values.PLACE), from which sources."""

    __slots__ = ("count", "looks_personal", "sources", "types")

    def __init__(self) -> None:
        self.count = 0
        self.types = [0.0] * values.SIZE
        self.sources: set[int] = set()
        self.looks_personal = ""


class Sightings:
    """By name, of messages or stored rows."""

    def __init__(self) -> None:
        self.by_key: dict[Key, Sighting] = {}
        self._shapes: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}

    def add(self, source_id: int, event: str, said: Mapping[str, Any]) -> None:
        """An event with its properties; attributes where `event` is ""."""
        key = (source_id, event, *said)
        shape = self._shapes.get(key)
        if shape is None:
            self._shapes[key] = [said]
        else:
            shape.append(said)

    def count(self, weight: int = 1) -> dict[Key, Sighting]:
        """Count what was added, each as so many."""
        room = max(0, OF_A_CHUNK - len(self._shapes))
        for (source_id, event, *names), shape in self._shapes.items():
            looked = min(len(shape), OF_A_SHAPE, 1 + room)
            room -= looked - 1
            sample = shape[:: -(-len(shape) // looked)]
            self._count(source_id, event, names, len(shape) * weight, sample)
        self._shapes = {}
        return self.by_key

    def _count(
        self,
        source_id: int,
        event: str,
        names: Sequence[str],
        number: int,
        sample: Sequence[Mapping[str, Any]],
    ) -> None:
        if event:
            self._see((EVENT, "", event), source_id, number)
        weight = number / len(sample)
        kind = PROPERTY if event else ATTRIBUTE
        for name in names:
            found = self._see((kind, event, name), source_id, number)
            if found is None:
                continue
            for said in sample:
                value = said[name]
                found.types[values.place(value)] += weight
                if not found.looks_personal:
                    found.looks_personal = personal.by_value(value)

    def _see(self, key: Key, source_id: int, number: int) -> Sighting | None:
        found = self.by_key.get(key)
        if found is None:
            if len(key[2]) > MAX_NAME or len(self.by_key) >= MOST_NAMES:
                return None
            found = self.by_key[key] = Sighting()
        found.count += number
        found.sources.add(source_id)
        return found


def of(messages: Iterable[Message]) -> dict[Key, Sighting]:
    """What these messages, which were applied, tell of names."""
    seen = Sightings()
    for message in messages:
        payload = message.payload
        if message.kind == "track":
            said = payload.get("properties") or _NO_VALUES
            seen.add(message.source_id, payload["event"], said)
        if traits := payload.get("traits"):
            seen.add(message.source_id, "", traits)
    return seen.count()
