"""A message of the inbox, as it was accepted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

KINDS = ("identify", "track", "alias")


@dataclass(slots=True, kw_only=True)
class Message:
    """One message of a request; `size`: its payload's bytes.

    `key` and `digest`: what the list of those that were seen knows it by. `import_id`:
    whose file it came in.
    """

    source_id: int
    message_id: str
    kind: str
    payload: dict[str, Any]
    size: int
    received_at: str
    key: int
    digest: int
    import_id: int | None = None


@dataclass(slots=True, kw_only=True)
class Refusal:
    """A message that is not applied, and why: a word to count by, and a sentence.

    `body` is its payload, as JSON.
    """

    source_id: int
    message_id: str
    kind: str
    code: str
    why: str
    body: bytes
    import_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A row of the inbox: messages that came together, `done` of them applied."""

    id: int
    source_id: int
    received_at: datetime
    body: bytes
    done: int


def refusal(message: Message, code: str, why: str) -> Refusal:
    return Refusal(
        source_id=message.source_id,
        message_id=message.message_id,
        kind=message.kind,
        code=code,
        why=why,
        body=orjson.dumps(message.payload),
        import_id=message.import_id,
    )
