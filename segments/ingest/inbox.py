"""The inbox: messages that the tracking API accepted become people, events, entries.

One worker at a time (an advisory lock), in order of arrival, in sets: a chunk of
messages costs about a dozen statements, whatever it holds. A message that cannot be
applied is found by halves, keeps its reason, and does not stop the others.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error, connection, transaction

from lemnisk_braze.lib.database_errors import (
    TOO_LONG,
    About,
    about,
    is_in_the_way,
    sqlstate,
)
from lemnisk_braze.lib.logs import get_logger
from segments.ingest import applying
from segments.ingest.applying import Message
from segments.models import InboxMessage, Source

logger = get_logger(__name__)

CHUNK = 1_000
SMALL_CHUNK = 100
SECONDS = 45
# In seconds, for one statement. Somebody else's lock is not waited for while others
# could be sent to; what many messages cannot do in that time, each may try alone.
LOCK_WAIT = 0.2
LONGEST = 30
LONGEST_ALONE = 60
FEWER = 30
ANY_NUMBER = 1 << 20
# In seconds: how long a process leaves the inbox alone after a mistake of ours.
REST = 5
# So many messages that fail by a mistake of ours, and not one that does not: it is not
# the messages.
SUSPECTS = 20
MAX_REASON = 500
# pg_advisory_xact_lock's key: any number that nothing else here uses.
LOCK = 0x5E69_1B0C


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How many messages became data, how many could not; whether more are waiting."""

    messages: int = 0
    errors: int = 0
    remains: bool = False


@dataclass(slots=True, kw_only=True)
class Care:
    """How this process goes on after a chunk that failed: with fewer, or later."""

    at_once: int = ANY_NUMBER
    rests_until: float = float("-inf")

    @property
    def is_resting(self) -> bool:
        return time.monotonic() < self.rests_until


_care = Care()


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
    while has_work():
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
    return has_work() and _apply_next_chunk(size) is not None


def has_work() -> bool:
    """Whether a message waits that this process may try now."""
    return not _care.is_resting and is_waiting()


def is_waiting() -> bool:
    """Whether a message is still to be applied."""
    return InboxMessage.objects.filter(applied_at=None).exists()


def _apply_next_chunk(size: int = CHUNK) -> tuple[int, int] | None:
    """(applied, refused) of one chunk; None while another worker has the lock.

    Also None where nothing can be applied by a mistake of ours. Raises the database's
    error while it is away.
    """
    size = min(size, _care.at_once)
    tried: list[int] = []
    try:
        counts = _apply_chunk(size, tried)
    except Error as e:
        return _go_on_after(e, size, tried)
    _care.at_once = min(2 * _care.at_once, ANY_NUMBER)
    if counts and tried:
        logger.info(
            "inbox.applied",
            messages=counts[0],
            refused=counts[1],
            first_message_id=tried[0],
            last_message_id=tried[-1],
        )
    return counts


def _go_on_after(
    error: Error, size: int, tried: Sequence[int]
) -> tuple[int, int] | None:
    """What a chunk's error leaves to be done, as _apply_next_chunk says it."""
    code = sqlstate(error)
    if code == TOO_LONG and size == 1 and tried:
        return 0, _give_up(tried, error)
    if code == TOO_LONG or is_in_the_way(error):
        logger.info("inbox.tried_by_fewer", messages=size, because=error)
        _care.at_once = max(size // FEWER, 1)
        return 0, 0
    if about(error) is About.CONNECTION:
        raise error
    logger.error("inbox.stuck", exc_info=error)
    _care.rests_until = time.monotonic() + REST
    _note(error)
    return None


def _apply_chunk(size: int, tried: list[int]) -> tuple[int, int] | None:
    """The same, or its error; `tried` is told the messages' ids before they are."""
    longest = LONGEST_ALONE if size == 1 else LONGEST
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BEGIN, [LOCK, f"{LOCK_WAIT}s", f"{longest}s"])
        if not cursor.fetchone()[0]:
            return None
        cursor.execute(SELECT_WAITING, [size])
        rows = cursor.fetchall()
        tried += [row[0] for row in rows]
        round_ = _Round()
        messages = list(filter(None, (round_.read(*row) for row in rows)))
        round_.apply(messages)
        refused = round_.refused_in_the_end()
        cursor.execute(MARK_APPLIED, [[m.id for m in messages]])
        _mark_refused(refused)
    return len(messages) - len(refused.keys() & {m.id for m in messages}), len(refused)


@dataclass(slots=True, kw_only=True)
class _Round:
    """One chunk: who stands alone with an error, and what has gone well."""

    refused: dict[int, Exception] = field(default_factory=dict)
    suspects: list[tuple[Message, Error]] = field(default_factory=list)
    kinds_applied: set[str] = field(default_factory=set)

    def read(
        self,
        id: int,
        source_id: int,
        message_id: str,
        kind: str,
        payload: str,
        received_at: str,
    ) -> Message | None:
        """The message; None, and refused, where it cannot be read."""
        data = payload.encode()
        try:
            return Message(
                id=id,
                source_id=source_id,
                message_id=message_id,
                kind=kind,
                payload=orjson.loads(data),
                size=len(data),
                received_at=received_at,
            )
        except ValueError as e:
            self.refused[id] = e
            return None

    def apply(self, messages: Sequence[Message]) -> None:
        """Apply the messages together, else in halves, until a bad one stands alone.

        Whatever class its error has; only a database that is away, and one that takes
        too long, are nobody's fault here.
        """
        if not messages:
            return
        try:
            with transaction.atomic():
                refused = applying.apply(messages)
        except SoftTimeLimitExceeded:
            raise
        except Exception as e:
            if about(e) is About.CONNECTION:
                raise
            if len(messages) == 1:
                self._set_aside(messages[0], e)
                return
        else:
            self.refused |= refused
            self.kinds_applied |= {message.kind for message in messages}
            return
        half = len(messages) // 2
        self.apply(messages[:half])
        self.apply(messages[half:])

    def refused_in_the_end(self) -> Mapping[int, Exception]:
        """Raises an error of a statement that took no message of its kind."""
        for message, error in self.suspects:
            if message.kind not in self.kinds_applied:
                raise error
            self.refused[message.id] = error
        return self.refused

    def _set_aside(self, message: Message, error: Exception) -> None:
        if not isinstance(error, Error) or about(error) is About.ROW:
            self.refused[message.id] = error
            return
        self.suspects.append((message, error))
        if len(self.suspects) >= SUSPECTS:
            # Where the others do go well, only these few are given up.
            self.refused_in_the_end()
            self.suspects.clear()


def _mark_refused(refused: Mapping[int, Exception]) -> None:
    for message_id, error in refused.items():
        logger.warning("inbox.refused", message_id=message_id, exc_info=error)
    if refused:
        with connection.cursor() as cursor:
            reasons = list(map(_reason, refused.values()))
            cursor.execute(MARK_REFUSED, [list(refused), reasons])


def _give_up(message_ids: Sequence[int], error: Error) -> int:
    """Refuse these messages, but for those that another worker has applied since.

    Returns how many that were.
    """
    with transaction.atomic():
        waiting = InboxMessage.objects.filter(pk__in=message_ids, applied_at=None)
        ids = waiting.select_for_update().values_list("pk", flat=True)
        refused = dict.fromkeys(ids, error)
        _mark_refused(refused)
    return len(refused)


def _note(error: Error) -> None:
    """Write beside the oldest message why it still waits."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(NOTE, [_reason(error)])
    except Error as e:
        logger.warning("inbox.note_failed", because=e)


def _reason(error: Exception) -> str:
    """The first line of what an error says, as a text that can be stored."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    shown = line.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return shown.encode(errors="replace").decode()[:MAX_REASON]


APPEND = """
INSERT INTO segments_inboxmessage (source_id, message_id, kind, payload)
SELECT %s, message_id, kind, payload::jsonb
FROM unnest(%s::text[], %s::text[], %s::text[]) AS new (message_id, kind, payload)
ON CONFLICT (source_id, message_id) DO NOTHING
"""
# The disk is not waited for: what a crash of the database forgets here, it forgets with
# the marks of what was applied.
BEGIN = """
SELECT pg_try_advisory_xact_lock(%s), set_config('synchronous_commit', 'off', true),
    set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)
"""
SELECT_WAITING = """
SELECT id, source_id, message_id, kind, payload::text, received_at::text
FROM segments_inboxmessage WHERE applied_at IS NULL ORDER BY id LIMIT %s
"""
MARK_APPLIED = """
UPDATE segments_inboxmessage SET applied_at = now(), error = '' WHERE id = ANY(%s)
"""
MARK_REFUSED = """
UPDATE segments_inboxmessage m SET applied_at = now(), error = refused.error
FROM unnest(%s::bigint[], %s::text[]) AS refused (id, error) WHERE m.id = refused.id
"""
NOTE = """
UPDATE segments_inboxmessage SET error = %s WHERE id = (
    SELECT id FROM segments_inboxmessage WHERE applied_at IS NULL ORDER BY id LIMIT 1
) AND applied_at IS NULL
"""
