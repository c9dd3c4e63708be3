"""What was refused is sent in again, after a fix: a piece at a time, by a worker.

A piece goes into the inbox in the transaction that notes how far the replay is, so that
whatever is killed, each message is sent in once.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from django.db import transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now

from segments import wakeup
from segments.ingest import inbox
from segments.models import RefusedMessage, Replay, Source
from segments.tracking import request_body, validation
from segments.tracking.errors import RefusedError
from segments.tracking.refused import read

CHUNK = 500
# In seconds: one turn of a worker, which then looks at what else there is.
TURN = 5.0
# (message ID, kind, payload)
Accepted: TypeAlias = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How many messages were taken in, and how many were refused again."""

    taken: int = 0
    refused: int = 0


def ask(source: Source, code: str) -> Replay | None:
    """Have a worker send in again what is refused for a reason until now.

    None where nothing is, or a worker is at it already. What is refused again stays,
    with the reason that there is now.
    """
    with transaction.atomic():
        Source.objects.select_for_update(no_key=True).get(pk=source.pk)
        if Replay.objects.filter(source=source, code=code, finished_at=None).exists():
            return None
        waiting = _sendable(RefusedMessage.objects.filter(source=source, code=code))
        until = waiting.aggregate(until=Max("pk"))["until"]
        if until is None:
            return None
        asked = Replay.objects.create(
            source=source, code=code, until_id=until, total=waiting.count()
        )
        transaction.on_commit(lambda: wakeup.replay(asked.pk))
    return asked


def go_on(replay_id: int, seconds: float = TURN) -> bool:
    """Go on with it for so long; whether more is left to be done at once."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not _send_a_piece(replay_id):
            return False
    return True


def wake_waiting() -> int:
    """Wake workers for what is to go on; return how many."""
    ids = list(
        Replay.objects.filter(finished_at=None)
        .order_by("pk")
        .values_list("pk", flat=True)[:100]
    )
    for replay_id in ids:
        wakeup.replay(replay_id)
    return len(ids)


def replay(messages: QuerySet[RefusedMessage]) -> Replayed:
    """Send these in again, here and now, as if they came in when they did; oldest first.

    Who is refused again stays, with the reason that there is now. Of messages about
    somebody who was erased there is nothing to be sent.
    """
    taken = refused = last = 0
    while True:
        with transaction.atomic():
            rows = _piece(messages, last)
            if not rows:
                return Replayed(taken=taken, refused=refused)
            last = rows[-1].pk
            done = _send(rows)
        taken, refused = taken + done.taken, refused + done.refused


@transaction.atomic
def _send_a_piece(replay_id: int) -> bool:
    """Whether there was one: another worker may be at it."""
    waiting = Replay.objects.filter(pk=replay_id, finished_at=None)
    asked = waiting.select_for_update(skip_locked=True).first()
    if asked is None:
        return False
    rows = _piece(
        RefusedMessage.objects.filter(
            source=asked.source_id, code=asked.code, pk__lte=asked.until_id
        ),
        asked.last_id,
    )
    if not rows:
        waiting.update(finished_at=Now())
        return False
    done = _send(rows)
    waiting.update(
        last_id=rows[-1].pk,
        taken=asked.taken + done.taken,
        refused=asked.refused + done.refused,
    )
    return True


def _piece(messages: QuerySet[RefusedMessage], last: int) -> list[RefusedMessage]:
    waiting = _sendable(messages).filter(pk__gt=last).order_by("pk")
    locked = waiting.select_for_update(of=("self",), skip_locked=True)
    return list(locked.select_related("source")[:CHUNK])


def _sendable(messages: QuerySet[RefusedMessage]) -> QuerySet[RefusedMessage]:
    return messages.filter(replayed_at=None).exclude(body=b"")


def _send(rows: Iterable[RefusedMessage]) -> Replayed:
    """Append them to the inbox, a request for each source and import."""
    accepted: dict[tuple[Source, int | None], list[Accepted]] = defaultdict(list)
    taken: list[int] = []
    refused: list[RefusedMessage] = []
    for row in rows:
        try:
            accepted[row.source, row.import_id] += _as_accepted(row)
        except RefusedError as e:
            row.code, row.message = e.reason, e.message
            refused.append(row)
        else:
            taken.append(row.pk)
    for (source, import_id), messages in accepted.items():
        if messages:
            inbox.append(source, messages, import_id=import_id)
    RefusedMessage.objects.filter(pk__in=taken).update(replayed_at=Now())
    RefusedMessage.objects.bulk_update(refused, ["code", "message"])
    transaction.on_commit(wakeup.apply_inbox)
    return Replayed(taken=len(taken), refused=len(refused))


def _as_accepted(row: RefusedMessage) -> Sequence[Accepted]:
    body = bytes(row.body)
    if row.stage == RefusedMessage.Stage.APPLYING:
        return [(row.message_id, row.kind, _payload(row))]
    if row.kind == "batch":
        batch = request_body.parse_batch(body)
        found = [
            validation.read(raw, row.at, sent_at=batch.fields.get("sentAt"))
            for raw in batch.messages
        ]
    else:
        raw = request_body.parse(body)
        found = [read(raw, row.at, row.kind, body)]
    return [(each.message_id, each.kind, each.payload) for each in found]


def _payload(row: RefusedMessage) -> Any:
    """What waited in the inbox, as it was accepted; raises RefusedError where it is none."""
    try:
        return orjson.loads(bytes(row.body))
    except ValueError as e:
        raise RefusedError(400, row.code, "It is not JSON: nobody can read it.") from e
