"""Whose turn a piece of the tick's work is; one that fails keeps no other waiting."""

import re
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now

from engagements import chores, tick
from engagements.models import Chore, Engagement, Sample
from engagements.operations import status
from lemnisk_braze.lib import database_clock
from segments.ingest import inbox
from segments.models import InboxRequest, Segment
from segments.models.signals import segments_changed
from tests import factories
from tests.faults import working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

RULE = {"attribute": "first_name", "is": "equals", "value": "Ann"}
ANN = {
    "userId": "2",
    "traits": {"first_name": "Ann"},
    "timestamp": "2026-01-01T00:00:00Z",
}


def fail() -> None:
    raise ValueError("ann@example.com is in the way")


def alarms() -> dict[str, str]:
    return {alarm.name: alarm.text for alarm in status.read().alarms}


def test_one_worker_at_a_time_has_its_turn():
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert may_end.wait(20)

    with working.in_thread(lambda: chores.do("sweep", work)):
        assert begun.wait(20)
        assert not chores.do("sweep", fail)
        assert chores.do("dust", lambda: None)
        may_end.set()
    assert chores.do("sweep", lambda: None)


def test_who_lives_keeps_it_longer_than_a_lease(settings):
    settings.TICK_SECONDS = 0.3
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert may_end.wait(20)

    with working.in_thread(lambda: chores.do("sweep", work)):
        assert begun.wait(20)
        first_until = Chore.objects.get().held_until
        wait_until(lambda: database_clock.now() > first_until, "the first lease's end")
        assert not chores.do("sweep", fail)
        may_end.set()


def test_what_a_late_one_writes_is_no_news():
    """Its lease ran out, another took over: the turn is not the late one's to end."""

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE engagements_chore SET token = token + 1")

    assert chores.do("sweep", work)
    assert Chore.objects.get().held_until is not None


def test_an_error_is_an_alarm_until_it_is_over_and_tells_nothing_of_people():
    tick.tick()
    assert chores.do("sweep", fail)

    found = alarms()
    assert "cannot sweep" in found["chore"] and "ValueError" in found["chore"]
    assert "ann@" not in found["chore"]

    assert chores.do("sweep", lambda: None)
    assert alarms() == {}


def test_who_tries_for_minutes_and_never_ends_is_an_alarm():
    tick.tick()
    Chore.objects.filter(name="start due runs").update(
        trying_since=working.ago(minutes=4)
    )
    assert "cannot start due runs" in alarms()["chore"]


def rename(table: str, to: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {to}")


@pytest.mark.parametrize("broken", ["engagements_destination", "segments_inboxmessage"])
def test_a_step_that_fails_does_not_stop_the_others(broken):
    """As after a half migration: one table is not what the code expects."""
    segment = factories.make_segment(3)
    Segment.objects.update(refreshed_at=None, rule=RULE)
    engagement = factories.make_engagement(
        segment,
        trigger=Engagement.Trigger.SCHEDULE,
        state=Engagement.State.ACTIVE,
        activated_at=database_clock.now(),
    )
    rename(broken, "elsewhere")
    try:
        assert tick.tick()
    finally:
        rename("elsewhere", broken)

    assert Chore.objects.exclude(problem="").count() == 1
    assert engagement.runs.count() == 1
    assert Segment.objects.get().refreshed_at
    assert Sample.objects.count() == 1
    tick.tick()
    assert not Chore.objects.exclude(problem="").exists()


def test_ticks_that_stood_in_line_find_it_done(settings):
    """Of a hundred of beat's that no worker came to, one does the work."""
    assert [tick.tick_if_late(0.5) for _ in range(5)] == [True, *[False] * 4]
    assert Sample.objects.count() == 1


def test_what_comes_in_waits_for_one_piece_of_the_work():
    """Others may have something long in hand: whoever ticks is then the only one."""
    factories.make_profile(first_name="Ann")
    source = factories.make_source()
    for name in ("First", "Second", "Third"):
        factories.make_segment(name=name, rule=RULE, refreshed_at=None)
    waiting: list[int] = []

    def note(**kwargs: object) -> None:
        waiting.append(InboxRequest.objects.count())
        if len(waiting) == 1:
            inbox.append(source, [("1", "identify", ANN)])
            # So long that nobody else can have it in hand.
            InboxRequest.objects.update(received_at=Now() - timedelta(seconds=5))

    segments_changed.connect(note)
    try:
        tick.tick()
    finally:
        segments_changed.disconnect(note)
    # Of the first count, of the message, and of the two other counts.
    assert waiting == [0, 0, 0, 0]
    assert set(Segment.objects.values_list("size", flat=True)) == {2}


def test_nothing_is_held_by_a_session():
    """A pooler may give each transaction another one: locks and settings are its own."""
    held = re.compile(
        r"pg_(try_)?advisory_lock|pg_advisory_unlock|\bLISTEN\b|\bPREPARE\b"
        r"|[\"';]\s*SET (?!LOCAL)[a-z_]+ *(=|TO)|set_config\([^)]*false\)"
    )
    root = Path(__file__).parents[2]
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for app in ("engagements", "segments", "externalapi", "lemnisk_braze")
        for path in (root / app).rglob("*.py")
        for line in path.read_text().splitlines()
        if held.search(line)
    ]
    # DuckDB's connection is opened for one query, and no pooler's.
    # Where a pooler is, nothing is prepared (tests/segments/membership/test_moves.py).
    assert sorted(found) == [
        "segments/imports/feeding/databases.py: "
        'connection.execute("SET lock_configuration = true")',
        "segments/membership/prepared.py: "
        'cursor.execute(f"PREPARE {name} (bigint[]) AS {statement}")',
    ]
