"""A database that is lost at the moment it is asked."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def losing_the_database(at: str = "") -> Iterator[None]:
    """The next statement finds its cursor closed: an InterfaceError, without a code.

    `at`: the next statements that have this in them, and no others.
    """

    def lose(execute, sql, params, many, context):
        if at in sql:
            context["cursor"].close()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(lose):
        yield
