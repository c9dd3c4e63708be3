"""Rows that all tests of a module begin with: written once, in a transaction of theirs.

What a test does to them is undone with it. By the database's clock it is all the time
when they were written.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from pytest_django import DjangoDbBlocker


@contextmanager
def rows(blocker: DjangoDbBlocker) -> Iterator[None]:
    """For a fixture of a module in which no test commits: write, then yield."""
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
