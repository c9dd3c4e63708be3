"""Who was erased is kept out, and nothing that is kept says who that was.

Whatever brings people in (a late message, an import, a sync) comes through here: a
message with an identifier of somebody who was erased is refused. (P) An anonymous ID
beside an external ID keeps nobody out: a device has other users.
"""

import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from segments.identity.calls import (
    ANONYMOUS_ID,
    EXTERNAL_ID,
    PLACEHOLDER,
    Call,
    Key,
    microseconds,
)


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


def fingerprint(key: Key) -> str:
    """The HMAC-SHA256 of kind and value under TOMBSTONE_KEY, in hex."""
    text = "\0".join(key).encode()
    return hmac.digest(settings.TOMBSTONE_KEY.encode(), text, "sha256").hex()


def find(keys: Collection[Key]) -> Mapping[Key, Erased]:
    """Which of these identifiers are of somebody who was erased.

    Take the inbox's lock before: who is being erased is waited for, then seen.
    """
    if not keys:
        return {}
    with connection.cursor() as cursor:
        # Where nobody ever was, nothing is computed.
        cursor.execute("SELECT EXISTS (SELECT FROM segments_tombstone)")
        if not cursor.fetchone()[0]:
            return {}
        names = {fingerprint(key): key for key in keys}
        cursor.execute(FIND, [list(names)])
        return {
            names[name]: Erased(at=int(at), may_return=may_return)
            for name, at, may_return in cursor.fetchall()
        }


def put(keys: Iterable[Key], *, may_return: bool) -> None:
    """Keep these out from now on; who may not return stays so when erased again."""
    names = [fingerprint(key) for key in keys if key[0] != PLACEHOLDER]
    with connection.cursor() as cursor:
        cursor.execute(PUT, [may_return, names])


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
