"""The tracking API: Segment's HTTP spec in, rows of the inbox out.

One INSERT for everything; the key is known, or asked for once in a few seconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import Error, connection, transaction
from django.http import HttpRequest

from lemnisk_braze.lib import database_errors
from lemnisk_braze.lib.database_errors import About
from lemnisk_braze.lib.logs import get_logger
from segments import wakeup
from segments.ingest import inbox
from segments.models import Source
from segments.privacy import erasure
from segments.tracking import (
    notices,
    reading,
    refused,
    request_body,
    rest_source,
    validation,
)
from segments.tracking.answering import Answer, answering
from segments.tracking.errors import RefusedError
from segments.tracking.reading import Received
from segments.tracking.refused import Refusal
from segments.tracking.request_body import Batch
from segments.tracking.validation import Message

logger = get_logger(__name__)

MAX_SINGLE = request_body.MAX_MESSAGE + request_body.MAX_ENVELOPE
# In seconds: so long a sender waits for the rest of an erasure; the tick goes on with it.
ERASING = 2


@answering()
def single(request: HttpRequest, kind: str) -> Answer:
    """`POST /v1/identify`, `/v1/track` and so on: one message."""
    return {"success": True} | take(reading.read(request, MAX_SINGLE), kind)


def take(received: Received, kind: str) -> Answer:
    """Put one message into the inbox; return what its sender should know of it.

    Raises the RefusedError of one that is kept beside.
    """
    return _noticed(received.source, [(0, _take(received, kind))])


def erase(request: HttpRequest) -> Answer:
    """`DELETE /v3/data`: attributes of somebody, or all of them, go for good."""
    received = reading.read_with_pair(request, MAX_SINGLE)
    received.check_origin()
    raw, source = request_body.parse(received.data), received.source
    message = rest_source.attributes_to_remove(raw, received.at, lambda: received.data)
    if message:
        for _, error in _append(source, [(0, message)]):
            raise error
        return {"message": "Success", "id": message.message_id}
    keys = rest_source.identifiers(raw, lambda: received.data)
    way = f"DELETE /v3/data, {source}"[:255]
    try:
        done = erasure.erase(keys, asked_through=way, seconds=ERASING)
    except erasure.NobodyMeantError:
        raise validation.bad("Say who it is: userid, email or otherIds.") from None
    except erasure.SeveralPeopleError as e:
        raise RefusedError(409, "several_people", str(e)) from e
    return {"message": "Success", "id": str(done.pk)}


@answering(DELETE=erase)
def data(request: HttpRequest) -> Answer:
    """`POST /v3/data`: one message of Lemnisk's REST source, answered as it does."""
    received = reading.read_with_pair(request, MAX_SINGLE)
    message = _take(received, rest_source.KIND)
    _noticed(received.source, [(0, message)])
    return {"message": "Success", "id": message.message_id}


def _take(received: Received, kind: str) -> Message:
    raw: dict[str, Any] = {}
    try:
        received.check_origin()
        raw = request_body.parse(received.data)
        message = refused.read(raw, received.at, kind, received.data)
        for _, error in _append(received.source, [(0, message)]):
            raise error
    except RefusedError as e:
        name = refused.message_id(raw)
        refusal = Refusal(error=e, body=received.data, kind=kind, message_id=name)
        refused.keep(received.source, [refusal])
        raise
    return message


@answering()
def batch(request: HttpRequest) -> Answer:
    """`POST /v1/batch` and `/v1/import`: each refused message is named, the others stay.

    Refused is all of it where nothing could be taken.
    """
    received = reading.read(request, request_body.MAX_BATCH)
    source, data = received.source, received.data
    try:
        received.check_origin()
        found = request_body.parse_batch(data)
        if not found.messages:
            raise validation.bad("batch is a list of messages.")
    except RefusedError as e:
        refused.keep(source, [Refusal(error=e, body=data, kind="batch")])
        raise
    accepted, refusals = _read_messages(found, received.at)
    refusals |= dict(_append(source, accepted))
    if refusals:
        refused.keep(source, list(_as_refusals(found, refusals)))
    if not refusals:
        return {"success": True} | _noticed(source, accepted)
    taken = [(index, each) for index, each in accepted if index not in refusals]
    answer = {
        "success": bool(taken),
        "accepted": len(taken),
        "refused": [
            {"index": index, "code": e.code, "message": e.message}
            for index, e in sorted(refusals.items())
        ],
    }
    if not taken:
        first = refusals[min(refusals)]
        raise RefusedError(first.status, first.code, first.message, answer)
    return answer | _noticed(source, taken)


def _read_messages(
    found: Batch, received_at: datetime
) -> tuple[list[tuple[int, Message]], dict[int, RefusedError]]:
    """The messages of a batch, and what is wrong with the others; by their places."""
    accepted: list[tuple[int, Message]] = []
    refusals: dict[int, RefusedError] = {}
    sent_at = validation.sent_at(found.fields)
    for index, item in enumerate(found.messages):
        try:
            if isinstance(item, RefusedError):
                raise item
            sent = partial(found.sent, index)
            message = validation.read(item, received_at, sent_at=sent_at, sent=sent)
            accepted.append((index, message))
        except RefusedError as e:
            refusals[index] = e
    return accepted, refusals


def _as_refusals(
    found: Batch, refusals: Mapping[int, RefusedError]
) -> Iterator[Refusal]:
    for index, error in refusals.items():
        raw = found.messages[index]
        sent_at = found.fields.get("sentAt")
        yield Refusal(
            error=error,
            body=refused.with_sent_at(found.sent(index), raw, sent_at),
            message_id=refused.message_id(raw),
        )


def _noticed(source: Source, taken: Sequence[tuple[int, Message]]) -> Answer:
    """What the sender should know of messages that were taken in; counted as well."""
    warnings = [
        {"index": index, "code": notice.code, "message": notice.message}
        for index, message in taken
        for notice in message.notices
    ]
    if not warnings:
        return {}
    notices.count(source, [n for _, message in taken for n in message.notices])
    return {"warnings": warnings}


@answering()
def metrics(request: HttpRequest) -> Answer:
    """`POST /v1/m`: what Segment's browser library counts of itself; nobody reads it."""
    return {"success": True}


def _append(
    source: Source, accepted: Sequence[tuple[int, Message]]
) -> list[tuple[int, RefusedError]]:
    """Add the messages to the inbox; return those that the database does not take.

    Whatever the checks before it let through: one message never stops the others.
    """
    if not accepted:
        return []
    try:
        _store(source, [(m.message_id, m.kind, m.payload) for _, m in accepted])
    except Error as e:
        if database_errors.about(e) is not About.ROW:
            raise
        if len(accepted) == 1:
            logger.warning("inbox.not_stored", exc_info=e)
            refusal = RefusedError(
                400, "cannot_be_stored", "The database cannot hold this message."
            )
            return [(accepted[0][0], refusal)]
        half = len(accepted) // 2
        return _append(source, accepted[:half]) + _append(source, accepted[half:])
    transaction.on_commit(wakeup.apply_inbox)
    return []


def _store(source: Source, messages: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Add them to the inbox, over a new connection where the old one is gone.

    Django would ask before each request whether it still is there. If the first INSERT
    came through all the same, the second one's messages are applied once: they have its
    IDs.
    """
    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        inbox.append(source, messages)
    except Error:
        if connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        inbox.append(source, messages)
