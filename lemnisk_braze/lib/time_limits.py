"""What somebody waits for takes the database only so long."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

from lemnisk_braze.lib.database_errors import TOO_LONG, sqlstate


@contextmanager
def at_most(milliseconds: int) -> Iterator[None]:
    """Give up, without an error, on a block with a statement that takes longer."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds:d}")
            yield
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    except OperationalError as e:
        if sqlstate(e) != TOO_LONG:
            raise
