"""Machines whose wall clocks are wrong: only the database's counts."""

import re
import time
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache

from engagements.lifecycle import transitions
from engagements.models import Destination, Engagement, Sample, Worker
from engagements.operations import status
from externalapi.answers import interpretation
from externalapi.http.client import Answer
from lemnisk_braze.lib import database_clock
from tests.doubles.celery_processes import beat, off, worker
from tests.doubles.nursery import ROOT
from tests.faults import working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

HOURS = 2 * 3_600
# Only measured.
NO_DECISION = {
    "engagements/outbox/workers.py: asked = time.time()",
    "engagements/outbox/workers.py: took = time.time() - asked",
}


@pytest.mark.parametrize("seconds", [HOURS, -HOURS])
def test_a_schedule_keeps_the_time_of_the_database(draft, sandbox, seconds):
    now = database_clock.now()
    daily = Engagement.Repeat.DAILY
    later = draft(3, starts_at=now + timedelta(hours=1), repeat=daily)
    soon = draft(3, starts_at=now + timedelta(seconds=2), repeat=daily)
    for engagement in (later, soon):
        transitions.activate(engagement)

    with off(seconds), beat():
        wait_until(lambda: working.is_over(soon), "the run that is due")

    assert working.states(soon) == {"sent": 3}
    assert not later.runs.exists()


@pytest.mark.parametrize("seconds", [-20, -HOURS, HOURS])
def test_no_tick_is_dropped_for_its_age(db, seconds):
    with worker(), off(seconds, beat):
        wait_until(Sample.objects.exists, "a tick", 20)


@pytest.mark.parametrize("seconds", [HOURS, -HOURS])
def test_a_window_ends_when_the_other_side_says(draft, sandbox, seconds):
    engagement = draft(3)
    reset = database_clock.now() + timedelta(seconds=25)
    headers = {
        "X-RateLimit-Limit": "50000",
        "X-RateLimit-Remaining": "9",
        "X-RateLimit-Reset": f"{reset.timestamp():.0f}",
    }
    taken = {"kind": "status", "status": 201, "body": '{"message": "success"}'}
    sandbox.faults([{**taken, "headers": headers}])
    transitions.activate(engagement)
    with off(seconds), beat():
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    until = Destination.objects.get().left_until
    assert abs(until - reset) < timedelta(seconds=2)


@pytest.mark.parametrize("seconds", [HOURS, -HOURS, 7])
def test_a_clock_that_is_off_is_an_alarm(draft, sandbox, client, seconds):
    engagement = draft(3)
    transitions.activate(engagement)
    with off(seconds), beat():
        wait_until(lambda: working.is_over(engagement), "the end of the run")
        found = status.read()

    measured = Worker.objects.values_list("clock_ahead", flat=True)
    assert max(abs(ahead - seconds) for ahead in measured) < 4
    (alarm,) = [alarm for alarm in found.alarms if alarm.name == "clock"]
    assert found.workers[0].node in alarm.text
    assert ("behind" in alarm.text) == (seconds < 0)
    cache.clear()
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert "clock" in answer.json()["alarms"]
    assert abs(answer.json()["clock_ahead_seconds"] - seconds) < 4


def test_a_clock_that_is_right_is_none(draft, sandbox):
    engagement = draft(3)
    transitions.activate(engagement)
    with worker(), beat():
        wait_until(lambda: working.is_over(engagement), "the end of the run")
        found = status.read()

    assert found.workers
    assert "clock" not in {alarm.name for alarm in found.alarms}


@pytest.mark.parametrize("seconds", [HOURS, -HOURS])
def test_an_answer_without_a_date_is_read_by_the_database_clock(db, seconds):
    reset = database_clock.now() + timedelta(seconds=25)
    header = f"{reset.timestamp():.0f}"
    answer = Answer(status=429, headers={"x-ratelimit-reset": header}, body=b"")
    with time_machine.travel(time.time() + seconds):
        verdict = interpretation.read(answer)

    assert 23 < verdict.wait_seconds < 26


def test_nothing_that_decides_reads_the_wall_clock():
    """Whoever needs the time asks the database (lemnisk_braze.lib.database_clock)."""
    wall_clock = re.compile(
        r"timezone\.now\(|datetime\.(now|utcnow|today)\(|date\.today\(|localdate\("
        r"|\btime\.time(_ns)?\(|auto_now="
    )
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for app in ("engagements", "segments", "externalapi", "lemnisk_braze")
        for path in (ROOT / app).rglob("*.py")
        if not {"migrations", "sandbox", "demo"} & set(path.parts)
        for line in path.read_text().splitlines()
        if wall_clock.search(line)
    }
    assert found <= NO_DECISION
