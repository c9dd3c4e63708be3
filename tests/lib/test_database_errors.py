"""Errors of a real PostgreSQL, sorted by what they are about."""

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, connection, transaction

from lemnisk_braze.lib.database_errors import About, about, sqlstate

RAISES = "DO $$ BEGIN RAISE SQLSTATE '{}'; END $$"


def error_of(statement: str, *params: str | int) -> Exception:
    with (
        pytest.raises(Exception) as caught,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, params or None)
    return caught.value


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("08006", About.CONNECTION),  # connection failure
        ("25006", About.CONNECTION),  # read-only: a failover
        ("25P02", About.STATEMENT),  # the transaction has failed before
        ("25P03", About.CONNECTION),  # a transaction that stood still for too long
        ("28P01", About.CONNECTION),  # wrong password
        ("3D000", About.CONNECTION),  # no such database
        ("40001", About.CONNECTION),  # serialization failure
        ("40P01", About.CONNECTION),  # deadlock
        ("53100", About.CONNECTION),  # disk full
        ("53300", About.CONNECTION),  # too many connections
        ("55P03", About.CONNECTION),  # lock not available
        ("55000", About.STATEMENT),  # not in the state for it
        ("57014", About.CONNECTION),  # cancelled by a timeout
        ("57P01", About.CONNECTION),  # shut down by an administrator
        ("58030", About.CONNECTION),  # input or output
        ("21000", About.ROW),  # a row twice in one ON CONFLICT DO UPDATE
        ("22003", About.ROW),  # a number out of range
        ("22P05", About.ROW),  # a character that cannot be converted
        ("23505", About.ROW),  # unique violation
        ("54000", About.ROW),  # too long for an index
        ("54001", About.ROW),  # too deep for the stack
        ("42703", About.STATEMENT),  # no such column
        ("0A000", About.STATEMENT),  # not supported
        ("XX000", About.STATEMENT),  # the server's own fault
    ],
)
def test_an_error_is_sorted_by_its_sqlstate(code, expected):
    error = error_of(RAISES.format(code))
    assert (sqlstate(error), about(error)) == (code, expected)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "params"),
    [
        ("SELECT %s::jsonb", ['"\\u0000"']),
        ("SELECT %s::text", ["\x00"]),
        ("SELECT %s::text", ["\ud83d"]),
        ("SELECT %s::smallint", [99_999]),
    ],
)
def test_a_value_that_cannot_be_stored_is_the_rows(statement, params):
    assert about(error_of(statement, *params)) == About.ROW


@pytest.mark.django_db
def test_a_key_too_long_for_its_index_is_the_rows():
    """The driver calls it an OperationalError, as it does a lost connection."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE long_keys (key text PRIMARY KEY)")
    # So mixed that PostgreSQL cannot make it smaller.
    key = "".join(chr(0x4E00 + n * 7_919 % 20_000) for n in range(3_000))
    error = error_of("INSERT INTO long_keys VALUES (%s)", key)
    assert sqlstate(error) == "54000"
    assert about(error) == About.ROW


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_ended_is_waited_for():
    with connection.cursor() as cursor:
        with pytest.raises(DatabaseError) as caught:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        ended = caught.value
        with pytest.raises((DatabaseError, InterfaceError)) as caught:
            cursor.execute("SELECT 1")
    connection.close()
    assert about(ended) == about(caught.value) == About.CONNECTION


def test_a_server_that_is_not_there_is_waited_for():
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect("host=127.0.0.1 port=1 connect_timeout=2")
    assert about(caught.value) == About.CONNECTION
