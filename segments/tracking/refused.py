"""What could not be kept: with its body and the reason, to be sent in again after a fix.

That is done by `replaying`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from segments.identity import tombstones
from segments.identity.tombstones import ErasedError
from segments.models import RefusedMessage, Source
from segments.tracking import rest_source, validation
from segments.tracking.errors import RefusedError
from segments.tracking.validation import Message


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
