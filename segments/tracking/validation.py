"""A message of Segment's HTTP tracking spec, checked and brought into the inbox's form.

The inbox's payload keeps the spec's names: userId, anonymousId, timestamp, and traits
(identify) or event and properties (track). `timestamp` is corrected by the sender's
clock skew where `sentAt` is there, as the spec says:
timestamp = receivedAt - (sentAt - originalTimestamp). Pure.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lemnisk_braze.lib.names import is_one_line
from segments.identity.contact import as_email, as_phone
from segments.tracking.errors import RefusedError
from segments.tracking.request_body import check_storable

KINDS = ("identify", "track")
OTHER_KINDS = ("page", "screen", "group", "alias")
MAX_ATTRIBUTES = 200
# In characters, as the columns count; four bytes each, an index takes them all.
MAX_NAME = 255
# In bytes, as Braze counts: with more of them an index refuses the row.
MAX_USER_ID = 987
MAX_EMAIL = 320
MAX_PHONE = 32
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
MAX_AHEAD = timedelta(days=1)

COMMON_FIELDS = {
    "type",
    "userId",
    "anonymousId",
    "messageId",
    "timestamp",
    "originalTimestamp",
    "sentAt",
    "receivedAt",
    "context",
    "integrations",
    "channel",
    "version",
    "writeKey",
    "_metadata",
}
OWN_FIELDS = {"identify": {"traits"}, "track": {"event", "properties"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as the inbox keeps it."""

    message_id: str
    kind: str
    payload: dict[str, Any]


def read(
    raw: object, received_at: datetime, kind: str = "", sent_at: object = None
) -> Message:
    """Check one message; `kind` is the URL's, `sent_at` the batch's.

    Raises a RefusedError that says which field is wrong and how.
    """
    if not isinstance(raw, dict):
        raise bad("A message is a JSON object.")
    kind = kind or _kind(raw)
    check_storable(raw)
    _only_known_fields(raw, kind)
    payload = {
        "userId": _user_id(raw),
        "anonymousId": _identifier(raw, "anonymousId"),
        "timestamp": _timestamp(raw, received_at, sent_at).isoformat(),
    }
    if not payload["userId"] and not payload["anonymousId"]:
        raise bad("Send a userId, an anonymousId or both.")
    payload |= _traits(raw) if kind == "identify" else _event(raw)
    message_id = _identifier(raw, "messageId") or str(uuid.uuid4())
    return Message(
        message_id=message_id,
        kind=kind,
        payload={name: value for name, value in payload.items() if value is not None},
    )


def bad(message: str) -> RefusedError:
    """A message with a wrong field."""
    return RefusedError(400, "invalid", message)


def unsupported(kind: str) -> RefusedError:
    """A kind of message that Segment's spec has and we do not take yet."""
    return RefusedError(
        400, "not_supported", f"“{kind}” is not supported yet. Send identify or track."
    )


def _kind(raw: dict[str, Any]) -> str:
    kind = raw.get("type")
    if kind in OTHER_KINDS:
        raise unsupported(str(kind))
    if kind not in KINDS:
        raise bad("type is identify or track.")
    return str(kind)


def _only_known_fields(raw: dict[str, Any], kind: str) -> None:
    unknown = sorted(raw.keys() - COMMON_FIELDS - OWN_FIELDS[kind])
    if unknown:
        raise bad(f"“{unknown[0][:50]}” is not a field of {kind}.")
    if raw.get("type") not in (None, kind):
        raise bad(f"type is {kind} here.")
    for name in ("context", "integrations"):
        if not isinstance(raw.get(name) or {}, dict):
            raise bad(f"{name} is a JSON object.")


def _user_id(raw: dict[str, Any]) -> str | None:
    value = _text(raw, "userId")
    if value is not None and len(value.encode()) > MAX_USER_ID:
        raise bad(f"userId has at most {MAX_USER_ID} bytes.")
    return value


def _identifier(raw: dict[str, Any], name: str) -> str | None:
    value = _text(raw, name)
    if value is not None and len(value) > MAX_NAME:
        raise bad(f"{name} has between 1 and {MAX_NAME} characters.")
    return value


def _text(raw: dict[str, Any], name: str) -> str | None:
    """The identifier as it was sent, None where there is none."""
    value = raw.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise bad(f"{name} is a text.")
    if not value.strip() or not is_one_line(value):
        raise bad(f"{name} is one line of visible characters.")
    return value


def _traits(raw: dict[str, Any]) -> dict[str, Any]:
    traits = _named_values(raw, "traits")
    for name, kept, limit in (
        ("email", as_email, MAX_EMAIL),
        ("phone", as_phone, MAX_PHONE),
    ):
        value = traits.get(name)
        if value is None:
            continue
        # Measured as it is kept: İ in lower case is two characters.
        if not isinstance(value, str) or len(kept(value)) > limit:
            raise bad(f"traits.{name} is a text of at most {limit} characters.")
    return {"traits": traits}


def _event(raw: dict[str, Any]) -> dict[str, Any]:
    event = raw.get("event")
    if not isinstance(event, str) or not event.strip() or len(event) > MAX_NAME:
        raise bad(f"event is a name of 1 to {MAX_NAME} characters.")
    if not is_one_line(event):
        raise bad("event is one line of visible characters.")
    return {"event": event, "properties": _named_values(raw, "properties")}


def _named_values(raw: dict[str, Any], field: str) -> dict[str, Any]:
    values = raw.get(field)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise bad(f"{field} is a JSON object.")
    if len(values) > MAX_ATTRIBUTES:
        raise bad(f"{field} has at most {MAX_ATTRIBUTES} entries.")
    if any(not name.strip() or len(name) > MAX_NAME for name in values):
        raise bad(f"Names in {field} have 1 to {MAX_NAME} characters.")
    if not all(map(is_one_line, values)):
        raise bad(f"Names in {field} are one line of visible characters each.")
    return values


def _timestamp(
    raw: dict[str, Any], received_at: datetime, batch_sent_at: object
) -> datetime:
    sent_at = _time("sentAt", raw.get("sentAt") or batch_sent_at)
    time = _time("originalTimestamp", raw.get("originalTimestamp"))
    time = time or _time("timestamp", raw.get("timestamp"))
    if time is None:
        return received_at
    if sent_at is not None:
        time = received_at - (sent_at - time)
    if not EARLIEST <= time <= received_at + MAX_AHEAD:
        raise bad("timestamp is between the year 2000 and tomorrow.")
    return time


def _time(name: str, value: object) -> datetime | None:
    if value is None:
        return None
    problem = bad(f"{name} is an ISO 8601 time with a zone: 2026-01-31T12:00:00Z.")
    if not isinstance(value, str) or len(value) > 40:
        raise problem
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise problem from None
    if time.tzinfo is None:
        raise problem
    if not EARLIEST <= time <= LATEST:
        raise bad(f"{name} is between the years 2000 and 2200.")
    return time.astimezone(UTC)
