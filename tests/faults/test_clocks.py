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
from lemnisk_braze.templatetags import clock
from tests import factories
from tests.doubles.celery_processes import beat, off, worker
from tests.doubles.nursery import ROOT
from tests.faults import working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

HOURS = 2 * 3_600
# Only measured.
NO_DECISION = {
    # As long before this clock's time as it was before the database's.
    "lemnisk_braze/templatetags/clock.py: "
    "return str(naturaltime(timezone.now() - (database_clock.reckoned() - at)))",
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


@pytest.mark.parametrize("seconds", [HOURS, -HOURS])
def test_how_long_ago_something_was_is_told_by_the_database(seconds):
    with time_machine.travel(time.time() + seconds):
        now = database_clock.now()
        assert clock.ago(now - timedelta(minutes=5, seconds=1)) == "5\xa0minutes ago"
        engagement = factories.make_engagement()
        api = engagement.version.external_api
        made = (engagement, api, api.current_version, engagement.version.connection)
        for row in made:
            assert now <= row.created_at <= database_clock.now()
            row.save()
            row.refresh_from_db()
            assert now <= row.created_at <= database_clock.now()


@pytest.mark.parametrize("seconds", [HOURS, -HOURS])
def test_a_segment_s_page_says_by_it_when_it_was_counted(admin_client, seconds):
    segment = factories.make_segment(1, refreshed_at=database_clock.now())
    with time_machine.travel(time.time() + seconds):
        database_clock.now()
        page = admin_client.get(segment.get_absolute_url()).text
    counted = re.search(
        r"Counted</dt>\s*<dd>\s*<strong>\s*<time[^>]*>([^<]+)</time>", page
    )
    assert counted and (counted[1] == "now" or "second" in counted[1])


def test_no_page_reckons_from_the_wall_clock():
    """Django's own filters do: there is `ago` for it."""
    wall_clock = re.compile(r"\|(naturaltime|timesince|timeuntil)\b|{% now\b")
    found = [
        path.relative_to(ROOT).as_posix()
        for app in ("engagements", "segments", "externalapi", "lemnisk_braze")
        for path in (ROOT / app).rglob("*.html")
        if wall_clock.search(path.read_text())
    ]
    assert found == []


def test_nothing_that_decides_reads_the_wall_clock():
    """Whoever needs the time asks the database (lemnisk_braze.lib.database_clock)."""
    wall_clock = re.compile(
        r"timezone\.now\(|datetime\.(now|utcnow|today)\(|date\.today\(|localdate\("
        r"|\btime\.time(_ns)?\(|auto_now(_add)?="
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
