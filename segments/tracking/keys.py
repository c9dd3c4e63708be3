"""Write keys: shown once, stored as a hash."""

import hashlib
import hmac
import secrets

from segments.models import Source


def issue(source: Source) -> str:
    """Give the source a new write key, save it, and return the key for the last time."""
    key = secrets.token_urlsafe(24)
    source.write_key_hash = _hash(key)
    source.write_key_last_four = key[-4:]
    source.save()
    return key


def source_of(key: str) -> Source | None:
    """The active source with this write key."""
    if not key:
        return None
    digest = _hash(key)
    source = Source.objects.filter(write_key_hash=digest, is_active=True).first()
    if source is None or not hmac.compare_digest(source.write_key_hash, digest):
        return None
    return source


def _hash(key: str) -> str:
    # A random key of 192 bits needs no slow hash: there is nothing to guess.
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
