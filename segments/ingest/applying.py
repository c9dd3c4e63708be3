"""What a chunk of the inbox's messages does: to people, their events, their segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection

from segments.identity.resolution import People, Person, TooMuchError
from segments.membership import refresh
from segments.models import InboxMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A row of the inbox; `size`: its payload's bytes."""

    id: int
    source_id: int
    message_id: str
    kind: str
    payload: dict[str, Any]
    size: int
    received_at: str


def apply(messages: Sequence[Message]) -> dict[int, Exception]:
    """Write what the messages say, in a dozen statements; return whom it refused.

    By id of the message; one that is refused has told us no more than who it is about.
    """
    people = People(
        {m.payload["userId"] for m in messages if m.payload.get("userId")},
        {m.payload["anonymousId"] for m in messages if m.payload.get("anonymousId")},
    )
    refused: dict[int, Exception] = {}
    tracked: list[tuple[Message, Person]] = []
    for message in messages:
        payload = message.payload
        try:
            person = people.resolve(payload.get("userId"), payload.get("anonymousId"))
            if message.kind == InboxMessage.Kind.IDENTIFY:
                person.learn(payload.get("traits") or {}, message.size)
            else:
                tracked.append((message, person))
        except TooMuchError as e:
            refused[message.id] = e
    people.save()
    _insert_events(tracked)
    _evaluate(people, tracked)
    return refused


def _insert_events(tracked: Sequence[tuple[Message, Person]]) -> None:
    if not tracked:
        return
    columns: list[list[Any]] = [
        [m.source_id for m, _ in tracked],
        [m.message_id for m, _ in tracked],
        [p.final().id for _, p in tracked],
        [m.payload["event"] for m, _ in tracked],
        [m.payload["timestamp"] for m, _ in tracked],
        [orjson.dumps(m.payload.get("properties") or {}).decode() for m, _ in tracked],
        [m.received_at for m, _ in tracked],
    ]
    with connection.cursor() as cursor:
        cursor.execute(INSERT_EVENTS, columns)


def _evaluate(people: People, tracked: Sequence[tuple[Message, Person]]) -> None:
    """People who changed: all segments. Who only did something: those that read it."""
    changed = {p.id for p in people if p.id and p.is_changed}
    changed |= {p.final().id for p in people if p.merged_into}
    refresh.evaluate(sorted(changed))
    active = {p.final().id for _, p in tracked} - changed
    names = {m.payload["event"] for m, p in tracked if p.final().id in active}
    refresh.evaluate(sorted(active), sorted(names))


INSERT_EVENTS = """
INSERT INTO segments_event
    (source_id, message_id, profile_id, name, time, properties, received_at)
SELECT source_id, message_id, profile_id, name, time, properties::jsonb, received_at
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::timestamptz[],
            %s::text[], %s::timestamptz[])
AS new (source_id, message_id, profile_id, name, time, properties, received_at)
ON CONFLICT (source_id, message_id) DO NOTHING
"""
