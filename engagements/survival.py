"""Outliving a restart of the database where giving up would cost certainty."""

import logging
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

FIRST_WAIT = 0.2
LONGEST_WAIT = 3.0


def insist(action: Callable[[], None], seconds: float) -> None:
    """Do something idempotent, again and again while the database is away.

    Raises the database's last error after `seconds`.
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
