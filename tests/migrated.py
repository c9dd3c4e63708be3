"""The database as migrations leave it, kept for later runs: the tests' are copies.

Seven seconds of each process are for migrating an empty one.
"""

import hashlib
import os
from pathlib import Path

from django.core.management import call_command

from tests.servers import alone
from tests.upgrade import databases

ROOT = Path(__file__).parents[1]
# What makes the tables, and the rows that are there from the start.
SOURCES = ("*/migrations/*.py", "*/models/*.py", "lemnisk_braze/**/*.py", "uv.lock")
PREFIX = "migrated_"


def template() -> str:
    """The name of a database that is migrated, and that nobody is connected to."""
    name = PREFIX + digest()
    with alone():
        kept = [each for each in databases.names() if each.startswith(PREFIX)]
        if name not in kept:
            for old in kept:
                databases.drop(old)
            _make(name)
    return name


def as_sql() -> str:
    """The same, for another server."""
    copy = f"as_sql_{os.getpid()}"
    # Whoever makes a copy of the template must find nobody in it.
    with databases.database(copy, template()):
        return databases.dump(copy)


def digest() -> str:
    """What is another one where other tables or first rows would be made."""
    digest = hashlib.sha256()
    for path in sorted(path for each in SOURCES for path in ROOT.glob(each)):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:32]


def _make(name: str) -> None:
    """Under its name only when it is whole: a run may be cut short."""
    unfinished = f"{PREFIX}unfinished"
    databases.drop(unfinished)
    databases.create(unfinished)
    with databases.in_use(unfinished):
        call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
    databases.rename(unfinished, name)
