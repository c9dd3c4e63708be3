"""Waking a worker: it may fail, and then costs a log line, never a request.

What a wake-up is about stands in the database, where the periodic tick finds it: a lost
one costs at most a tick, a doubled one a query.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)

# In milliseconds: how long one that is queued, or at work, stands for those that follow.
# Where it is lost, or its worker is killed, those wait for the tick.
STANDS = 500
# A worker that is at work says so this often in that time.
RENEWALS = 5
# In seconds: so long after the broker said that somebody will see it a process does not
# ask again; at hundreds of requests a second asking is a third of what each costs. Who
# leaves waits a little longer before the last look: clocks do not run alike.
KNOWN = 0.02
LAST_LOOK = 0.03
NEVER = float("-inf")
# While the broker is away, one caller in this many seconds finds out, not everyone.
QUIET_SECONDS = 5.0
# Without Celery's own retry its transport's errors come as they are.
BROKER_ERRORS = (OperationalError, RedisError, OSError)
_quiet_until = 0.0


class Wakeup:
    """The wake-up of one task, by its name, whoever asks for it.

        nobody ── publish() ──▶ queued ── hold() ──▶ at work ── leave() ──▶ nobody
                                   │      begin() ──▶ nobody                  ▲
                                   └──────── lost: STANDS later ──────────────┘

    Queued and at work are one key in the broker: nobody is woken for what somebody will
    see in their next look. Where this process itself is at work, or has just asked, the
    broker is not asked. A worker looks once more after it left, when nobody still knows
    of it: who published before, or on that knowledge, is found there.
    """

    def __init__(self, task_name: str) -> None:
        self._task_name = task_name
        self._renewed_at = NEVER
        self._known_until = NEVER

    def publish(self, *args: int, is_needed: bool = False) -> bool:
        """Wake a worker; False where the broker could not be told.

        Call it after commit: a worker may be faster than we are. `is_needed`: one more,
        whoever is queued or at work. With arguments each is queued by itself.
        """
        global _quiet_until
        if time.monotonic() < _quiet_until:
            return False
        try:
            if args or is_needed or self._is_first():
                current_app.send_task(
                    self._task_name, args, retry=False, ignore_result=True
                )
        except BROKER_ERRORS as e:
            _quiet_until = time.monotonic() + QUIET_SECONDS
            logger.warning("wakeup.failed", task=self._task_name, because=e)
            return False
        return True

    def hold(self) -> None:
        """Be, or go on being, at work; call it before each look."""
        if time.monotonic() < self._renewed_at + STANDS / 1_000 / RENEWALS:
            return
        self._renewed_at = time.monotonic()
        with suppress(*BROKER_ERRORS), _broker() as client:
            client.set(self._key, 1, px=STANDS)

    def leave(self) -> None:
        """Whoever publishes from now on wakes somebody: look once more after it.

        It takes until nobody knows any more that somebody was there (LAST_LOOK).
        """
        if self._renewed_at != NEVER:
            self._renewed_at = NEVER
            self.begin()
            time.sleep(LAST_LOOK)

    def begin(self) -> None:
        """The one that was queued has begun: who publishes now queues another."""
        self._known_until = NEVER
        try:
            with _broker() as client:
                client.delete(self._key)
        except BROKER_ERRORS as e:
            logger.warning("broker.away", task=self._task_name, because=e)

    @property
    def _key(self) -> str:
        return f"in-line:{self._task_name}"

    def _is_first(self) -> bool:
        asked_at = time.monotonic()
        if self._renewed_at != NEVER or asked_at < self._known_until:
            return False
        with _broker() as client:
            is_first = bool(client.set(self._key, 1, nx=True, px=STANDS))
        self._known_until = asked_at + KNOWN
        return is_first


@cache
def of(task_name: str) -> Wakeup:
    """The wake-up of a task, the same for all of this process."""
    return Wakeup(task_name)


@contextmanager
def _broker() -> Iterator[Any]:
    """The broker's own client, over a connection of Celery's pool."""
    with current_app.connection_or_acquire() as connection:
        yield connection.default_channel.client
