"""What people did becomes events, in one COPY.

(P) The table is not partitioned: a rule that asks for "ever" would ask each partition,
1.7 times the cost with thirteen of them, and retention deletes the oldest ids in small
pieces for 7 µs an event (docs/decisions.md).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, cycle
from typing import Any, TypeAlias

import orjson

from segments.identity.people import Part
from segments.ingest.message import Message
from segments.models import copying

COLUMNS = (
    "source_id",
    "message_id",
    "profile_id",
    "via_id",
    "name",
    "time",
    "properties",
    "received_at",
)
Tracked: TypeAlias = Sequence[tuple[Message, Part]]
# Of fewer hardly two come to the same page of an index.
MANY = 1_000
# Which of an index's neighbours come first: so many of so many, evenly. A page is split
# up to 5 % off its middle, and what it keeps is to grow by the others and still fit.
FIRST, OF = 11, 20
COMES_FIRST = [place * FIRST % OF < FIRST for place in range(OF)]
COMES_THEN = [not is_first for is_first in COMES_FIRST]


def write(tracked: Tracked) -> None:
    if tracked:
        copying.copy("segments_event", COLUMNS, _lines(_in_order(tracked)))


def _lines(tracked: Tracked) -> Iterable[str]:
    said = [(message.payload, part) for message, part in tracked]
    columns = (
        [str(message.source_id) for message, _ in tracked],
        copying.fields([message.message_id for message, _ in tracked]),
        [str(part.person_id) for _, part in tracked],
        [copying.NULL if v is None else str(v) for v in (p.via_id for _, p in tracked)],
        copying.fields([payload["event"] for payload, _ in said]),
        copying.fields([payload["timestamp"] for payload, _ in said]),
        [_properties(payload) for payload, _ in said],
        [message.received_at for message, _ in tracked],
    )
    return map("\t".join, zip(*columns, strict=True))


def _properties(payload: Mapping[str, Any]) -> str:
    return copying.json_field(orjson.dumps(payload.get("properties") or {}).decode())


def _in_order(tracked: Tracked) -> Tracked:
    """The events as they fill pages of the index by name; each person's in their order.

    A full page is split in the middle. Events come at the end of their name's, so the
    half that is left behind would get no other, ever. So a little more than half come
    first, evenly out of the index's order, and then all others, between them.
    """
    if len(tracked) < MANY:
        return tracked
    people = [part.person_id for _, part in tracked]
    names = [message.payload["event"] for message, _ in tracked]
    times = [message.payload["timestamp"] for message, _ in tracked]
    by_index = sorted(zip(names, times, people, range(len(tracked)), strict=True))
    numbers = [one[3] for one in by_index]
    places = [
        *compress(numbers, cycle(COMES_FIRST)),
        *compress(numbers, cycle(COMES_THEN)),
    ]
    _keep_order(places, people)
    return [tracked[number] for number in places]


def _keep_order(places: list[int], people: Sequence[int]) -> None:
    """Let each person's events share their places in the order in which they came."""
    often = {person for person, count in Counter(people).items() if count > 1}
    own: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(places) if often else ():
        if people[number] in often:
            own[people[number]].append(place)
    for of_person in own.values():
        came = sorted(places[place] for place in of_person)
        for place, number in zip(of_person, came, strict=True):
            places[place] = number
