"""Connections' keys: encrypted at rest, bound to their row, masked in every text."""

from dataclasses import astuple

import orjson
from cryptography.fernet import InvalidToken, MultiFernet
from django.db.models import F

from externalapi.http.auth import TokenPlan
from externalapi.http.redaction import SHOWS_LAST_FOUR_FROM
from externalapi.models import Connection
from lemnisk_braze.lib import database_clock, sealing

# Where a connection keeps keys: in use, waiting, and the one before.
KEY_FIELDS = ("key_encrypted", "next_key_encrypted", "previous_key_encrypted")


class SecretError(Exception):
    """The stored key cannot be read: it was encrypted with another SECRETS_KEY."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class StrangerError(Exception):
    """This process has another SECRETS_KEY than those that stored the connections' keys.

    It can read none of them. Give it the same SECRETS_KEYS as the others, then start it
    again.
    """

    def __init__(self) -> None:
        super().__init__(" ".join(str(self.__doc__).split()))


def set_key(connection: Connection, key: str) -> None:
    """Store the key on the (saved) connection, counting its version up."""
    Connection.objects.filter(pk=connection.pk).update(
        key_encrypted=seal_key(connection, key),
        key_last_four=last_four(key),
        key_version=F("key_version") + 1,
        key_set_at=database_clock.now(),
        token_encrypted="",
        token_expires_at=None,
        # What was heard of another key says nothing of this one.
        last_check={},
    )
    connection.refresh_from_db()


def read_key(connection: Connection) -> str:
    """Return the connection's key, empty where none is set; raises SecretError."""
    return open_key(connection, connection.key_encrypted)


def seal_key(connection: Connection, key: str) -> str:
    """Encrypt a key, bound to its connection."""
    sealed = orjson.dumps({"connection": connection.pk, "key": key.strip()})
    return _fernet().encrypt(sealed).decode()


def open_key(connection: Connection, sealed: str) -> str:
    """Return the key that is sealed, empty for an empty text; raises SecretError."""
    if not sealed:
        return ""
    try:
        opened = orjson.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken as e:
        raise SecretError from e
    # A ciphertext that was copied from another row is worth nothing here.
    if opened["connection"] != connection.pk:
        raise SecretError
    return str(opened["key"])


def is_stranger() -> bool:
    """Whether keys are stored, and this process can read none of them.

    One that cannot be read among others that can is its connection's trouble; where all
    of them cannot, it is this process that came with the wrong passphrase.
    """
    stored = [
        sealed
        for row in Connection.objects.values_list(*KEY_FIELDS)
        for sealed in row
        if sealed
    ]
    return bool(stored) and not any(map(_opens, stored))


def _opens(sealed: str) -> bool:
    try:
        _fernet().decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def last_four(key: str) -> str:
    """Return what is kept of a key to tell it by; empty for a short one."""
    key = key.strip()
    return key[-4:] if len(key) >= SHOWS_LAST_FOUR_FROM else ""


def rotate_key(connection: Connection, field: str = "key_encrypted") -> bool:
    """Encrypt a stored key with the newest passphrase; raises SecretError.

    False when somebody has set another key meanwhile.
    """
    old = getattr(connection, field)
    open_key(connection, old)
    new = _fernet().rotate(old.encode()).decode()
    rows = Connection.objects.filter(pk=connection.pk, **{field: old})
    return bool(rows.update(**{field: new}))


def seal_token(plan: TokenPlan, token: str) -> str:
    """Encrypt a token, bound to the connection and to what it was fetched with."""
    return _fernet().encrypt(orjson.dumps([astuple(plan), token])).decode()


def open_token(plan: TokenPlan, sealed: str) -> str:
    """Return the sealed token, empty where it is not this plan's or unreadable."""
    try:
        fetched_with, token = orjson.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken:
        return ""
    return str(token) if tuple(fetched_with) == astuple(plan) else ""


def _fernet() -> MultiFernet:
    return sealing.ciphers("connection keys")
