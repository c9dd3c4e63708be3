"""What could not be kept: with its body and the reason, to be sent in again after a fix."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from segments import wakeup
from segments.identity import tombstones
from segments.identity.tombstones import ErasedError
from segments.ingest import inbox
from segments.models import RefusedMessage, Source
from segments.tracking import request_body, rest_source, validation
from segments.tracking.errors import RefusedError
from segments.tracking.validation import Message

# So many are sent in again by one press.
MOST_REPLAYED = 10_000
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message at the door that is refused: `body` as it was sent, `kind` its URL's.

    `index`: which one of a batch it was.
    """

    error: RefusedError
    body: bytes
    kind: str = ""
    message_id: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How many messages were taken in, how many refused again; whether more are there."""

    taken: int = 0
    refused: int = 0
    remains: bool = False


def keep(source: Source, refusals: Sequence[Refusal]) -> None:
    """Write the refused messages down, in one INSERT.

    Of one that names somebody who was erased only that it came.
    """
    erased = tombstones.named_in([refusal.body for refusal in refusals])
    RefusedMessage.objects.bulk_create(
        RefusedMessage(
            source=source, code=tombstones.REASON, message=str(ErasedError()), body=b""
        )
        if is_erased
        else RefusedMessage(
            source=source,
            code=refusal.error.reason,
            message=refusal.error.message,
            message_id=refusal.message_id,
            kind=refusal.kind,
            body=refusal.body,
        )
        for refusal, is_erased in zip(refusals, erased, strict=True)
    )


def read(raw: dict[str, Any], received_at: datetime, kind: str, body: bytes) -> Message:
    """Check a message that came alone, as `body`; `kind` is its URL's."""
    if kind == rest_source.KIND:
        return rest_source.read(raw, received_at, lambda: body)
    return validation.read(raw, received_at, kind, sent=lambda: body)


def message_id(raw: object) -> str:
    """The message ID of something that may be no message; "" where there is none."""
    found = raw.get("messageId") if isinstance(raw, dict) else None
    return found[:255].replace("\0", "") if isinstance(found, str) else ""


def with_sent_at(text: bytes, raw: object, sent_at: object) -> bytes:
    """The text of a batch's message, with the time that its batch was sent at."""
    if not isinstance(raw, dict) or "sentAt" in raw or not isinstance(sent_at, str):
        return text
    rest = text.lstrip()[1:]
    comma = b"," if raw else b""
    return b'{"sentAt":' + orjson.dumps(sent_at) + comma + rest


def replay(messages: QuerySet[RefusedMessage]) -> Replayed:
    """Send these in again, as if they came in when they did; oldest first.

    Who is refused again stays, with the reason that there is now. Of messages about
    somebody who was erased there is nothing to be sent.
    """
    counts: Counter[bool] = Counter()
    last = 0
    while counts.total() < MOST_REPLAYED:
        with transaction.atomic():
            waiting = _sendable(messages, last).order_by("pk")
            rows = list(
                waiting.select_related("source").select_for_update(
                    of=("self",), skip_locked=True
                )[:CHUNK]
            )
            if not rows:
                return Replayed(taken=counts[True], refused=counts[False])
            last = rows[-1].pk
            counts.update(map(_replay, rows))
            transaction.on_commit(wakeup.apply_inbox)
    remains = _sendable(messages, last).exists()
    return Replayed(taken=counts[True], refused=counts[False], remains=remains)


def _sendable(
    messages: QuerySet[RefusedMessage], last: int
) -> QuerySet[RefusedMessage]:
    return messages.filter(replayed_at=None, pk__gt=last).exclude(body=b"")


def _replay(row: RefusedMessage) -> bool:
    """Whether it was taken in now."""
    try:
        inbox.append(row.source, _as_accepted(row))
    except RefusedError as e:
        row.code, row.message = e.reason, e.message
        row.save(update_fields=["code", "message"])
        return False
    RefusedMessage.objects.filter(pk=row.pk).update(replayed_at=Now())
    return True


def _as_accepted(row: RefusedMessage) -> list[tuple[str, str, dict[str, Any]]]:
    body = bytes(row.body)
    if row.stage == RefusedMessage.Stage.APPLYING:
        return [(row.message_id, row.kind, orjson.loads(body))]
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
