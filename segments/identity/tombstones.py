"""Who was erased is kept out, and nothing that is kept says who that was.

Whatever brings people in (a late message, an import, a sync) comes through here: a
message with an identifier of somebody who was erased is refused. (P) An anonymous ID
beside an external ID keeps nobody out: a device has other users.
"""

import hmac
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from segments.contact import as_email
from segments.identity.calls import (
    ANONYMOUS_ID,
    CONTACTS,
    EMAIL,
    EXTERNAL_ID,
    PLACEHOLDER,
    Call,
    Key,
    microseconds,
)
from segments.models import Identifier, Tombstone
from segments.models.copying import text_array

# The reason of what is refused for it.
REASON = "erased"


class ErasedError(ValueError):
    """The message is about somebody who was erased."""

    def __init__(self) -> None:
        super().__init__("It is about somebody who was erased.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """When, in µs since 1970; and whether what is done later makes a new person."""

    at: int
    may_return: bool

    def keeps_out(self, time: int) -> bool:
        return not self.may_return or time <= self.at


def fingerprints(keys: Iterable[Key]) -> list[str]:
    """The HMAC-SHA256 of each one's kind and value under TOMBSTONE_KEY, in hex."""
    secret = settings.TOMBSTONE_KEY.encode()
    return [
        hmac.digest(secret, b"%b\0%b" % (k.encode(), v.encode()), "sha256").hex()
        for k, v in keys
    ]


def is_any() -> bool:
    """Whether anybody was ever erased."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM segments_tombstone)")
        return bool(cursor.fetchone()[0])


def find(keys: Collection[Key]) -> Mapping[Key, Erased]:
    """Which of these identifiers are of somebody who was erased.

    Take the inbox's lock before: who is being erased is waited for, then seen.
    """
    # Where nobody ever was, nothing is computed.
    if not keys or not is_any():
        return {}
    with connection.cursor() as cursor:
        names = dict(zip(fingerprints(keys), keys, strict=True))
        cursor.execute(FIND, [text_array(names)])
        return {
            names[name]: Erased(at=int(at), may_return=may_return)
            for name, at, may_return in cursor.fetchall()
        }


def put(keys: Iterable[Key], *, may_return: bool) -> None:
    """Keep these out from now on; who may not return stays so when erased again."""
    names = fingerprints(key for key in keys if key[0] != PLACEHOLDER)
    with connection.cursor() as cursor:
        cursor.execute(PUT, [may_return, text_array(names)])


def keeps_out(erased: Mapping[Key, Erased], call: Call, payload: Any) -> bool:
    """Whether one of a call's identifiers is of somebody who was erased."""
    keys = [call.subject, *call.others]
    if call.subject[0] == EXTERNAL_ID:
        # That an alias names as the earlier one is not a device beside the person.
        previous = payload.get("previousId")
        keys = [k for k in keys if k[0] != ANONYMOUS_ID or k[1] == previous]
    found = [erased[key] for key in keys if key in erased]
    if not found:
        return False
    time = microseconds(payload["timestamp"])
    return any(one.keeps_out(time) for one in found)


def named_in(bodies: Sequence[bytes]) -> list[bool]:
    """Whether each text names somebody who was erased, for good: it is not to be kept.

    For what is no message that a call can be read of. JSON in any shape, and an e-mail
    address in whatever else: what a field says is an identifier, an e-mail or a phone.
    """
    if not Tombstone.objects.filter(may_return=False).exists():
        return [False] * len(bodies)
    keys = [set(_keys_in(body)) for body in bodies]
    found = find(set().union(*keys))
    erased = {key for key, one in found.items() if not one.may_return}
    return [not erased.isdisjoint(some) for some in keys]


def _keys_in(body: bytes) -> Iterator[Key]:
    try:
        waiting = [("", orjson.loads(body))]
    except ValueError:
        # Whatever stands in quotation marks may be anything.
        quoted = _QUOTED.findall(body.decode(errors="replace"))
        waiting = [("id", "".join(texts)) for texts in quoted]
    for _ in range(MOST_READ):
        if not waiting:
            return
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((name, item) for item in value)
        elif (
            isinstance(value, str | int) and len(text := str(value).strip()) <= LONGEST
        ):
            yield from _keys_of(name.replace("_", "").casefold(), text)


def _keys_of(name: str, text: str) -> Iterator[Key]:
    """What a text may be, in a field of a name without case and underscores."""
    if "@" in text:
        yield EMAIL, as_email(text)
    elif name in CONTACTS:
        yield name, CONTACTS[name](text)
    for kind in NAMED.get(name, ()):
        yield kind, text


# Of a body so many values are looked at, and of them the shorter ones.
MOST_READ = 5_000
LONGEST = 987
_QUOTED = re.compile(r"([\w.+-]+@[\w.-]+\w)|\"([^\"\n]{1,987})\"")
# (P) No anonymous ID: a device has other users, whose messages can be sent in again.
_ANY = (EXTERNAL_ID, Identifier.Kind.USER_ALIAS.value, Identifier.Kind.BRAZE_ID.value)
NAMED = {
    "userid": (EXTERNAL_ID,),
    "externalid": (EXTERNAL_ID,),
    "previousid": (EXTERNAL_ID,),
    "brazeid": _ANY,
    "aliasname": _ANY,
    "id": _ANY,
}
FIND = """
SELECT fingerprint, extract(epoch FROM erased_at) * 1000000, may_return
FROM segments_tombstone WHERE fingerprint = ANY(%s::text[])
"""
PUT = """
INSERT INTO segments_tombstone (fingerprint, erased_at, may_return)
SELECT DISTINCT f, clock_timestamp(), %s FROM unnest(%s::text[]) AS f
ON CONFLICT (fingerprint) DO UPDATE SET erased_at = excluded.erased_at,
    may_return = segments_tombstone.may_return AND excluded.may_return
"""
