"""Who reads a name: segments by their rules, and what the apps above tell."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from segments.dictionary import catalog
from segments.dictionary.observing import EVENT, Key
from segments.models import DictionaryEntry, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Something that reads the name; `kind` says what it is, in a word."""

    kind: str
    name: str
    url: str


# What an app above answers: who reads the (kind, event, name).
Reader = Callable[[Key], Iterable[Use]]

_registered: list[Reader] = []


def register(reader: Reader) -> None:
    """Called once, when the app above is ready."""
    _registered.append(reader)


def of(entry: DictionaryEntry) -> list[Use]:
    """All that read it, by kind and name."""
    key = (entry.kind, entry.event, entry.name)
    found = [*_segments(key), *(use for read in _registered for use in read(key))]
    return sorted(found, key=lambda use: (use.kind, use.name))


def _segments(key: Key) -> Iterable[Use]:
    rows = Segment.objects.only("name", "rule")
    if key[0] == EVENT:
        rows = rows.filter(event_names__contains=[key[2]])
    for segment in rows:
        if key in set(catalog.read_by(segment.rule)):
            yield Use(kind="Segment", name=segment.name, url=segment.get_absolute_url())
