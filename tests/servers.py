"""A PostgreSQL and a Valkey for the tests, started before Django reads its settings."""

import os

from lemnisk_braze.local import embedded

embedded.ensure(embedded.VAR_DIR / "tests")
os.environ["VAR_DIR"] = str(embedded.VAR_DIR / "tests")
# The live server's threads must not hold the test database after the last test.
os.environ["CONN_MAX_AGE"] = "0"
# With pytest -n each process has a database of its own, and its own part of the broker.
if process := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["REDIS_PREFIX"] = f"tests-{process}:"
