"""A database that is lost at the moment it is asked."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def losing_the_database() -> Iterator[None]:
    """The next statement finds its cursor closed: an InterfaceError, without a code."""

    def lose(execute, sql, params, many, context):
        context["cursor"].close()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(lose):
        yield
