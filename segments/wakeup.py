"""Publishing a wake-up: it may fail, and then costs a log line, never a request.

What a wake-up is about stands in the database, where the periodic tick finds it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery import Task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# In milliseconds: how long a wake-up in line stands for those that follow it. Where it is
# lost, or its worker is killed, those that rang in that time wait for the tick.
IN_LINE = 500
# A place in line is renewed so often in that time.
HOLDS = 5
NEVER = float("-inf")
# While the broker is away, one caller in this many seconds finds out, not everyone.
QUIET_SECONDS = 5.0
# Without Celery's own retry its transport's errors come as they are.
BROKER_ERRORS = (OperationalError, RedisError, OSError)
_quiet_until = 0.0


def publish(task: "Task[Any, Any]", *args: int, is_needed: bool = False) -> bool:
    """Wake a worker for this task; False where the broker could not be told.

    Call it after commit: a worker may be faster than we are. Of many for the same thing
    one stands in line, until a worker has begun with it: it will see what all of them
    are about. `is_needed`: one more, whoever stands there.
    """
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return False
    try:
        if args or is_needed or _is_first(task):
            task.apply_async(args, retry=False)
    except BROKER_ERRORS as e:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        logger.warning("The broker cannot be reached; the next tick does it: %s", e)
        return False
    return True


class Line:
    """A worker that stands in line for all who ring while it is at work.

    It will see what they rang about, so nobody else is woken for that.
    """

    def __init__(self, task: "Task[Any, Any]") -> None:
        self._task = task
        self._held_until = NEVER

    def hold(self) -> None:
        """Go on standing in line; call it before each look."""
        if time.monotonic() < self._held_until:
            return
        self._held_until = time.monotonic() + IN_LINE / 1_000 / HOLDS
        with suppress(*BROKER_ERRORS), _client(self._task) as client:
            client.set(_name(self._task), 1, px=IN_LINE)

    def leave(self) -> None:
        """Whoever rings from now on wakes somebody: look once more after it."""
        if self._held_until != NEVER:
            self._held_until = NEVER
            begun(self._task)


def begun(task: "Task[Any, Any]") -> None:
    """Whoever rings from now on needs a wake-up of their own: call it before looking."""
    try:
        with _client(task) as client:
            client.delete(_name(task))
    except BROKER_ERRORS as e:
        logger.warning("The broker cannot be reached: %s", e)


def _is_first(task: "Task[Any, Any]") -> bool:
    with _client(task) as client:
        return bool(client.set(_name(task), 1, nx=True, px=IN_LINE))


def _name(task: "Task[Any, Any]") -> str:
    return f"in-line:{task.name}"


@contextmanager
def _client(task: "Task[Any, Any]") -> Iterator[Any]:
    """The broker's own client, over a connection of Celery's pool."""
    with task.app.connection_or_acquire() as connection:
        yield connection.default_channel.client
