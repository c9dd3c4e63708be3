"""Write keys: shown once, stored as a hash, looked up once in a few seconds."""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models.functions import Now

from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.database_clock import ClockTime
from segments.models import Source, WriteKey
from segments.tracking import origins

# In seconds. So long a process goes on with what it knows of a key: one that is revoked
# is refused at once by the process that did it, and by all others this much later.
KNOWN_FOR = 5
# In seconds: how exactly it is known when a key was used last.
USE_IS_WRITTEN_EVERY = 60
DEFAULT_NAME = "Write key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who speaks with a key: its source, and where browsers may send from."""

    source: Source
    key_id: int
    origins: tuple[str, ...]
    passkey_hash: str
    key_hash: str
    known_until: float


_known: dict[str, Caller] = {}


def issue(source: Source, name: str = DEFAULT_NAME) -> str:
    """Give the source one more key, save both, and return it for the last time."""
    return _issue(source, name, passkey="")


def issue_pair(source: Source, name: str) -> tuple[str, str]:
    """The same for Lemnisk's REST calls: (key, passkey)."""
    passkey = secrets.token_urlsafe(24)
    return _issue(source, name, passkey), passkey


def revoke(key: WriteKey) -> None:
    """Refuse the key from now on; elsewhere from KNOWN_FOR seconds later on."""
    WriteKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
    forget()


def caller_of(key: object, passkey: str = "") -> Caller | None:
    """Who speaks with this key of an active source; None where there is no such key.

    Asks the database where it has not done so lately.
    """
    if not isinstance(key, str) or not key:
        return None
    digest = _hash(key)
    caller = _known.get(digest)
    if caller is None or caller.known_until < time.monotonic():
        caller = _look_up(digest)
    expected = _hash(passkey) if passkey else ""
    if caller is None or not hmac.compare_digest(caller.passkey_hash, expected):
        return None
    return caller


def source_of(key: str) -> tuple[Source, datetime] | None:
    """The active source with this write key, and the time by the database's clock."""
    caller = caller_of(key)
    return None if caller is None else (caller.source, database_clock.reckoned())


def forget() -> None:
    """Ask the database again: a key or a source has changed."""
    _known.clear()
    origins.forget()


def _issue(source: Source, name: str, passkey: str) -> str:
    key = secrets.token_urlsafe(24)
    if source._state.adding:
        source.save()
    WriteKey.objects.create(
        source=source,
        name=name,
        key_hash=_hash(key),
        passkey_hash=_hash(passkey) if passkey else "",
        last_four=key[-4:],
    )
    return key


def _look_up(digest: str) -> Caller | None:
    _known.pop(digest, None)
    found = (
        WriteKey.objects.filter(
            key_hash=digest, revoked_at=None, source__is_active=True
        )
        .select_related("source")
        .annotate(asked_at=ClockTime())
        .first()
    )
    if found is None or not hmac.compare_digest(found.key_hash, digest):
        return None
    database_clock.heard(found.asked_at)
    used = found.last_used_at
    if not used or (found.asked_at - used).total_seconds() >= USE_IS_WRITTEN_EVERY:
        _write_use(found.pk)
    caller = Caller(
        source=found.source,
        key_id=found.pk,
        origins=origins.listed(found.source.allowed_origins),
        passkey_hash=found.passkey_hash,
        key_hash=found.key_hash,
        known_until=time.monotonic() + KNOWN_FOR,
    )
    _known[digest] = caller
    return caller


def _write_use(key_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(WRITE_USE, [key_id, USE_IS_WRITTEN_EVERY])


def _hash(key: str) -> str:
    # A random key of 192 bits needs no slow hash: there is nothing to guess.
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


# Nobody waits for another who writes the same.
WRITE_USE = """
UPDATE segments_writekey SET last_used_at = clock_timestamp() WHERE id = (
    SELECT id FROM segments_writekey WHERE id = %s AND (last_used_at IS NULL
        OR last_used_at < clock_timestamp() - make_interval(secs => %s))
    FOR UPDATE SKIP LOCKED
)
"""
