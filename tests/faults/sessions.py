"""Other sessions of the test's database: one that locks, and all the workers'."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Nobody else writes to a table."""
    parameters = connection.get_connection_params()
    known = {k: parameters[k] for k in ("dbname", "user", "host") if k in parameters}
    with psycopg.connect(**known) as other:
        other.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield


def is_waited_for(table: str) -> bool:
    """Whether a worker waits until it may write to a table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
            " AND relation = %s::regclass",
            [table],
        )
        return bool(cursor.fetchone()[0])


def end_waiting_sessions() -> None:
    """End the sessions that wait for a lock: a dead worker's would go on when it can."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )


def end_all_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])
