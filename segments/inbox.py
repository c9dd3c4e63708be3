"""The inbox: messages that the tracking API accepted become people, events, entries.

One worker at a time (an advisory lock), in order of arrival, in sets: a chunk of
messages costs about a dozen statements, whatever it holds. A message that the database
refuses keeps its error text and does not stop the others.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import DataError, IntegrityError, connection, transaction

from segments import membership
from segments.identity import People, Person
from segments.models import InboxMessage, Source

logger = logging.getLogger(__name__)

CHUNK = 1_000
SMALL_CHUNK = 100
SECONDS = 45
# pg_advisory_xact_lock's key: any number that nothing else here uses.
LOCK = 0x5E69_1B0C


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How many messages became data, how many could not; whether more are waiting."""

    messages: int = 0
    errors: int = 0
    remains: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A row of the inbox, and the person whom it is about once that is known."""

    id: int
    source_id: int
    message_id: str
    kind: str
    payload: dict[str, Any]
    received_at: str


def append(source: Source, messages: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
    """Add (message ID, kind, payload) rows in one INSERT.

    A message ID that the source has sent before is the same message: the first stays.
    """
    ids, kinds, payloads = zip(*messages, strict=True)
    texts = [orjson.dumps(payload).decode() for payload in payloads]
    with connection.cursor() as cursor:
        cursor.execute(APPEND, [source.pk, list(ids), list(kinds), texts])


def apply(seconds: float | None = None) -> Applied:
    """Apply what is waiting until nothing is, another worker is at it, or time is up.

    `seconds`: at most so long; SECONDS where it is left out.

    "Nothing waits" is asked with the lock released: a message that came in while this
    worker held it, and whose own wake-up therefore ended at once, is found here.
    """
    done, errors = 0, 0
    deadline = time.monotonic() + (SECONDS if seconds is None else seconds)
    while is_waiting():
        if time.monotonic() > deadline:
            return Applied(messages=done, errors=errors, remains=True)
        counts = _apply_next_chunk()
        if counts is None:
            break
        done, errors = done + counts[0], errors + counts[1]
    return Applied(messages=done, errors=errors)


def apply_some(size: int = SMALL_CHUNK) -> bool:
    """Apply one piece of what is waiting; False where there was none to be had.

    A small one is for a worker that has something else in hand as well.
    """
    return is_waiting() and _apply_next_chunk(size) is not None


def is_waiting() -> bool:
    """Whether a message is still to be applied."""
    return InboxMessage.objects.filter(applied_at=None).exists()


def _apply_next_chunk(size: int = CHUNK) -> tuple[int, int] | None:
    """(applied, refused) of one chunk; None while another worker has the lock."""
    with transaction.atomic(), connection.cursor() as cursor:
        # The disk is not waited for: what a crash of the database forgets here, it
        # forgets with the marks of what was applied.
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return None
        cursor.execute(SELECT_WAITING, [size])
        messages = [_read(*row) for row in cursor.fetchall()]
        errors = _apply_or_split(messages)
        cursor.execute(MARK_APPLIED, [[m.id for m in messages]])
    return len(messages) - errors, errors


def _read(
    id: int, source_id: int, message_id: str, kind: str, payload: str, received_at: str
) -> Message:
    return Message(
        id=id,
        source_id=source_id,
        message_id=message_id,
        kind=kind,
        payload=orjson.loads(payload),
        received_at=received_at,
    )


def _apply_or_split(messages: Sequence[Message]) -> int:
    """Apply the messages together, else in halves, until a bad one stands alone."""
    if not messages:
        return 0
    try:
        with transaction.atomic():
            _apply(messages)
    except (
        DataError,
        IntegrityError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
    ) as e:
        if len(messages) == 1:
            _refuse(messages[0], e)
            return 1
    else:
        return 0
    half = len(messages) // 2
    return _apply_or_split(messages[:half]) + _apply_or_split(messages[half:])


def _refuse(message: Message, error: Exception) -> None:
    logger.warning("Inbox message %s cannot be applied", message.id, exc_info=error)
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    InboxMessage.objects.filter(pk=message.id).update(error=text)


def _apply(messages: Sequence[Message]) -> None:
    people = People(
        {m.payload["userId"] for m in messages if m.payload.get("userId")},
        {m.payload["anonymousId"] for m in messages if m.payload.get("anonymousId")},
    )
    tracked: list[tuple[Message, Person]] = []
    for message in messages:
        payload = message.payload
        person = people.resolve(payload.get("userId"), payload.get("anonymousId"))
        if message.kind == InboxMessage.Kind.IDENTIFY:
            person.learn(payload.get("traits") or {})
        else:
            tracked.append((message, person))
    people.save()
    _insert_events(tracked)
    _evaluate(people, tracked)


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
    membership.evaluate(sorted(changed))
    active = {p.final().id for _, p in tracked} - changed
    names = {m.payload["event"] for m, p in tracked if p.final().id in active}
    membership.evaluate(sorted(active), sorted(names))


APPEND = """
INSERT INTO segments_inboxmessage (source_id, message_id, kind, payload)
SELECT %s, message_id, kind, payload::jsonb
FROM unnest(%s::text[], %s::text[], %s::text[]) AS new (message_id, kind, payload)
ON CONFLICT (source_id, message_id) DO NOTHING
"""
SELECT_WAITING = """
SELECT id, source_id, message_id, kind, payload::text, received_at::text
FROM segments_inboxmessage WHERE applied_at IS NULL ORDER BY id LIMIT %s
"""
MARK_APPLIED = """
UPDATE segments_inboxmessage SET applied_at = now() WHERE id = ANY(%s)
"""
INSERT_EVENTS = """
INSERT INTO segments_event
    (source_id, message_id, profile_id, name, time, properties, received_at)
SELECT source_id, message_id, profile_id, name, time, properties::jsonb, received_at
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::timestamptz[],
            %s::text[], %s::timestamptz[])
AS new (source_id, message_id, profile_id, name, time, properties, received_at)
ON CONFLICT (source_id, message_id) DO NOTHING
"""
