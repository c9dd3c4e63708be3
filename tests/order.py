"""In which order the tests run, where several processes share them.

Each begins with a part of the list, as long as the others', and who is done takes over
from the end of another's. Tests that commit mostly wait: for a browser, for workers, for
a lease to end. The others compute. So both kinds run beside each other from the first to
the last, on half as many processes again as there are cores; and what is computed in a
transaction is mostly done before a test commits in the same database.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pytest

BROWSER = Path(__file__).with_name("browser")


def commits(item: pytest.Item) -> bool:
    """Whether what it writes is there for others, and deleted afterwards."""
    database = item.get_closest_marker("django_db")
    if database is not None and database.kwargs.get("transaction"):
        return True
    return bool({"live_server", "transactional_db"} & fixtures(item))


def fixtures(item: pytest.Item) -> set[str]:
    """The names of all that it asks for, itself or by another fixture."""
    return set(getattr(item, "fixturenames", ()))


def arrange(items: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """All but one of the processes begin with what waits, one with the rest.

    The browser's tests one after the other: it ends with the last before another
    folder's.
    """
    waiting = sorted(
        filter(commits, items), key=lambda it: BROWSER not in it.path.parents
    )
    rest = [item for item in items if not commits(item)]
    found: list[pytest.Item] = []
    for number, share in enumerate(_dealt(waiting, processes - 1)):
        # As xdist will cut it.
        part = (len(items) - len(found)) // (processes - number)
        room = max(part - len(share), 0)
        found += share + rest[:room]
        del rest[:room]
    return found + rest if processes > 1 else rest + waiting


def _dealt(items: Sequence[pytest.Item], shares: int) -> list[list[pytest.Item]]:
    """The modules one by one, to each in turn."""
    found: list[list[pytest.Item]] = [[] for _ in range(shares)]
    modules = groupby(items, key=lambda item: item.path)
    for number, (_, tests) in enumerate(modules if shares else ()):
        found[number % shares] += tests
    return found
