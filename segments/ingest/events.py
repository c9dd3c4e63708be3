"""What people did becomes events, in one COPY.

(P) The table is not partitioned: a rule that asks for "ever" would ask each partition,
1.7 times the cost with thirteen of them, and retention deletes the oldest ids in small
pieces for 7 µs an event (docs/decisions.md).
"""

from collections.abc import Sequence

import orjson

from segments.identity.people import Part
from segments.ingest.message import Message
from segments.models import copying

COLUMNS = (
    "source_id",
    "message_id",
    "profile_id",
    "via_id",
    "name",
    "time",
    "properties",
    "received_at",
)


def write(tracked: Sequence[tuple[Message, Part]]) -> None:
    if tracked:
        copying.copy("segments_event", COLUMNS, (_line(*each) for each in tracked))


def _line(message: Message, part: Part) -> str:
    field, payload = copying.field, message.payload
    properties = orjson.dumps(payload.get("properties") or {}).decode()
    via = copying.NULL if part.via_id is None else part.via_id
    return (
        f"{message.source_id}\t{field(message.message_id)}\t{part.person_id}\t{via}"
        f"\t{field(payload['event'])}\t{field(payload['timestamp'])}"
        f"\t{copying.json_field(properties)}\t{message.received_at}"
    )
