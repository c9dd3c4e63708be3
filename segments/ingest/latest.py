"""The last messages of each source, as they came: for who looks whether it works."""

from collections import defaultdict, deque
from collections.abc import Sequence

import orjson
from django.db import connection

from segments.ingest.message import Message
from segments.models.copying import number_array, text_array

MOST = 10
# In bytes; of a larger one its names and what it is are kept.
LARGEST = 4_000
SHORT = ("userId", "anonymousId", "event", "timestamp")


def keep(messages: Sequence[Message]) -> None:
    """Keep the last of each source's messages, and that it has sent some."""
    newest: dict[int, deque[Message]] = defaultdict(lambda: deque(maxlen=MOST))
    for message in messages:
        newest[message.source_id].append(message)
    if not newest:
        return
    lines = [
        (source, _text(message))
        for source in sorted(newest)
        for message in newest[source]
    ]
    sources, texts = zip(*lines, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [number_array(sources), text_array(texts), MOST - 1])


def _text(message: Message) -> str:
    payload = message.payload
    if message.size > LARGEST:
        payload = {name: payload[name] for name in SHORT if name in payload}
        payload["…"] = f"{message.size:,} bytes are too many to be kept here."
    said = {
        "type": message.kind,
        "messageId": message.message_id,
        "receivedAt": message.received_at,
    }
    return orjson.dumps(said | payload).decode()


KEEP = """
INSERT INTO segments_latestmessages AS l (source_id, messages, last_at)
SELECT source_id, array_agg(message ORDER BY place), clock_timestamp()
FROM unnest(%s::bigint[], %s::text[])
    WITH ORDINALITY AS new (source_id, message, place)
GROUP BY source_id
ON CONFLICT (source_id) DO UPDATE SET last_at = excluded.last_at,
    messages = (l.messages || excluded.messages)[
        greatest(1, cardinality(l.messages) + cardinality(excluded.messages) - %s) :
    ]
"""
