"""The names that every picker offers, and the warning about one that never came."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from django.db.models import F, QuerySet
from django.utils.timesince import timesince

from lemnisk_braze.lib import database_clock
from segments.dictionary import values
from segments.dictionary.observing import ATTRIBUTE, EVENT, PROPERTY
from segments.models import DictionaryEntry
from segments.rules import kinds, tree

# So many are offered at once, the most frequent first.
MOST = 500
MOST_PROPERTIES = 2_000
# Below so many tenths of a percent a share is said to be less.
_LITTLE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name with what helps to pick it: its type (of ValueType), share and last time."""

    name: str
    type: str = ""
    share: str = ""
    last_seen: datetime | None = None
    is_personal: bool = False
    description: str = ""

    @property
    def label(self) -> str:
        """Its type in words."""
        return values.label(self.type) if self.type else ""

    @property
    def often(self) -> str:
        """In one line, such as "about 12 % of people · seen 3 days ago"."""
        seen = f"seen {ago(self.last_seen)}" if self.last_seen else ""
        return " · ".join(filter(None, (self.share, seen)))

    @property
    def about(self) -> str:
        """The same, after its type."""
        return " · ".join(filter(None, (self.label, self.often)))


def attributes() -> list[Name]:
    """Attributes; the columns of a person come first."""
    found = {one.name: one for one in _names(_entries(ATTRIBUTE)[:MOST])}
    columns = [found.pop(name, Name(name=name)) for name in kinds.COLUMNS]
    return [*columns, *found.values()]


def events() -> list[Name]:
    return _names(_entries(EVENT)[:MOST])


def properties(event_names: Collection[str] | None = None) -> dict[str, list[Name]]:
    """By event; None: of all events that are offered."""
    entries = _entries(PROPERTY)
    if event_names is not None:
        entries = entries.filter(event__in=event_names)
    rows = list(entries[:MOST_PROPERTIES])
    of_events = DictionaryEntry.objects.filter(
        kind=EVENT, name__in={row.event for row in rows}
    )
    counts = dict(of_events.values_list("name", "count"))
    found: dict[str, list[Name]] = defaultdict(list)
    for row in rows:
        found[row.event].append(_name(row, counts.get(row.event, 0)))
    return dict(found)


def pages_of_attributes(names: Collection[str]) -> dict[str, str]:
    """The addresses of their entries, as far as they have one."""
    entries = DictionaryEntry.objects.filter(kind=ATTRIBUTE, event="", name__in=names)
    return {entry.name: entry.get_absolute_url() for entry in entries.only("name")}


def hidden_attributes() -> set[str]:
    return _hidden(ATTRIBUTE)


def hidden_properties(event_names: Collection[str]) -> set[str]:
    return _hidden(PROPERTY, event__in=event_names)


def never_seen(rule: Mapping[str, Any]) -> list[str]:
    """A sentence for each name that a valid rule reads and that never came."""
    asked = dict.fromkeys(read_by(rule))
    return [_warning(*key) for key in asked if not _is_known(*key)]


def read_by(rule: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Yield the (kind, event, name) that a rule reads."""
    for one in tree.conditions(rule):
        # One that was never finished is of no kind.
        if kinds.KINDS.keys() & one.keys():
            yield from kinds.of(one).names(one)


def share_of(entry: DictionaryEntry, of_event: int = 0) -> str:
    """How many people have it, did it, or how many of its events have it; in words."""
    if entry.kind == PROPERTY:
        part, whole, who = entry.count, of_event, "of these events"
    else:
        part, whole, who = entry.people or 0, entry.people_asked or 0, "of people"
    if not whole:
        return ""
    about = "about " if entry.is_share_estimated or entry.is_count_estimated else ""
    return f"{about}{percent(part / whole)} {who}"


def percent(share: float) -> str:
    if 0 < share < _LITTLE:
        return "less than 0.1 %"
    if share < 0.1:
        return f"{share:.1%}".replace(".0%", "%").replace("%", " %")
    return f"{min(share, 1.0):.0%}".replace("%", " %")


def ago(at: datetime) -> str:
    """In one unit: "3 days ago"."""
    since = timesince(at, database_clock.reckoned(), depth=1).replace("\xa0", " ")
    return "just now" if since.startswith("0 ") else f"{since} ago"


def type_of(entry: DictionaryEntry) -> str:
    """The most frequent type that is not null, in words; "" for none."""
    found = _type_of(entry)
    return values.label(found) if found else ""


def _type_of(entry: DictionaryEntry) -> str:
    for type, count in entry.type_counts.items():
        if count and values.PLACE[type] != values.PLACE["null"]:
            return type
    return ""


def _entries(kind: str) -> QuerySet[DictionaryEntry]:
    offered = DictionaryEntry.objects.filter(kind=kind, is_hidden=False)
    shares = F("people").desc(nulls_last=True)
    return offered.order_by(shares, "-count", "name")


def _hidden(kind: str, **of: object) -> set[str]:
    entries = DictionaryEntry.objects.filter(kind=kind, is_hidden=True, **of)
    return set(entries.values_list("name", flat=True))


def _names(entries: Iterable[DictionaryEntry]) -> list[Name]:
    return [_name(entry) for entry in entries]


def _name(entry: DictionaryEntry, of_event: int = 0) -> Name:
    return Name(
        name=entry.name,
        type=_type_of(entry) if entry.kind != EVENT else "",
        share=share_of(entry, of_event),
        last_seen=entry.last_seen,
        is_personal=entry.holds_personal_data,
        description=entry.description,
    )


def _is_known(kind: str, event: str, name: str) -> bool:
    if kind == ATTRIBUTE and name in kinds.COLUMNS:
        return True
    return DictionaryEntry.objects.filter(kind=kind, event=event, name=name).exists()


def _warning(kind: str, event: str, name: str) -> str:
    same = DictionaryEntry.objects.filter(kind=kind, event=event)
    close = get_close_matches(name, same.values_list("name", flat=True)[:MOST], n=1)
    hint = f" Did you mean “{close[0]}”?" if close else ""
    if kind == EVENT:
        return f"Nobody has done “{name}” so far.{hint}"
    if kind == PROPERTY:
        return f"No event “{event}” came with the property “{name}” so far.{hint}"
    return f"Nobody has come with the attribute “{name}” so far.{hint}"
