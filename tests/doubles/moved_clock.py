"""The database's clock, set by a test: for every session that begins while it is.

PostgreSQL's own functions of the time are found behind others of their names, which add
what stands in a row. So a week passes for all processes at once, with nothing of ours
patched: the database's clock is the only one that decides.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection

from lemnisk_braze.lib import database_clock

FUNCTIONS = {
    "now": "STABLE",
    "transaction_timestamp": "STABLE",
    "statement_timestamp": "STABLE",
    "clock_timestamp": "VOLATILE",
}
MAKE = "\n".join(
    [
        "CREATE SCHEMA moved_clock;"
        "CREATE TABLE moved_clock.ahead AS SELECT interval '0' AS by;",
        *(
            f"CREATE FUNCTION moved_clock.{name}() RETURNS timestamptz"
            f" LANGUAGE sql {volatility} PARALLEL SAFE AS"
            f" 'SELECT pg_catalog.{name}() + by FROM moved_clock.ahead';"
            for name, volatility in FUNCTIONS.items()
        ),
    ]
)
# Behind the tables, so that new ones are where they belong.
PATH = "public, moved_clock, pg_catalog"
SET = "UPDATE moved_clock.ahead SET by = %s - pg_catalog.clock_timestamp()"
# A default was bound to its function when its column was made.
DEFAULTS = """
    SELECT d.adrelid::regclass::text, quote_ident(a.attname),
        pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attrdef d
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE a.attgenerated = ''
"""
_CALL = re.compile(rf"\b({'|'.join(FUNCTIONS)})\(\)")


class MovedClock:
    """What the clock shows is said with `set`; from then on it goes."""

    def set(self, at: datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute(SET, [at])
        database_clock.now()


@contextmanager
def moved_clock() -> Iterator[MovedClock]:
    """Processes that ask the database begin and end within the block."""
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(MAKE)
        cursor.execute(DEFAULTS)
        defaults = [row for row in cursor.fetchall() if _CALL.search(row[2])]
        for table, column, default in defaults:
            _set_default(table, column, _CALL.sub(r"moved_clock.\1()", default))
        cursor.execute(f"ALTER DATABASE {database} SET search_path = {PATH}")
    connection.close()
    try:
        yield MovedClock()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '30s'")
            cursor.execute("SET search_path = public")
            for table, column, default in defaults:
                _set_default(table, column, default)
            cursor.execute("DROP SCHEMA moved_clock CASCADE")
            cursor.execute(f"ALTER DATABASE {database} RESET search_path")
        connection.close()
        # What this process reckons with is the clock's own time again.
        database_clock.now()


def _set_default(table: str, column: str, default: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default}"
        )
