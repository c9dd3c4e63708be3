"""Waking a worker: it may fail, and then costs a log line, never a request.

What a wake-up is about stands in the database, where the periodic tick finds it: a lost
one costs at most a tick, a doubled one a query.
"""

import time
import uuid
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
QUEUED = "1"
# Of the key: whether it is not another worker's; then it is the one's who asks, or gone.
HOLD = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] and held ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
LEAVE = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] and held ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""
# While the broker is away, one caller in this many seconds finds out, not everyone.
QUIET_SECONDS = 5.0
# Without Celery's own retry its transport's errors come as they are.
BROKER_ERRORS = (OperationalError, RedisError, OSError)
_quiet_until = 0.0


class Wakeup:
    """The wake-up of one task, by its name, whoever asks for it.

        nobody ── publish() ──▶ queued ── hold() ──▶ at work ── leave() ──▶ nobody
                                   │      begin() ──▶ nobody     │            ▲
                                   └── lost, or killed: STANDS ──┴─ later ────┘

    Queued and at work are one key in the broker: nobody is woken for what somebody will
    see in their next look. Where this process itself is at work, or has just asked, the
    broker is not asked. A worker looks once more after it left, when nobody still knows
    of it: who published before, or on that knowledge, is found there.

    The key names the worker that is at work. Another that comes meanwhile lets it stand
    (`is_first` is false), and takes nobody's place when it leaves.
    """

    def __init__(self, task_name: str) -> None:
        self._task_name = task_name
        self._renewed_at = NEVER
        self._known_until = NEVER
        self._name = ""
        self.is_first = True

    def publish(self, *args: int, is_needed: bool = False) -> bool:
        """Wake a worker; False where the broker could not be told.

        Call it after commit: a worker may be faster than we are. `is_needed`: one more,
        whoever is queued or at work. With arguments each is queued by itself.
        """
        global _quiet_until
        if time.monotonic() < _quiet_until:
            return False
        try:
            if args or is_needed or self._needs_one():
                current_app.send_task(
                    self._task_name, args, retry=False, ignore_result=True
                )
        except BROKER_ERRORS as e:
            _quiet_until = time.monotonic() + QUIET_SECONDS
            logger.warning("wakeup.failed", task=self._task_name, because=e)
            return False
        return True

    def hold(self) -> None:
        """Be, or go on being, at work; call it before each look.

        `is_first` says then whether others leave to this worker what one does alone; all
        are, while the broker is away.
        """
        if time.monotonic() < self._renewed_at + STANDS / 1_000 / RENEWALS:
            return
        if self._renewed_at == NEVER:
            self._name = uuid.uuid4().hex
        self._renewed_at = time.monotonic()
        self.is_first = True
        with suppress(*BROKER_ERRORS):
            self.is_first = self._tell(HOLD)

    def leave(self) -> bool:
        """Whoever publishes from now on wakes somebody; whether to look once more.

        It takes until nobody knows any more that somebody was there (LAST_LOOK). Where
        another is at work, what comes is theirs.
        """
        if self._renewed_at == NEVER:
            return True
        self._renewed_at = self._known_until = NEVER
        try:
            if not self._tell(LEAVE):
                return False
        except BROKER_ERRORS as e:
            logger.warning("broker.away", task=self._task_name, because=e)
        time.sleep(LAST_LOOK)
        return True

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

    def _tell(self, script: str) -> bool:
        with _broker() as client:
            tell = client.register_script(script)
            return bool(tell([self._key], [QUEUED, self._name, STANDS]))

    def _needs_one(self) -> bool:
        asked_at = time.monotonic()
        if self._renewed_at != NEVER or asked_at < self._known_until:
            return False
        with _broker() as client:
            is_first = bool(client.set(self._key, QUEUED, nx=True, px=STANDS))
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
