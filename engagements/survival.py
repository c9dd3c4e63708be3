"""Outliving a restart of the database; and what need not outlive its crash."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

Found = TypeVar("Found")

logger = logging.getLogger(__name__)

# A condition that is always true: the transaction of a statement that has it does not
# wait for the disk. It is for what a crash of the database may forget, which forgets
# from the end backwards: of what is before an intent, which does wait, nothing.
LATER_ON_DISK = "set_config('synchronous_commit', 'off', true) = 'off'"

FIRST_WAIT = 0.2
LONGEST_WAIT = 3.0


def insist(action: Callable[[], Found], seconds: float) -> Found:
    """Do something idempotent, again and again while the database is away.

    Returns what it returns. Raises the database's last error after `seconds`.
    """
    deadline = time.monotonic() + seconds
    wait = FIRST_WAIT
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError) as e:
            if time.monotonic() + wait > deadline:
                raise
            logger.warning("The database is away, trying again: %s", e)
        connection.close()
        time.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)
