"""`make bench`: servers of its own, a database made anew, the suite, the report."""

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import orjson
import psycopg
from psycopg import sql

from lemnisk_braze.local import embedded

if TYPE_CHECKING:
    from benchmarks.pages_suite import PagesSuite
    from benchmarks.people_suite import PeopleSuite
    from benchmarks.segments_suite import SegmentsSuite
    from benchmarks.suite import Options, Suite

# What is measured, and with how many people where nobody says it.
SUITES = {
    "delivery": (10_000, 100_000, 1_000_000),
    "people": (100_000,),
    "segments": (100_000, 1_000_000),
    "pages": (1_000_000,),
}
DIRECTORY = embedded.VAR_DIR / "bench"
DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
SETTINGS = "SELECT pg_read_file('postgresql.auto.conf')"
# A database that a benchmark fills is never one that somebody named.
OWN = ("DATABASE_URL", "REDIS_URL")


def main() -> int:
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with _alone():
        _start_servers(arguments.migrated, is_tuned=not arguments.stock)
        from lemnisk_braze.local.processes import LocalError

        try:
            _measure(arguments)
        except LocalError as e:
            sys.stderr.write(f"{e}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("\nEnded; nothing was written.\n")
            return 130
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--suite", choices=list(SUITES), default="delivery")
    parser.add_argument("--sizes", type=_numbers)
    parser.add_argument("--workers", type=_numbers, default=(1, 2, 4))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--hold", type=float, default=60)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument(
        "--migrated",
        default="",
        help="a name for the database as migrations leave it: kept, and copied next time",
    )
    parser.add_argument("--plain", action="store_true", help="HTTP without TLS")
    parser.add_argument(
        "--stock",
        action="store_true",
        help="PostgreSQL with its own settings, not those of docs/scaling.md",
    )
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    arguments.sizes = arguments.sizes or SUITES[arguments.suite]
    if arguments.write and arguments.suite != "delivery":
        parser.error("docs/performance.md is written by the suite delivery alone.")
    return arguments


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.replace(",", " ").split())


@contextmanager
def _alone() -> Iterator[None]:
    """Two benchmarks at once would measure each other."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (DIRECTORY / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(
                f"A benchmark is at work in {DIRECTORY} already."
            ) from None
        yield


def _start_servers(migrated: str, *, is_tuned: bool) -> None:
    """Start PostgreSQL and Valkey, empty both, and make Django ready.

    Where there is a database `migrated`, it is copied; else it is made, if it is named.
    `is_tuned`: PostgreSQL has the settings that a site is told to make.
    """
    for name in OWN:
        os.environ.pop(name, None)
    os.environ["VAR_DIR"] = str(DIRECTORY)
    os.environ["DJANGO_SETTINGS_MODULE"] = "lemnisk_braze.settings"
    embedded.ensure(DIRECTORY)
    _set_postgres(is_tuned=is_tuned)
    is_kept = _make_database(migrated)
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    from benchmarks.machine import valkey

    with valkey() as client:
        client.flushall()
    if is_kept:
        return
    call_command("migrate", verbosity=0)
    if migrated:
        connection.close()
        _administer("CREATE DATABASE {} TEMPLATE {}", migrated, embedded.DATABASE)


def _set_postgres(*, is_tuned: bool) -> None:
    """What the benchmark before this one has set already needs no restart."""
    with _administrator() as admin:
        before = admin.execute(SETTINGS).fetchone()
        admin.execute("ALTER SYSTEM RESET ALL")
        for name, value in _tuned().items() if is_tuned else ():
            setting = sql.SQL("ALTER SYSTEM SET {} = {}")
            admin.execute(setting.format(sql.Identifier(name), value))
        is_changed = admin.execute(SETTINGS).fetchone() != before
    if is_changed:
        embedded.restart_postgres(DIRECTORY)


def _tuned() -> dict[str, str]:
    """What docs/scaling.md tells a site to set."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "shared_buffers": f"{memory // 4 // 2**20}MB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
    }


def _make_database(migrated: str) -> bool:
    """Make the database anew; whether it is the copy of a migrated one."""
    _administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", embedded.DATABASE)
    with _administrator() as admin:
        found = admin.execute("SELECT datname FROM pg_database").fetchall()
    is_kept = (migrated,) in found
    template = migrated if is_kept else "template1"
    _administer("CREATE DATABASE {} TEMPLATE {}", embedded.DATABASE, template)
    return is_kept


def _administer(statement: LiteralString, *names: str) -> None:
    with _administrator() as admin:
        admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _administrator() -> psycopg.Connection:
    url = os.environ["DATABASE_URL"]
    return psycopg.connect(url, dbname="postgres", autocommit=True)


def _measure(arguments: argparse.Namespace) -> None:
    from benchmarks import bench, figures, machine, report
    from benchmarks.suite import say
    from lemnisk_braze.local.processes import free_port

    found = machine.describe()
    say("\n".join([*found.lines(), found.warning()]))
    with bench.start(free_port(18_700), is_plain=arguments.plain) as ground:
        suite = _suite(arguments.suite).prepare(
            ground, _options(arguments), _Keeper(found.to_dict())
        )
        suite.run()
    made = suite.tables()
    say("\n".join(table.text() for table in made))
    command = _command(arguments)
    if arguments.json:
        figures.write(arguments.json, suite.figures(), command)
        say(f"\nWritten: {arguments.json}")
    if arguments.write:
        text = report.document(command, found, made, is_plain=arguments.plain)
        DOCUMENT.write_text(text)
        say(f"\nWritten: {DOCUMENT}")


def _suite(name: str) -> "type[Suite | PeopleSuite | SegmentsSuite | PagesSuite]":
    from benchmarks.pages_suite import PagesSuite
    from benchmarks.people_suite import PeopleSuite
    from benchmarks.segments_suite import SegmentsSuite
    from benchmarks.suite import Suite

    return {
        "delivery": Suite,
        "people": PeopleSuite,
        "segments": SegmentsSuite,
        "pages": PagesSuite,
    }[name]


def _options(arguments: argparse.Namespace) -> "Options":
    from benchmarks.suite import Options

    return Options(
        sizes=arguments.sizes,
        workers=arguments.workers,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        hold=arguments.hold,
    )


class _Keeper:
    """Adds each result to results.jsonl as it comes."""

    def __init__(self, machine: dict[str, object]) -> None:
        self.start = {"at": datetime.now(UTC).isoformat(), "machine": machine}

    def __call__(self, result: dict[str, Any]) -> None:
        with (DIRECTORY / "results.jsonl").open("ab") as file:
            file.write(orjson.dumps({**self.start, **result}) + b"\n")


def _command(arguments: argparse.Namespace) -> str:
    """The make command that measures this again."""
    told = {
        "SUITE": arguments.suite,
        "SIZES": " ".join(map(str, arguments.sizes)),
        "WORKERS": " ".join(map(str, arguments.workers)),
        "ROUNDS": str(arguments.rounds),
        "SECONDS": f"{arguments.seconds:g}",
        "HOLD": f"{arguments.hold:g}",
        **({"PLAIN": "1"} if arguments.plain else {}),
        **({"STOCK": "1"} if arguments.stock else {}),
    }
    return " ".join(["make bench", *(f'{name}="{told[name]}"' for name in told)])


def _interrupt(number: int, frame: object) -> None:
    # Once is enough: a second Ctrl-C must not stop the stopping.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
