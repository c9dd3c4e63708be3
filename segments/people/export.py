"""All that is held of somebody, as one JSON document for them.

Written piece by piece: however much somebody did, the document is never in memory whole.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from segments.models import (
    Event,
    Identifier,
    Membership,
    MergeLog,
    Profile,
    RefusedMessage,
    Transition,
)
from segments.people import display
from segments.privacy import erasure, places
from segments.privacy.naming import Named

# Rows read at a time.
CHUNK = 2_000

Entries = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Somebody: the ids of their rows, all that are one with them, and what names them."""

    ids: Sequence[int]
    named: Named


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A list of the document; `read` yields what JSON can say, in order."""

    name: str
    read: Callable[[Whole], Entries]


_sections: list[Section] = []


def register(*sections: Section) -> None:
    """Called once, when an app is ready."""
    _sections.extend(sections)


def write(person: Profile) -> Iterator[str]:
    """Yield the document, of somebody with all who are part of them.

    {"person": {…}, "identifiers": […], "attributes": […], "events": […], …}: a list for
    each section, an entry a line.
    """
    root = person.merged_into or person
    named = erasure.named(root)
    whole = Whole(ids=named.people, named=named)
    yield f'{{"person": {_json(_person(root))}'
    for section in _sections:
        yield f",\n{_json(section.name)}: ["
        for number, entry in enumerate(section.read(whole)):
            yield f"{',' if number else ''}\n{_json(entry)}"
        yield "]"
    yield "}\n"


def _person(person: Profile) -> dict[str, Any]:
    return {
        "external_id": person.external_id,
        "email": person.email,
        "phone": person.phone,
        "created_at": person.created_at,
        "updated_at": person.updated_at,
    }


def _identifiers(whole: Whole) -> Entries:
    found = Identifier.objects.filter(profile__in=whole.ids).order_by("kind", "value")
    return found.values("kind", "value", "time").iterator(CHUNK)


def _attributes(whole: Whole) -> Entries:
    for person in Profile.objects.filter(pk__in=whole.ids).order_by("pk"):
        for one in display.attributes_of(person):
            yield {
                "name": one.name,
                "value": one.value,
                "said_at": one.at,
                "source": one.source or None,
                "typed": one.typed or None,
            }
        # What they said before they were part of somebody.
        if person.own and person.merged_into_id:
            yield {"name": "said before a merge", "value": person.own["data"]}


def _events(whole: Whole) -> Entries:
    events = Event.objects.filter(profile__in=whole.ids).order_by("time", "pk")
    names = ("name", "time", "properties", "received_at", "message_id", "source__name")
    for event in events.values(*names).iterator(CHUNK):
        yield {**event, "source": event.pop("source__name")}


def _segments(whole: Whole) -> Entries:
    found = Membership.objects.filter(profile__in=whole.ids).order_by("since")
    for name, since in found.values_list("segment__name", "since").iterator(CHUNK):
        yield {"segment": name, "since": since}


def _moves(whole: Whole) -> Entries:
    found = Transition.objects.filter(profile__in=whole.ids).order_by("at", "pk")
    rows = found.values_list("segment__name", "kind", "at")
    for name, kind, at in rows.iterator(CHUNK):
        yield {"segment": name, "what": kind, "at": at}


def _merges(whole: Whole) -> Entries:
    found = MergeLog.objects.filter(profile__in=whole.ids).order_by("at", "pk")
    return found.values("at", "kind", "reason", "undone_at").iterator(CHUNK)


def _refused(whole: Whole) -> Entries:
    """Messages that name them and could not be kept, word for word."""
    keys = places.rows(RefusedMessage, ("body", "message", "message_id"), whole.named)
    found = RefusedMessage.objects.filter(pk__in=keys).order_by("pk")
    for row in found.select_related("source").iterator(CHUNK):
        yield {
            "at": row.at,
            "source": str(row.source),
            "why": row.message,
            "message": _theirs(bytes(row.body), whole.named),
        }


def _theirs(body: bytes, named: Named) -> Any:
    """A message; of a batch the messages that name them, and nobody else's."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    batch = said.get("batch") if isinstance(said, dict) else None
    if isinstance(batch, list):
        return [message for message in batch if named.is_in(message)]
    return said


SECTIONS = (
    Section(name="identifiers", read=_identifiers),
    Section(name="attributes", read=_attributes),
    Section(name="events", read=_events),
    Section(name="segments", read=_segments),
    Section(name="entries_and_exits", read=_moves),
    Section(name="merges", read=_merges),
    Section(name="refused_messages", read=_refused),
)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder)
