"""Other sessions of the test's database: one that locks, and all the workers'."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection

END_ALL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND backend_type = 'client backend'
"""


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Nobody else writes to a table."""
    with a_session(autocommit=False) as other:
        other.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
        yield


@contextmanager
def row_locked(table: str, key: str, value: int) -> Iterator[psycopg.Connection]:
    """Nobody else writes to a row; the session that has it, which may commit."""
    with a_session(autocommit=False) as other:
        found = f"SELECT FROM {table} WHERE {key} = %s FOR UPDATE"
        other.execute(found.encode(), [value])
        yield other


def a_session(**options: Any) -> psycopg.Connection:
    """A session of its own with the test's server, and its database unless told."""
    parameters = connection.get_connection_params()
    known: dict[str, Any] = {"autocommit": True}
    known |= {k: parameters[k] for k in ("dbname", "user", "host") if k in parameters}
    return psycopg.connect(**known | options)


def is_waited_for(table: str) -> bool:
    """Whether a worker waits until it may write to a table."""
    with connection.cursor() as cursor:
        # Databases are made from one template: in each of them it has the same number.
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE NOT granted AND datname = current_database()"
            " AND relation = %s::regclass",
            [table],
        )
        return bool(cursor.fetchone()[0])


def waiting() -> int:
    """How many sessions of this database wait for what another holds."""
    with connection.cursor() as cursor:
        # Else a transaction sees what it saw when it first asked.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


def waits_for(pid: int) -> float:
    """For how many seconds a session, of whatever database, waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - query_start)"
            " FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
            [pid],
        )
        found = cursor.fetchone()
    return float(found[0]) if found else 0.0


def are_quiet() -> bool:
    """Whether none of the others has asked anything for half a second."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            " AND query_start > clock_timestamp() - interval '0.5 seconds'"
        )
        return int(cursor.fetchone()[0]) == 0


def somebody_waits_for_a_lock() -> bool:
    return waiting() > 0


def end_waiting_sessions() -> None:
    """End the sessions that wait for a lock: a dead worker's would go on when it can."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )


def end_all_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(END_ALL)
        return int(cursor.fetchone()[0])


@contextmanager
def read_only() -> Iterator[None]:
    """Nobody can write: every session begins anew, on a server as after a failover.

    This process's too, twice: whatever comes after, an error of a test as well, finds
    it able to ask.
    """
    with a_session(options="-c default_transaction_read_only=off") as other:
        name = connection.settings_dict["NAME"]
        other.execute(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode()
        )
        other.execute(END_ALL)
        connection.close()
        try:
            yield
        finally:
            other.execute(
                f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode()
            )
            other.execute(END_ALL)
            connection.close()


@contextmanager
def refusing(
    table: str,
    condition: str,
    code: str = "23514",
    words: str = "'not this one'",
    *,
    event: str = "INSERT",
) -> Iterator[None]:
    """New rows of a table, NEW in the condition and words, fail with this SQLSTATE."""
    with a_session() as other:
        other.execute(
            f"""
            CREATE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF {condition} THEN
                    RAISE SQLSTATE '{code}' USING MESSAGE = {words},
                        DETAIL = {words};
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER refuse BEFORE {event} ON {table}
                FOR EACH ROW EXECUTE FUNCTION refuse_{table}()
            """.encode()
        )
    try:
        yield
    finally:
        # The server may have been restarted meanwhile.
        with a_session() as other:
            other.execute(f"DROP TRIGGER refuse ON {table}".encode())
            other.execute(f"DROP FUNCTION refuse_{table}".encode())
