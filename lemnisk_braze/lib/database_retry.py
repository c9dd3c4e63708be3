"""Outliving a database that is away; and what need not outlive its crash."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db import connection

from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.logs import get_logger

Found = TypeVar("Found")

logger = get_logger(__name__)

# A condition that is always true: the transaction of a statement that has it does not
# wait for the disk. It is for what a crash of the database may forget, which forgets
# from the end backwards: of what is before an intent, which does wait, nothing.
LATER_ON_DISK = "set_config('synchronous_commit', 'off', true) = 'off'"

# The same the other way: its transaction waits for the disk, also where the database, or
# the role, is set not to. What waits for more, such as a standby, keeps that.
NOW_ON_DISK = """(current_setting('synchronous_commit') <> 'off'
    OR set_config('synchronous_commit', 'on', true) = 'on')"""

# Waits for the disk itself, and so for all that was committed before.
ON_DISK = f"SELECT pg_logical_emit_message(true, 'engagements', '') WHERE {NOW_ON_DISK}"

# In seconds. The reaper waits one lease from when the database is back: whoever holds
# answers looks often enough to be there well before it.
FIRST_WAIT = 0.2
LONGEST_WAIT = 3.0
LOOKS_IN_A_LEASE = 10


# For what must not be lost: an answer that is not written down, for example.
FOREVER = float("inf")


def insist(
    action: Callable[[], Found],
    seconds: float = FOREVER,
    on_loss: Callable[[], None] | None = None,
) -> Found:
    """Do something idempotent, again and again while the database is away.

    Away is also one that is full, or read-only after a failover; `on_loss` is called
    each time that it is found so. Returns what it returns. Raises the last error after
    `seconds`, and at once what no wait mends.
    """
    deadline = time.monotonic() + seconds
    lease = settings.DELIVERY_LEASE.total_seconds()
    longest = min(LONGEST_WAIT, lease / LOOKS_IN_A_LEASE)
    wait = FIRST_WAIT
    while True:
        try:
            return action()
        except Exception as e:
            is_away = about(e) is About.CONNECTION
            if is_away and on_loss:
                on_loss()
            if not is_away or time.monotonic() + wait > deadline:
                raise
            logger.warning("database.away", because=e)
        connection.close()
        time.sleep(wait)
        wait = min(wait * 2, longest)


def flush() -> None:
    """Return when everything that was committed so far outlives a crash."""
    with connection.cursor() as cursor:
        cursor.execute(ON_DISK)
