"""A PostgreSQL and a Valkey for the tests, started before Django reads its settings."""

import fcntl
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from lemnisk_braze.local import embedded

# What all processes of a run share, and later runs as well.
SHARED = Path(os.environ.setdefault("TESTS_SHARED_DIR", str(embedded.VAR_DIR)))

# Else they are somebody's, where nothing is kept.
IS_OURS = not os.environ.get("DATABASE_URL") or "TESTS_OWN_SERVER" in os.environ

if process := os.environ.get("PYTEST_XDIST_WORKER"):
    # The servers run: it has a database, a part of the broker and a folder of its own.
    var = SHARED / "tests" / process
    os.environ["REDIS_PREFIX"] = f"tests-{process}:"
else:
    var = SHARED / "tests"
    embedded.ensure(var)
    if IS_OURS:
        os.environ["TESTS_OWN_SERVER"] = "1"
        # The machine under it does not crash: each COMMIT would wait for the disk. And
        # what autovacuum sees here is mostly rolled back a moment later: it would note
        # tables as empty that are not, and plans would follow it.
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
            database.execute("ALTER SYSTEM SET fsync = off")
            database.execute("ALTER SYSTEM SET autovacuum = off")
            database.execute("SELECT pg_reload_conf()")
var.mkdir(parents=True, exist_ok=True)
os.environ["VAR_DIR"] = str(var)
# The live server's threads must not hold the test database after the last test.
os.environ["CONN_MAX_AGE"] = "0"
# Containers often turn this off; compiling all modules is most of a worker's start.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""
sys.dont_write_bytecode = False


# Next to nothing that is made until the first test is garbage (tests/conftest.py).
gc.disable()


@contextmanager
def alone() -> Iterator[None]:
    """One process of the run after another: for what the first fetches for all."""
    with (SHARED / "fetching.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
