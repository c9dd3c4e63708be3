"""The inbox's rows: what waits, taken out in order of arrival, a chunk at a time.

A chunk is cut by messages and by bytes, so that memory does not grow with what came. A
request is cut where the chunk ends: `done` says how many of its messages are applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection

from segments.ingest import seen
from segments.ingest.message import KINDS, Message, Refusal
from segments.models import Source, stored
from segments.models.copying import number_array

# In bytes of bodies; the request that passes it is the last.
MOST = 4 << 20
UNREADABLE = "unreadable"


@dataclass(slots=True, kw_only=True)
class Chunk:
    """The oldest messages that wait; `refused`: those that are none.

    `began_at`: the first request's id, and how many of its messages were applied before.
    `taken`: a request's id → how many of its messages are done with this chunk;
    `emptied`: the requests that have no other.
    """

    messages: list[Message] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    taken: dict[int, int] = field(default_factory=dict)
    emptied: list[int] = field(default_factory=list)
    began_at: tuple[int, int] = (0, 0)


def add(
    source: Source,
    messages: Sequence[tuple[str, str, dict[str, Any]]],
    import_id: int | None,
) -> None:
    """Add a request of (message ID, kind, payload): one row, in one INSERT."""
    values: list[Any] = [source.pk, orjson.dumps(messages), len(messages), import_id]
    with connection.cursor() as cursor:
        cursor.execute(ADD, values)


def of(
    source: Source,
    messages: Sequence[tuple[str, str, dict[str, Any]]],
    at: str,
    *,
    is_new: bool,
    import_id: int | None,
) -> Chunk:
    """A chunk of (message ID, kind, payload) that came at a time, and never waited.

    `is_new`: none of them can have come before; they are known by their numbers. Raises
    TypeError for a payload that is not JSON.
    """
    if not is_new:
        return Chunk(
            messages=[_message(source.pk, at, import_id, *each) for each in messages]
        )
    return Chunk(
        messages=[
            Message(
                source_id=source.pk,
                message_id=message_id,
                kind=kind,
                payload=payload,
                size=len(orjson.dumps(payload)),
                received_at=at,
                key=number,
                digest=0,
                import_id=import_id,
            )
            for number, (message_id, kind, payload) in enumerate(messages)
        ]
    )


def read(size: int, request_id: int | None = None) -> Chunk:
    """Read the `size` oldest messages, or as many as there are; or just a request's."""
    chunk = Chunk()
    oldest = OLDEST if request_id is None else ONE
    with connection.cursor() as cursor:
        values = {"size": size, "most": MOST, "id": request_id}
        cursor.execute(READ.format(oldest=oldest), values)
        rows = cursor.fetchall()
    if rows:
        chunk.began_at = rows[0][0], rows[0][4]
    for row in rows:
        size -= _read(chunk, size, *row)
    return chunk


def take(chunk: Chunk) -> None:
    """Take its messages out of the inbox."""
    with connection.cursor() as cursor:
        if chunk.emptied:
            cursor.execute(DELETE, [number_array(chunk.emptied)])
        for request_id in chunk.taken.keys() - set(chunk.emptied):
            cursor.execute(CUT, [chunk.taken[request_id], request_id])


def _read(
    chunk: Chunk,
    size: int,
    id: int,
    source: int,
    at: str,
    body: bytes,
    done: int,
    import_id: int | None,
) -> int:
    """Read at most `size` messages of a request into the chunk; return how many."""
    try:
        items = _items(body)[done:]
    except ValueError as e:
        chunk.refused.append(_unreadable(source, import_id, bytes(body), e))
        items = []
    for item in items[:size]:
        try:
            chunk.messages.append(_message(source, at, import_id, *item))
        except Exception as e:  # noqa: BLE001
            # Whatever it is, it is no message: nobody else's is held up by it.
            body = stored.write(item).encode()
            chunk.refused.append(_unreadable(source, import_id, body, e))
    chunk.taken[id] = done + min(size, len(items))
    if len(items) <= size:
        chunk.emptied.append(id)
    return min(size, len(items))


def _items(body: bytes) -> list[Any]:
    items = orjson.loads(body)
    if not isinstance(items, list):
        raise ValueError("it is no list of messages")  # noqa: TRY004
    return items


def _message(
    source_id: int,
    received_at: str,
    import_id: int | None,
    message_id: str,
    kind: str,
    payload: dict[str, Any],
) -> Message:
    if kind not in KINDS:
        raise ValueError(f"“{kind}” is no kind of message")
    digest, size = seen.digest_of(kind, payload)
    return Message(
        source_id=source_id,
        message_id=message_id,
        kind=kind,
        payload=payload,
        size=size,
        received_at=received_at,
        key=seen.key_of(source_id, message_id),
        digest=digest,
        import_id=import_id,
    )


def _unreadable(
    source_id: int, import_id: int | None, body: bytes, error: Exception
) -> Refusal:
    return Refusal(
        source_id=source_id,
        message_id="",
        kind="",
        code=UNREADABLE,
        why=f"It cannot be read: {error}",
        body=body,
        import_id=import_id,
    )


ADD = """
INSERT INTO segments_inboxrequest (source_id, body, count, import_id)
VALUES (%s, %s, %s, %s)
"""
# What a body holds is read for those rows alone that are taken.
READ = """
SELECT id, source_id, received_at::text, body, done, import_id FROM (
    SELECT id, source_id, received_at, body, done, import_id,
        sum(count - done) OVER so_far - (count - done) AS messages_before,
        sum(octet_length(body)) OVER so_far - octet_length(body) AS bytes_before
    FROM ({oldest}) oldest
    WINDOW so_far AS (ORDER BY id)
) r WHERE messages_before < %(size)s AND bytes_before < %(most)s
ORDER BY id
"""
OLDEST = "SELECT * FROM segments_inboxrequest ORDER BY id LIMIT %(size)s"
ONE = "SELECT * FROM segments_inboxrequest WHERE id = %(id)s"
DELETE = "DELETE FROM segments_inboxrequest WHERE id = ANY(%s::bigint[])"
CUT = "UPDATE segments_inboxrequest SET done = %s WHERE id = %s"
