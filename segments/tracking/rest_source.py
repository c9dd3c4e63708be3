"""A message of Lemnisk's REST source (`/v3/data`), checked, in the inbox's form.

    {"type": "track", "userid": "u1", "eventname": "Lead", "properties": {"form": "demo"}}
    {"type": "identify", "userid": "u1", "properties": {"city": "Pune"}}

Of an identify the properties are the person's attributes, and its eventname is kept out.
Its clients send more: RudderStack's destination `userId` and `email`, HCL's library
`otherIds`, the other names of a person by their kinds. `messageId` and `timestamp` are
those of Segment's spec. All else is kept out.

DELETE takes away: with `properties` these attributes, whatever values are beside their
names; without them the whole person, by any of their identifiers.

    {"userid": "u1", "properties": {"city": "Pune"}}
    {"userid": "u1"}
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from segments.identity import calls
from segments.identity.calls import Key
from segments.tracking import request_body, validation
from segments.tracking.validation import Message, Notice, Sent

# What a refused message of this source is known by.
KIND = "v3/data"
KINDS = ("identify", "track")
ID_FIELDS = ("userid", "userId", "messageId")
CONTACTS = ("email", "phone")


def read(raw: dict[str, Any], received_at: datetime, sent: Sent = bytes) -> Message:
    """Check a message; `sent` is its text.

    Raises a RefusedError that says which field is wrong and how.
    """
    kind = raw.get("type")
    if kind not in KINDS:
        raise validation.bad("type is identify or track.", "type")
    validation.write_numbers_out(raw, ID_FIELDS)
    is_plain = request_body.check_size(raw)
    notices: list[Notice] = []
    other_ids = validation.named_values(raw, "otherIds")
    traits = _contacts(raw) | _contacts(other_ids, "otherIds.")
    properties = validation.named_values(raw, "properties")
    payload: dict[str, Any] = {
        "userId": validation.user_id(raw, user_field(raw), sent),
        "timestamp": validation.timestamp(raw, received_at, None, notices),
        "ids": _ids(other_ids),
    }
    if kind == "identify":
        validation.check_traits(properties, "properties.")
        payload["traits"] = traits | properties
    else:
        payload["event"] = validation.event_name(raw, "eventname")
        payload["properties"] = properties
        payload["traits"] = traits or None
    validation.notice_placeholders(payload, ("userId",), notices)
    return validation.made(raw, kind, payload, notices, sent, is_plain=is_plain)


def attributes_to_remove(
    raw: dict[str, Any], received_at: datetime, sent: Sent = bytes
) -> Message | None:
    """The message that removes them; None where the whole person is meant.

    (P) An empty list of properties is refused: nobody is erased by a list that a program
    forgot to fill.
    """
    if raw.get("type") not in (None, "identify"):
        raise validation.bad("type is identify, or left out.", "type")
    properties = validation.named_values(raw, "properties")
    if properties:
        removal = {"type": "identify", "properties": dict.fromkeys(properties)}
        return read(raw | removal, received_at, sent)
    if raw.get("properties") is not None:
        raise validation.bad(
            "Name the properties to remove, or leave properties out: that erases the"
            " person.",
            "properties",
        )
    return None


def identifiers(raw: dict[str, Any], sent: Sent = bytes) -> list[Key]:
    """Whom a DELETE is about; empty where it names nobody."""
    validation.write_numbers_out(raw, ID_FIELDS)
    request_body.check_size(raw)
    other_ids = validation.named_values(raw, "otherIds")
    traits = _contacts(raw) | _contacts(other_ids, "otherIds.")
    user_id = validation.user_id(raw, user_field(raw), sent)
    found = [] if user_id is None else [(calls.EXTERNAL_ID, user_id)]
    found += [(kind, value) for kind, value in _ids(other_ids) or ()]
    return found + list(traits.items())


def user_field(raw: Mapping[str, Any]) -> str:
    """What the field with the external ID is called."""
    return "userId" if raw.get("userid") is None and "userId" in raw else "userid"


def _contacts(raw: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    found = {name: raw[name] for name in CONTACTS if raw.get(name) is not None}
    validation.check_traits(found, where)
    return found


def _ids(other_ids: Mapping[str, Any]) -> list[list[str]] | None:
    pairs = ({"type": kind, "id": value} for kind, value in other_ids.items())
    found = list(filter(None, map(validation.named_id, pairs)))
    return found[: validation.MAX_IDS] or None
