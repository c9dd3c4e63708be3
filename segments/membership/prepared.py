"""Statements that are planned once for each session, and not for each few people.

To plan all rules takes PostgreSQL longer than to ask them of six people. Only where a
session stays the process's own: behind a pooler each transaction may have another one.
https://www.postgresql.org/docs/current/sql-prepare.html
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

# So many are kept by each session: one of 400 rules takes 13 MB of it. One is prepared
# when it comes again while so many others are remembered.
MOST = 8
REMEMBERED = 64
# In seconds: then it is planned anew, by how large the tables are. PostgreSQL itself does
# that when it has analyzed them, a minute after somebody filled a segment.
FRESH = 5.0


class _Known:
    """What a session has: text → its name, or none where it came once.

    `count`: how many there were; `made`: when.
    """

    def __init__(self) -> None:
        self.texts: OrderedDict[str, str] = OrderedDict()
        self.made: dict[str, float] = {}
        self.count = 0


_of: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()


def rows(write: Callable[[str], str], ids: str) -> list[tuple[Any, ...]]:
    """What a statement finds, in a transaction; `ids`: an array of people, as a text.

    `write` makes it, by SQL of the array. The people are few, and the plan is the same
    for all of them where `plan_cache_mode` says so.
    """
    with connection.cursor() as cursor:
        name = _name(cursor, write("$1"))
        statement = f"EXECUTE {name} ('{ids}')" if name else write(f"'{ids}'::bigint[]")
        cursor.execute(statement)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _name(cursor: Any, statement: str) -> str:
    """The name that it is prepared by in this session; "" where it is not."""
    if connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        return ""
    connection.ensure_connection()
    known = _of.setdefault(connection.connection, _Known())
    name = known.texts.pop(statement, None)
    if name and time.monotonic() > known.made[name] + FRESH:
        name = _drop(cursor, known, name)
    if name == "":
        name = f"few_{known.count}"
        known.count += 1
        cursor.execute(f"PREPARE {name} (bigint[]) AS {statement}")
        known.made[name] = time.monotonic()
    known.texts[statement] = name or ""
    _forget(cursor, known)
    return name or ""


def _forget(cursor: Any, known: _Known) -> None:
    names = [text for text, name in known.texts.items() if name]
    for text in names[: max(len(names) - MOST, 0)]:
        _drop(cursor, known, known.texts.pop(text))
    while len(known.texts) > REMEMBERED:
        text = next(text for text, name in known.texts.items() if not name)
        del known.texts[text]


def _drop(cursor: Any, known: _Known, name: str) -> str:
    del known.made[name]
    cursor.execute(f"DEALLOCATE {name}")
    return ""
