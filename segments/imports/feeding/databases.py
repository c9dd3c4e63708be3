"""A query's rows as lines of JSON, a batch at a time, over Arrow.

The connection only reads: its transaction says so where the database has such, and its
statement ends after SQL_SECONDS. What holds against a hostile query is the role that the
address signs in with: give it nothing but SELECT.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any

from django.conf import settings

from segments.imports.feeding import address, watermark
from segments.imports.reading import arrow
from segments.models import SourceQuery, stored

Kind = SourceQuery.Kind
# In bytes of one batch, as far as a driver can be told; and in rows.
BATCH_BYTES, BATCH_ROWS = 1 << 20, 2_000
MISSING = (
    "This server cannot read from {}: its driver is not installed (the extra “{}”)."
)


class QueryError(Exception):
    """The database did not give the rows; the message says why."""


class Rows:
    """The rows of a statement; `largest`: of the watermark's column, so far."""

    def __init__(self, batches: Iterator[Any], column: str, seconds: int) -> None:
        self._batches, self._column, self._seconds = batches, column, seconds
        self.count = 0
        self.largest: Any = None

    def lines(self) -> Iterator[bytes]:
        """A batch's rows as JSON Lines. Raises QueryError."""
        ends = time.monotonic() + self._seconds
        for batch in self._read():
            names = batch.schema.names
            if len(set(names)) < len(names):
                raise QueryError("Two columns of the query have the same name.")
            if self._column and self._column not in names:
                raise QueryError(f"The query has no column “{self._column}”.")
            columns = [_values(batch, index) for index in range(len(names))]
            if self._column:
                found = watermark.largest(_known(columns[names.index(self._column)]))
                self.largest = watermark.largest([self.largest, found])
            self.count += batch.num_rows
            if self.count > settings.SQL_MAX_ROWS:
                raise QueryError(
                    f"The query gives more than {settings.SQL_MAX_ROWS:,} rows"
                    " (SQL_MAX_ROWS). Ask for fewer."
                )
            if time.monotonic() > ends:
                raise QueryError(f"It took over {self._seconds} seconds.")
            rows = zip(*(map(arrow.plain, column) for column in columns), strict=True)
            lines = (stored.write(dict(zip(names, row, strict=True))) for row in rows)
            yield "".join(f"{line}\n" for line in lines).encode()

    def _read(self) -> Iterator[Any]:
        """The batches. While it reads, Arrow's own errors say what the driver said."""
        while True:
            try:
                batch = next(self._batches, None)
            except Exception as e:
                raise QueryError(in_words(e)) from e
            if batch is None:
                return
            yield batch


@contextmanager
def opened(
    kind: str, dsn: str, statement: str, column: str, *, seconds: int | None = None
) -> Iterator[Rows]:
    """Ask the database, for at most so many `seconds` (by default SQL_SECONDS).

    Raises QueryError, and AddressError as the guard does.
    """
    longest = seconds or settings.SQL_SECONDS
    target = address.dialled(kind, dsn)
    open_ = _OPENERS[kind]
    try:
        with open_(target, statement, longest) as batches:
            yield Rows(batches, column, longest)
    except ImportError as e:
        label = SourceQuery.Kind(kind).label.removesuffix(" (untested)")
        raise QueryError(MISSING.format(label, kind)) from e
    except Exception as e:
        if type(e).__module__.split(".")[0] not in _DRIVERS:
            raise
        raise QueryError(in_words(e, dsn, target)) from e


@contextmanager
def _postgresql(target: str, statement: str, seconds: int) -> Iterator[Iterator[Any]]:
    from adbc_driver_postgresql import StatementOptions, dbapi

    with (
        closing(dbapi.connect(target)) as connection,
        closing(connection.cursor()) as cursor,
    ):
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(f"SET LOCAL statement_timeout = '{seconds}s'")
        hint = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)}
        cursor.adbc_statement.set_options(**hint)
        cursor.execute(statement)
        yield iter(cursor.fetch_record_batch())


@contextmanager
def _duckdb(target: str, statement: str, seconds: int) -> Iterator[Iterator[Any]]:
    import threading

    import duckdb

    # Of files and networks it reads its own alone, and installs nothing.
    config: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "memory_limit": "512MB",
        "threads": "1",
        "TimeZone": "UTC",
    }
    with closing(duckdb.connect(target, read_only=True, config=config)) as connection:
        connection.execute("SET lock_configuration = true")
        watch = threading.Timer(seconds, connection.interrupt)
        watch.daemon = True
        watch.start()
        try:
            relation = connection.sql(statement)
            yield iter(relation.to_arrow_reader(BATCH_ROWS))
        finally:
            watch.cancel()


def _by_adbc(module: str) -> Callable[[str, str, int], Any]:
    """Vendors whose drivers speak ADBC; not tested here."""

    @contextmanager
    def open_(target: str, statement: str, seconds: int) -> Iterator[Iterator[Any]]:
        from importlib import import_module

        driver = import_module(f"{module}.dbapi")
        with (
            closing(driver.connect(target)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute(statement)
            yield iter(cursor.fetch_record_batch())

    return open_


_OPENERS: Mapping[str, Callable[[str, str, int], Any]] = {
    Kind.POSTGRESQL: _postgresql,
    Kind.DUCKDB: _duckdb,
    Kind.SNOWFLAKE: _by_adbc("adbc_driver_snowflake"),
    Kind.BIGQUERY: _by_adbc("adbc_driver_bigquery"),
    Kind.FLIGHT_SQL: _by_adbc("adbc_driver_flightsql"),
}
_DRIVERS = {
    "adbc_driver_manager",
    "adbc_driver_postgresql",
    "adbc_driver_snowflake",
    "adbc_driver_bigquery",
    "adbc_driver_flightsql",
    "_duckdb",
    "duckdb",
    "pyarrow",
}


def _values(batch: Any, index: int) -> list[Any]:
    """A column's values; PostgreSQL's own types come as texts, with their names."""
    column, field = batch.column(index), batch.schema.field(index)
    name = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    if getattr(field.type, "type_name", ""):
        column = column.storage
        if name != "numeric" and str(column.type) == "binary":
            raise QueryError(
                f"The column “{field.name}” has the type {name}. Write"
                f" {field.name}::text in the query."
            )
    values = arrow.values(column)
    read = {"numeric": _number, "json": stored.read, "jsonb": stored.read}.get(name)
    if read is None:
        return values
    return [None if value is None else read(value) for value in values]


def _number(text: str) -> Decimal | None:
    number = Decimal(text)
    return number if number.is_finite() else None


def _known(values: Iterable[Any]) -> Iterator[Any]:
    """Those that a watermark can be: what has no value in Python has no order either."""
    return (value for value in values if value.__class__ is not arrow.Odd)


def in_words(error: Exception, *secrets: str) -> str:
    """The first lines of what a driver says, without the address that was given to it."""
    said = " ".join(str(error).split())
    for secret in secrets:
        said = said.replace(secret, "…")
    return said[:500] or type(error).__name__
