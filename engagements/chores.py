"""The tick's pieces of work: each in one worker's hands at a time, and none in another's way.

Whose turn it is stands in a row, with a lease and a token that each turn has anew. A
process that lives keeps its turn for as long as the work takes; one that is frozen, or
gone, loses it, and what it still writes down of it is no news. There is no lock in a
session, so it works behind a pooler that gives each transaction another one.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import Error, connection

from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)

TAKE = """
    INSERT INTO engagements_chore AS c (name, token, held_until, trying_since, problem)
    VALUES (%(name)s, 1, clock_timestamp() + make_interval(secs => %(lease)s),
        clock_timestamp(), '')
    ON CONFLICT (name) DO UPDATE SET token = c.token + 1,
        held_until = excluded.held_until,
        trying_since = coalesce(c.trying_since, excluded.trying_since)
    WHERE c.held_until IS NULL OR c.held_until < clock_timestamp()
    RETURNING token
"""
KEEP = """
    UPDATE engagements_chore
    SET held_until = clock_timestamp() + make_interval(secs => %(lease)s)
    WHERE name = %(name)s AND token = %(token)s
"""
GIVE_BACK = """
    UPDATE engagements_chore SET held_until = NULL, problem = %(problem)s,
        trying_since = CASE WHEN %(problem)s <> '' THEN trying_since END
    WHERE name = %(name)s AND token = %(token)s
"""


def do(name: str, work: Callable[[], object]) -> bool:
    """Do it, unless another worker has it in hand; whether we did.

    An error is logged, kept for the operators' alarm, and in nobody else's way.
    """
    token = _take(name)
    if token is None:
        return False
    problem = ""
    try:
        with _kept(name, token):
            work()
    except SoftTimeLimitExceeded:
        problem = "It takes too long for one task."
        raise
    except Exception as e:
        logger.exception("chore.failed", chore=name)
        problem = type(e).__name__
        # After an error of the session's own a new one is needed.
        connection.close_if_unusable_or_obsolete()
    finally:
        _execute(GIVE_BACK, name=name, token=token, problem=problem)
    return True


def lease() -> float:
    """In seconds: what is left when a process freezes another takes at the next tick."""
    return float(settings.TICK_SECONDS)


def _take(name: str) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"name": name, "lease": lease()})
        row = cursor.fetchone()
    return row[0] if row else None


def _execute(statement: str, **parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@contextmanager
def _kept(name: str, token: int) -> Iterator[None]:
    """Renew the lease from a thread: it stops when the process is stopped."""
    is_over = threading.Event()
    keeper = threading.Thread(
        target=_keep, args=(name, token, is_over), name=f"keeper-{name}", daemon=True
    )
    keeper.start()
    try:
        yield
    finally:
        is_over.set()
        keeper.join()


def _keep(name: str, token: int, is_over: threading.Event) -> None:
    while not is_over.wait(lease() / 3):
        try:
            _execute(KEEP, name=name, token=token, lease=lease())
        except Error as e:
            logger.warning("chore.not_kept", chore=name, because=e)
        finally:
            connection.close()
