"""Who works at a row has it for as long as a lease lasts, and no other worker does.

Of what comes as a file each taking makes the row's token anew: what is noted with an older
one is lost, so of two workers one at most goes on. Of what asks a database the lease is
as long as its query may take.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.database_errors import About, about, in_words
from segments.imports.reading.rows import FileError
from segments.models import Import, ListFeed, ListUpload, SourceQuery

# What comes as a file, and what asks a database.
FromFile = type[Import] | type[ListUpload]
Asking = type[SourceQuery] | type[ListFeed]
LEASE = timedelta(seconds=60)
# So much longer than its query a run has it for itself.
MARGIN = timedelta(seconds=60)
# Rows of which workers are woken at once.
MOST_WAITING, MOST_DUE = 100, 20


class LostError(Exception):
    """Somebody paused or cancelled it, or another worker has it."""


@contextmanager
def held(
    rows: FromFile,
    pk: int,
    fail: Callable[[int, int, str], None],
    log: Callable[[], None],
) -> Iterator[int | None]:
    """Hold a row while somebody works at it: its token, None where another has it.

    What ends the work for good goes to `fail` (key, token, why), a mistake of ours to
    `log` as well. Only errors of the connection, and a worker's end, are raised.
    """
    token = _take(rows, pk)
    if token is None:
        yield None
        return
    try:
        yield token
    except LostError:
        pass
    except FileError as e:
        fail(pk, token, str(e))
    except SoftTimeLimitExceeded:
        raise
    except Exception as e:
        if about(e) is About.CONNECTION:
            raise
        log()
        fail(pk, token, in_words(e))
    finally:
        rows._default_manager.filter(pk=pk, token=token).update(held_until=None)


def waiting(rows: FromFile) -> list[int]:
    """Whose work is to go on and is in nobody's hands, at most MOST_WAITING."""
    found = rows._default_manager.filter(state__in=rows.WORKING).filter(
        Q(held_until=None) | Q(held_until__lt=database_clock.now())
    )
    return list(found.order_by("pk").values_list("pk", flat=True)[:MOST_WAITING])


def due(rows: QuerySet[SourceQuery] | QuerySet[ListFeed]) -> list[int]:
    """Which of them are to be asked now by their schedule, at most MOST_DUE."""
    now = database_clock.now()
    found = rows.filter(every__gt=0).filter(
        Q(due_at=None) | Q(due_at__lte=now), Q(held_until=None) | Q(held_until__lte=now)
    )
    return list(found.order_by("pk").values_list("pk", flat=True)[:MOST_DUE])


def take_due(rows: Asking, pk: int, *, by_hand: bool, only: str = "true") -> bool:
    """Whether it is ours to be asked now: due, or `by_hand`, and in nobody's hands.

    `only`: SQL of which rows are asked by their schedule.
    """
    longest = timedelta(seconds=settings.SQL_SECONDS) + MARGIN
    statement = TAKE_DUE.format(table=rows._meta.db_table, only=only)
    with connection.cursor() as cursor:
        cursor.execute(statement, [longest.total_seconds(), pk, by_hand])
        return cursor.fetchone() is not None


def _take(rows: FromFile, pk: int) -> int | None:
    statement = TAKE.format(table=rows._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(statement, [LEASE.total_seconds(), pk, list(rows.WORKING)])
        row = cursor.fetchone()
    return row[0] if row else None


TAKE = """
UPDATE {table} SET token = token + 1,
    held_until = clock_timestamp() + make_interval(secs => %s)
WHERE id = %s AND state = ANY(%s::text[])
  AND (held_until IS NULL OR held_until < clock_timestamp())
RETURNING token
"""
# The next time is counted from when this one was due, so that no run drifts; where that
# is over as well, from now on.
TAKE_DUE = """
UPDATE {table} SET
    held_until = clock_timestamp() + make_interval(secs => %s),
    due_at = CASE WHEN every = 0 THEN NULL ELSE greatest(
        coalesce(due_at, clock_timestamp()) + make_interval(mins => every),
        clock_timestamp()) END
WHERE id = %s AND (held_until IS NULL OR held_until <= clock_timestamp())
  AND (%s OR ({only} AND every > 0
              AND (due_at IS NULL OR due_at <= clock_timestamp())))
RETURNING id
"""
