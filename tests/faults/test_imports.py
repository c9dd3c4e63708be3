"""Imports under kill -9 and a database that restarts: each row comes in once."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db.models import Sum

from lemnisk_braze.lib import database_clock
from segments.imports import lifecycle, runner, storing
from segments.imports.mapping.messages import ColumnUse, Plan
from segments.models import (
    Event,
    Import,
    IntakeMinute,
    Profile,
    Seen,
    WatchedFolder,
)
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.segments.imports.conftest import folder, work
from tests.waiting import wait_until

__all__ = ["folder"]

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 20_000
PLAN = Plan(
    columns=(
        ColumnUse(to="external_id"),
        ColumnUse(to="property", name="row", type="number"),
        ColumnUse(to="time", type="date_ymd"),
    ),
    makes="events",
    event="Bought",
)

PEOPLE = Plan(
    columns=(
        ColumnUse(to="external_id"),
        ColumnUse(to="attribute", name="row", type="number"),
        ColumnUse(to="attribute", name="at"),
    ),
)


def start(*, people: bool = False) -> Import:
    """Let a worker have an import of so many events of a tenth as many people.

    `people`: of as many people instead.
    """
    each = ROWS if people else ROWS // 10
    lines = (f"u{n % each},{n},2026-01-31\n" for n in range(ROWS))
    taken = storing.take("events.csv", [b"id,row,at\n", "".join(lines).encode()])
    storing.begin(taken)
    work(taken)
    plan = PEOPLE if people else PLAN
    assert lifecycle.start_unchecked(taken, plan, factories.make_source())
    return taken


def read(imported) -> int:
    return Import.objects.values_list("read", flat=True).get(pk=imported.pk)


def let_leases_end() -> None:
    """As if so long had passed: nobody waits a minute here."""
    past = database_clock.now() - timedelta(seconds=1)
    Import.objects.filter(held_until__gt=past).update(held_until=past)
    runner.wake_waiting()


def is_done(imported) -> bool:
    imported.refresh_from_db()
    assert imported.state != Import.State.FAILED, imported.problem
    return bool(imported.state == Import.State.DONE)


def check_each_row_came_once() -> None:
    rows = Counter(Event.objects.values_list("properties__row", flat=True))
    assert rows == Counter(range(ROWS))
    assert Profile.objects.count() == ROWS // 10


def test_a_worker_killed_in_the_middle_of_an_import(transactional_db, settings):
    imported = start()
    for part in (1, 2):
        with worker(IMPORT_DIR=str(settings.IMPORT_DIR)) as killed:
            runner.wake_waiting()
            wait_until(
                lambda aim=part * ROWS // 4: read(imported) >= aim,
                "the next part of the file",
                120,
            )
            killed.kill()
        assert read(imported) < ROWS, "it was killed in the middle"
        let_leases_end()
    with worker(IMPORT_DIR=str(settings.IMPORT_DIR)), beat(TICK_SECONDS="1"):
        wait_until(lambda: is_done(imported), "the end of the import", 180)
    check_each_row_came_once()


def test_a_worker_killed_in_the_middle_of_an_import_of_people(
    transactional_db, settings
):
    """No list of those that were seen tells its rows: each is counted once all the same."""
    imported = start(people=True)
    with worker(IMPORT_DIR=str(settings.IMPORT_DIR)) as killed:
        runner.wake_waiting()
        wait_until(lambda: read(imported) >= ROWS // 4, "a part of the file")
        killed.kill()
    assert read(imported) < ROWS, "it was killed in the middle"
    let_leases_end()
    with worker(IMPORT_DIR=str(settings.IMPORT_DIR)), beat(TICK_SECONDS="1"):
        wait_until(lambda: is_done(imported), "the end of the import", 180)
    assert Profile.objects.count() == ROWS
    assert not Seen.objects.exists()
    counted = IntakeMinute.objects.aggregate(rows=Sum("applied"))
    assert counted == {"rows": ROWS}


def test_a_database_that_restarts_in_the_middle_of_an_import(postgres, settings):
    imported = start()
    with worker(IMPORT_DIR=str(settings.IMPORT_DIR)), beat(TICK_SECONDS="1"):
        for part in (1, 2):
            wait_until(
                lambda aim=part * ROWS // 4: read(imported) >= aim,
                "the next part of the file",
                120,
            )
            postgres.restart()
            let_leases_end()
        wait_until(lambda: is_done(imported), "the end of the import", 180)
    check_each_row_came_once()


def test_a_worker_takes_a_file_from_a_watched_folder(
    transactional_db, settings, tmp_path
):
    drop = tmp_path / "drop"
    drop.mkdir()
    settings.IMPORT_FROM = [str(tmp_path)]
    WatchedFolder.objects.create(
        name="Drop", path=str(drop), source=factories.make_source()
    )
    environment = {
        "IMPORT_FROM": str(tmp_path),
        "IMPORT_DIR": str(settings.IMPORT_DIR),
        "TICK_SECONDS": "1",
    }
    with worker(**environment), beat(**environment):
        (drop / "people.csv.part").write_text("id,city\nu1,Ulm\n")
        (drop / "people.csv.part").rename(drop / "people.csv")
        done = drop / "done" / "people.csv"
        wait_until(done.exists, "the file in the folder “done”")
    assert Profile.objects.get().attributes == {"city": "Ulm"}
