"""Write keys: shown once, stored as a hash."""

import hashlib
import hmac
import secrets
from datetime import datetime

from lemnisk_braze.lib.database_clock import ClockTime
from segments.models import Source


def issue(source: Source) -> str:
    """Give the source a new write key, save it, and return the key for the last time."""
    key = secrets.token_urlsafe(24)
    source.write_key_hash = _hash(key)
    source.write_key_last_four = key[-4:]
    source.save()
    return key


def source_of(key: str) -> tuple[Source, datetime] | None:
    """The active source with this write key, and the time by the database's clock."""
    if not key:
        return None
    digest = _hash(key)
    active = Source.objects.filter(is_active=True).annotate(asked_at=ClockTime())
    source = active.filter(write_key_hash=digest).first()
    if source is None or not hmac.compare_digest(source.write_key_hash, digest):
        return None
    return source, source.asked_at


def _hash(key: str) -> str:
    # A random key of 192 bits needs no slow hash: there is nothing to guess.
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
