"""Which messages came before: the same one is applied once, whatever is sent again.

A message is known by its source and its message ID, as a keyed hash of 64 bits, so that
nobody can make one that passes for somebody else's. What it says is hashed to 32, but
for its time: that is corrected by a clock at each sending, and is another when an SDK
sends again. Under an ID that was used before

    the same again       is nothing new, and nobody is told
    something else       is refused and kept; what was applied stays as it is

(P) Several events under one ID are a sender's mistake, of which either half could be
meant: the first stays, and the others can be sent in again under IDs of their own.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from segments.ingest.message import Message, Refusal, refusal
from segments.models.copying import number_array

OTHER = "different_message"


def key_of(source_id: int, message_id: str) -> int:
    """What a message of a source is known by: 64 bits, as a bigint."""
    return _number(b"%d/%b" % (source_id, message_id.encode()), _secret())


def digest_of(kind: str, payload: dict[str, Any]) -> tuple[int, int]:
    """(what a message says, the bytes of its payload), the time left out of both.

    Raises TypeError for a value that is not JSON.
    """
    said = {name: value for name, value in payload.items() if name != "timestamp"}
    text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return _number(kind.encode() + text, size=4), len(text)


def new(messages: Sequence[Message]) -> tuple[list[Message], list[Refusal]]:
    """(those that never came before, those that say something else under a known ID).

    From now on all of them are known; `forget` takes that back.
    """
    first: dict[int, Message] = {}
    for message in messages:
        first.setdefault(message.key, message)
    before = _add(list(first.values()))
    if not before and len(first) == len(messages):
        return list(first.values()), []
    known = {key: before.get(key, m.digest) for key, m in first.items()}
    fresh = [m for key, m in first.items() if key not in before]
    refused = [
        refusal(
            message,
            OTHER,
            "Another message came under the same messageId before, and was applied. "
            "Send each message under an ID of its own.",
        )
        for message in messages
        if message.digest != known[message.key]
    ]
    return fresh, refused


def forget(keys: Iterable[int]) -> None:
    """Let these messages be new, should they come again: they were not applied."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET, [number_array(keys)])


def _add(messages: Sequence[Message]) -> dict[int, int]:
    """Add them to the known; return key → digest of those that were known already."""
    if not messages:
        return {}
    # In order of the keys, which are anything: so neighbours of the index come together.
    messages = sorted(messages, key=attrgetter("key"))
    keys = number_array(m.key for m in messages)
    with connection.cursor() as cursor:
        cursor.execute(ADD, [keys, number_array(m.digest for m in messages)])
        added = {key for (key,) in cursor.fetchall()}
        if len(added) == len(messages):
            return {}
        cursor.execute(FIND, [number_array({m.key for m in messages} - added)])
        return dict(cursor.fetchall())


def _number(data: bytes, key: bytes = b"", size: int = 8) -> int:
    hashed = hashlib.blake2b(data, digest_size=size, key=key).digest()
    return int.from_bytes(hashed, "big", signed=True)


@cache
def _secret() -> bytes:
    # (P) With another SECRET_KEY what is sent again is new once.
    return hashlib.blake2b(
        settings.SECRET_KEY.encode(), digest_size=32, person=b"segments.seen"
    ).digest()


ADD = """
INSERT INTO segments_seen (key, digest, day)
SELECT key, digest, (now() AT TIME ZONE 'UTC')::date
FROM unnest(%s::bigint[], %s::integer[]) AS new (key, digest)
ON CONFLICT (key) DO NOTHING RETURNING key
"""
FIND = "SELECT key, digest FROM segments_seen WHERE key = ANY(%s::bigint[])"
FORGET = "DELETE FROM segments_seen WHERE key = ANY(%s::bigint[])"
