"""A connection's new key beside its old one, until it is sure that the new one works.

set beside ──► checked ──► switched ──► the old one is wiped when its time is over
                              └──► undone: the old one is in use again
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from externalapi.connections.encryption import last_four, seal_key
from externalapi.models import Connection
from lemnisk_braze.lib import database_clock

# How long an old key is kept by default, and at most.
KEPT_HOURS = 24
MAX_KEPT_HOURS = 168


def set_beside(connection: Connection, key: str) -> None:
    """Keep a new key beside the one in use, in the place of one that waited there."""
    Connection.objects.filter(pk=connection.pk).update(
        next_key_encrypted=seal_key(connection, key),
        next_key_last_four=last_four(key),
        next_key_set_at=database_clock.now(),
        next_key_check={},
    )
    connection.refresh_from_db()


def discard(connection: Connection) -> bool:
    """Forget the key that waits; False where none does."""
    rows = Connection.objects.filter(pk=connection.pk).exclude(next_key_encrypted="")
    discarded = rows.update(**_NO_NEXT)
    connection.refresh_from_db()
    return bool(discarded)


@transaction.atomic
def switch(connection: Connection, kept_for: timedelta) -> bool:
    """Use the key that waits; the one in use is kept for a while. False: none waits."""
    held = Connection.objects.select_for_update().get(pk=connection.pk)
    if not held.next_key_encrypted:
        return False
    now = database_clock.now()
    Connection.objects.filter(pk=held.pk).update(
        key_encrypted=held.next_key_encrypted,
        key_last_four=held.next_key_last_four,
        **_NEW_VERSION,
        key_set_at=now,
        last_check=held.next_key_check,
        previous_key_encrypted=held.key_encrypted,
        previous_key_last_four=held.key_last_four,
        previous_key_until=now + kept_for if held.key_encrypted else None,
        **_NO_NEXT,
    )
    connection.refresh_from_db()
    return True


@transaction.atomic
def undo(connection: Connection) -> bool:
    """Use the old key again; the new one waits beside it. False: it is gone.

    It counts as one more key, so that whoever waits for a new key goes on.
    """
    held = Connection.objects.select_for_update().get(pk=connection.pk)
    now = database_clock.now()
    until = held.previous_key_until
    if until is None or until <= now:
        return False
    Connection.objects.filter(pk=held.pk).update(
        key_encrypted=held.previous_key_encrypted,
        key_last_four=held.previous_key_last_four,
        **_NEW_VERSION,
        key_set_at=now,
        last_check={},
        next_key_encrypted=held.key_encrypted,
        next_key_last_four=held.key_last_four,
        next_key_set_at=held.key_set_at,
        next_key_check=held.last_check,
        **_NO_PREVIOUS,
    )
    connection.refresh_from_db()
    return True


def wipe(connection: Connection) -> bool:
    """Forget the old key now; False where none is kept."""
    rows = Connection.objects.filter(pk=connection.pk, previous_key_until__isnull=False)
    wiped = rows.update(**_NO_PREVIOUS)
    connection.refresh_from_db()
    return bool(wiped)


def wipe_old_keys() -> int:
    """Forget the old keys whose time is over; return how many. The tick's work."""
    over = Connection.objects.filter(previous_key_until__lte=database_clock.now())
    return over.update(**_NO_PREVIOUS)


_NO_NEXT: dict[str, Any] = {
    "next_key_encrypted": "",
    "next_key_last_four": "",
    "next_key_set_at": None,
    "next_key_check": {},
}
_NO_PREVIOUS = {
    "previous_key_encrypted": "",
    "previous_key_last_four": "",
    "previous_key_until": None,
}
# A token that was fetched with another key goes with it.
_NEW_VERSION = {
    "key_version": F("key_version") + 1,
    "token_encrypted": "",
    "token_expires_at": None,
}
