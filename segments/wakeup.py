"""Publishing a wake-up: it may fail, and then costs a log line, never a request.

What a wake-up is about stands in the database, where the periodic tick finds it.
"""

import logging
import time
from typing import Any

from celery import Task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# While the broker is away, one caller in this many seconds finds out, not everyone.
QUIET_SECONDS = 5.0
# Without Celery's own retry its transport's errors come as they are.
BROKER_ERRORS = (OperationalError, RedisError, OSError)
_quiet_until = 0.0


def publish(task: "Task[Any, Any]", *args: int) -> bool:
    """Wake a worker for this task; False where the broker could not be told.

    Call it after commit: a worker may be faster than we are.
    """
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return False
    try:
        task.apply_async(args, retry=False)
    except BROKER_ERRORS as e:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        logger.warning("The broker cannot be reached; the next tick does it: %s", e)
        return False
    return True
