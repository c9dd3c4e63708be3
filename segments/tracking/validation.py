"""A message of Segment's HTTP tracking spec, checked and brought into the inbox's form.

The inbox knows identify, track and alias. What people look at and join is something
that they did: page, screen and group become track.

    page    “Page Viewed”     name, category
    screen  “Screen Viewed”   name, category
    group   “Group Joined”    group_id, and the group's traits

The payload keeps the spec's names: userId, anonymousId, previousId, timestamp, traits,
event, properties; and `ids`, the other names of a person, from context.externalId and
context.externalIds. `timestamp` is corrected by the sender's clock skew where `sentAt`
is there, as the spec says: timestamp = receivedAt - (sentAt - originalTimestamp).

Fields that nobody knows are kept out. Refused is what cannot be kept. Pure.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from django.conf import settings

from lemnisk_braze.lib.names import is_one_line, trimmed
from segments.contact import as_email, as_phone
from segments.identity import calls, lists
from segments.tracking.errors import RefusedError
from segments.tracking.request_body import check_size, check_values

KINDS = ("identify", "track", "page", "screen", "group", "alias")
# They may be sent as numbers, of any length.
ID_FIELDS = ("userId", "anonymousId", "messageId", "previousId", "groupId")
WHO_FIELDS = ("userId", "anonymousId", "previousId")
# What somebody did by a page, a screen or a group.
EVENTS = {"page": "Page Viewed", "screen": "Screen Viewed", "group": "Group Joined"}
MAX_ATTRIBUTES = 200
# In characters, as the columns count; four bytes each, an index takes them all.
MAX_NAME = 255
# In bytes, as Braze counts: with more of them an index refuses the row.
MAX_USER_ID = 987
MAX_EMAIL = 320
MAX_PHONE = 32
# Larger than every number of 15 digits, as E.164 has at most.
PHONE_NUMBERS = 10**15
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
# So much may clocks and networks be off without a warning.
MAX_AHEAD = timedelta(minutes=5)
# Other names of a person in one message, and what they are called.
MAX_IDS = 20
ID_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,31}")
# These have fields of their own.
OWN_KINDS = ("user_id", "anonymous_id", "email", "phone")
NOBODY = (
    "Say who it is: userId, anonymousId, context.externalIds, or an email or "
    "international phone among the traits."
)

Sent = Callable[[], bytes]


class Notice(NamedTuple):
    """Something about a message that was taken in, which its sender should know."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as the inbox keeps it."""

    message_id: str
    kind: str
    payload: dict[str, Any]
    notices: tuple[Notice, ...] = ()


def read(
    raw: object,
    received_at: datetime,
    kind: str = "",
    sent_at: object = None,
    sent: Sent = bytes,
) -> Message:
    """Check one message; `kind` is the URL's, `sent_at` the batch's, `sent` its text.

    Raises a RefusedError that says which field is wrong and how.
    """
    if not isinstance(raw, dict):
        raise bad("A message is a JSON object.")
    kind = _kind(raw, kind)
    write_numbers_out(raw, ID_FIELDS)
    is_plain = check_size(raw)
    notices: list[Notice] = []
    context = raw.get("context")
    if not isinstance(context, dict):
        context = {}
    payload = {
        "userId": user_id(raw, "userId", sent),
        "anonymousId": identifier(raw, "anonymousId", sent),
        "timestamp": timestamp(raw, received_at, sent_at, notices),
        "ids": _ids(context),
        "traits": _traits_beside(context, notices, is_plain),
    }
    _add_own(payload, raw, kind, sent)
    notice_placeholders(payload, WHO_FIELDS, notices)
    return made(raw, kind, payload, notices, sent, is_plain=is_plain)


def made(
    raw: Mapping[str, Any],
    kind: str,
    payload: Mapping[str, Any],
    notices: Sequence[Notice],
    sent: Sent,
    *,
    is_plain: bool,
) -> Message:
    """The message of a payload, where None is nothing; it must name somebody.

    `is_plain`: there is no value that could not be stored, as check_size has it.
    """
    message = Message(
        message_id=identifier(raw, "messageId", sent) or _new_id(raw, kind),
        kind=kind if kind in ("identify", "alias") else "track",
        payload={name: value for name, value in payload.items() if value is not None},
        notices=tuple(notices),
    )
    if not is_plain:
        check_values(message.payload)
    if not message.payload.keys() & {"userId", "anonymousId"}:
        _check_is_about_somebody(message)
    return message


def bad(message: str, field: str = "") -> RefusedError:
    """A message with a wrong field; `field`: which, where it is one of ours."""
    return RefusedError(400, "invalid", message, field=field)


def _kind(raw: Mapping[str, Any], kind: str) -> str:
    named = raw.get("type")
    if kind and named not in (None, kind):
        raise bad(f"type is {kind} here.", "type")
    kind = kind or named  # type: ignore[assignment]
    if kind not in KINDS:
        raise bad(f"type is one of {', '.join(KINDS)}.", "type")
    return kind


def _add_own(
    payload: dict[str, Any], raw: Mapping[str, Any], kind: str, sent: Sent
) -> None:
    """What this kind of message has beside what all of them have."""
    if kind == "identify":
        traits = named_values(raw, "traits")
        check_traits(traits, "traits.")
        payload["traits"] = (payload["traits"] or {}) | traits
    elif kind == "alias":
        payload["previousId"] = user_id(raw, "previousId", sent)
        if not payload["previousId"] or not payload["userId"]:
            raise bad("alias has a userId and a previousId.", "previousId")
    elif kind == "track":
        payload["event"] = event_name(raw, "event")
        payload["properties"] = named_values(raw, "properties")
    elif kind == "group":
        group_id = user_id(raw, "groupId", sent)
        if group_id is None:
            raise bad("group has a groupId.", "groupId")
        payload["event"] = EVENTS[kind]
        payload["properties"] = named_values(raw, "traits") | {"group_id": group_id}
    else:
        payload["event"] = EVENTS[kind]
        own = {name: raw[name] for name in ("name", "category") if raw.get(name)}
        payload["properties"] = named_values(raw, "properties") | own


# --- Who -------------------------------------------------------------------------


def notice_placeholders(
    raw: Mapping[str, Any], fields: Sequence[str], notices: list[Notice]
) -> None:
    """Let the sender know of IDs that programs send who know nobody, as "undefined"."""
    known = _placeholders(tuple(settings.IDENTITY_PLACEHOLDERS))
    for name in fields:
        value = raw.get(name)
        if isinstance(value, str) and calls.is_placeholder(value, known):
            notices.append(
                Notice("placeholder_id", f"{name}: “{value.strip()}” names nobody.")
            )


@lru_cache(maxsize=4)
def _placeholders(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(text.strip().casefold() for text in texts)


def write_numbers_out(raw: MutableMapping[str, Any], fields: Sequence[str]) -> None:
    """Make texts of IDs that are whole numbers, before anything measures or rounds them."""
    for name in fields:
        if type(raw.get(name)) is int:
            raw[name] = str(raw[name])


def user_id(raw: Mapping[str, Any], name: str, sent: Sent) -> str | None:
    """An external ID, as it was sent; None where there is none."""
    value = _id_text(raw, name, sent)
    if value is not None and len(value.encode()) > MAX_USER_ID:
        raise bad(f"{name} has at most {MAX_USER_ID} bytes.", name)
    return value


def identifier(raw: Mapping[str, Any], name: str, sent: Sent) -> str | None:
    """Any other ID, as it was sent; None where there is none."""
    value = _id_text(raw, name, sent)
    if value is not None and len(value) > MAX_NAME:
        raise bad(f"{name} has between 1 and {MAX_NAME} characters.", name)
    return value


def _id_text(raw: Mapping[str, Any], name: str, sent: Sent) -> str | None:
    """The identifier as it was sent, a number in its digits; None where there is none."""
    value = raw.get(name)
    if value is None or value == "":
        return None
    if type(value) is float:
        value = _as_written(name, sent)
    if not isinstance(value, str):
        raise bad(f"{name} is a text or a number.", name)
    if not value.strip() or not is_one_line(value):
        raise bad(f"{name} is one line of visible characters.", name)
    return value


def _as_written(name: str, sent: Sent) -> object:
    """A number in the digits that it was sent in: 1e21 and 5.0 say more than a float."""
    try:
        return json.loads(sent(), parse_float=str)[name]
    except (ValueError, RecursionError):
        return None


def _check_is_about_somebody(message: Message) -> None:
    """Raise a RefusedError where nothing else names the person either."""
    try:
        calls.read(message.kind, message.payload, calls.Rules.from_settings())
    except ValueError:
        raise bad(NOBODY, "userId") from None


def _ids(context: Mapping[str, Any]) -> list[list[str]] | None:
    """Other names of the person as [kind, value]; what is no such name is kept out."""
    named = [context.get("externalId"), context.get("externalIds")]
    found = [
        pair
        for ids in named
        if isinstance(ids, list)
        for pair in map(named_id, ids)
        if pair
    ]
    return found[:MAX_IDS] or None


def named_id(entry: object) -> list[str] | None:
    """{"type": …, "id": …} as [kind, value]; None for what is no name of a person."""
    if not isinstance(entry, dict):
        return None
    kind, value = entry.get("type"), entry.get("id")
    if type(value) is int:
        value = str(value)
    if not isinstance(kind, str) or not isinstance(value, str):
        return None
    kind, value = kind.strip().lower(), value.strip()
    if kind in OWN_KINDS or not ID_KIND.fullmatch(kind):
        return None
    if not 0 < len(value) <= MAX_NAME or not is_one_line(value):
        return None
    return [kind, value]


def _new_id(raw: Mapping[str, Any], kind: str) -> str:
    """The ID of a message that has none.

    Sent again it is the same where it says when it was: nobody does the same thing twice
    at one time. Without a time nothing tells two of them apart from one sent twice.
    """
    if not raw.get("timestamp") and not raw.get("originalTimestamp"):
        return str(uuid.uuid4())
    told = {name: value for name, value in raw.items() if name != "sentAt"}
    try:
        text = orjson.dumps([kind, told], option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # What is kept out may be a number that orjson does not write.
        text = json.dumps([kind, told], sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:32]


# --- What ------------------------------------------------------------------------


def _traits_beside(
    context: Mapping[str, Any], notices: list[Notice], is_plain: bool
) -> dict[str, Any] | None:
    """The person's traits that come along with anything; the rest stays without them."""
    try:
        traits = named_values(context, "traits")
        check_traits(traits, "context.traits.")
        if not is_plain:
            check_values(traits)
    except RefusedError as e:
        notices.append(Notice("traits_left_out", f"context.traits left out: {e}"))
        return None
    return traits or None


def check_traits(traits: MutableMapping[str, Any], where: str) -> None:
    """Raise a RefusedError where one cannot be kept; `where`: what stands before names.

    A phone number that came as a number is a text from here on.
    """
    if type(number := traits.get("phone")) is int and 0 <= number < PHONE_NUMBERS:
        traits["phone"] = str(number)
    _check_contact(traits, where)
    for name, value in traits.items():
        if type(value) is dict and lists.is_change(value):
            try:
                lists.check(f"{where}{name}", value)
            except ValueError as e:
                raise bad(str(e)) from None


def _check_contact(traits: Mapping[str, Any], where: str) -> None:
    for name, kept, limit in (
        ("email", as_email, MAX_EMAIL),
        ("phone", as_phone, MAX_PHONE),
    ):
        value = traits.get(name)
        if value is None:
            continue
        # Measured as it is kept: İ in lower case is two characters.
        if not isinstance(value, str) or len(kept(value)) > limit:
            raise bad(f"{where}{name} is a text of at most {limit} characters.", name)


def event_name(raw: Mapping[str, Any], field: str) -> str:
    """The name in a field of a message; raises a RefusedError for what is none."""
    event = raw.get(field)
    if not isinstance(event, str) or not event.strip() or len(event) > MAX_NAME:
        raise bad(f"{field} is a name of 1 to {MAX_NAME} characters.", field)
    if not is_one_line(event):
        raise bad(f"{field} is one line of visible characters.", field)
    return trimmed(event)


def named_values(raw: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Traits or properties; raises a RefusedError where they are too many, or no names."""
    values = raw.get(field)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise bad(f"{field} is a JSON object.", field)
    if len(values) > MAX_ATTRIBUTES:
        raise bad(f"{field} has at most {MAX_ATTRIBUTES} entries.", field)
    names = "".join(values)
    if (
        len(names) <= MAX_NAME
        and names.isascii()
        and names.isprintable()
        and " " not in names
        and "" not in values
    ):
        # As nearly all of them are: none can be too long or hold what nobody sees.
        return values
    if values and (max(map(len, values)) > MAX_NAME or not all(map(str.strip, values))):
        raise bad(f"Names in {field} have 1 to {MAX_NAME} characters.", field)
    if not is_one_line(names):
        raise bad(f"Names in {field} are one line of visible characters each.", field)
    return {trimmed(name): value for name, value in values.items()}


# --- When ------------------------------------------------------------------------


def timestamp(
    raw: Mapping[str, Any],
    received_at: datetime,
    batch_sent_at: object,
    notices: list[Notice],
) -> str:
    """When it happened, in UTC with microseconds; what is noticed goes into `notices`."""
    time = _happened_at(raw, received_at, batch_sent_at)
    if time > received_at + MAX_AHEAD:
        # It would be newer than all that really comes later, until then.
        notices.append(
            Notice("future_time", "A time in the future: taken is that of receipt.")
        )
        time = received_at
    return time.isoformat(timespec="microseconds")


def _happened_at(
    raw: Mapping[str, Any], received_at: datetime, batch_sent_at: object
) -> datetime:
    own = raw.get("sentAt")
    sent_at = _time("sentAt", batch_sent_at if own in (None, "") else own)
    time = _time("originalTimestamp", raw.get("originalTimestamp"))
    time = time or _time("timestamp", raw.get("timestamp"))
    if time is None:
        return received_at
    if sent_at is not None:
        time = received_at - (sent_at - time)
    if time < EARLIEST:
        raise bad("timestamp is after the year 2000.", "timestamp")
    return time


def sent_at(fields: Mapping[str, Any]) -> object:
    """A batch's time of sending, read once for all; as it stands where it is none."""
    try:
        return _time("sentAt", fields.get("sentAt"))
    except RefusedError:
        return fields.get("sentAt")


def _time(name: str, value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if value is None or value == "":
        return None
    try:
        time = datetime.fromisoformat(value[:41]) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise bad(
            f"{name} is an ISO 8601 time with a zone: 2026-01-31T12:00:00Z.", name
        )
    if not EARLIEST <= time <= LATEST:
        raise bad(f"{name} is between the years 2000 and 2200.", name)
    return time.astimezone(UTC)
