from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from engagements.models import Engagement, Run
from engagements.schedule import make_due_runs, newest_slot, next_slot
from tests import factories

BERLIN = ZoneInfo("Europe/Berlin")


def at(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("repeat", "now", "newest", "following"),
    [
        # Start: Friday 27 March 2026, 09:00 in Berlin, 08:00 UTC.
        ("once", at(27, 7), None, at(27, 8)),
        ("once", at(27, 8), at(27, 8), None),
        ("once", at(30, 8), at(27, 8), None),
        ("hourly", at(27, 10, 59), at(27, 10), at(27, 11)),
        ("daily", at(28, 7, 59), at(27, 8), at(28, 8)),
        # On 29 March the clocks go forward: nine in Berlin is now seven in UTC.
        ("daily", at(29, 7), at(29, 7), at(30, 7)),
        ("daily", at(29, 6, 59), at(28, 8), at(29, 7)),
        ("hourly", at(29, 3, 30), at(29, 3), at(29, 4)),
        ("weekly", at(3, 7, month=4), at(3, 7, month=4), at(10, 7, month=4)),
        ("weekly", at(3, 6, month=4), at(27, 8), at(3, 7, month=4)),
    ],
)
def test_slots_keep_the_wall_clock(repeat, now, newest, following):
    start = at(27, 8)
    assert newest_slot(start, repeat, BERLIN, now) == newest
    assert next_slot(start, repeat, BERLIN, now) == following


def scheduled(**fields) -> Engagement:
    fields.setdefault("state", Engagement.State.ACTIVE)
    fields.setdefault("activated_at", timezone.now())
    return factories.make_engagement(trigger=Engagement.Trigger.SCHEDULE, **fields)


@pytest.mark.django_db
def test_a_slot_gets_one_run_however_often_the_tick_comes():
    now = timezone.now()
    engagement = scheduled(
        starts_at=now - timedelta(days=2, minutes=1),
        activated_at=now - timedelta(days=3),
        repeat=Engagement.Repeat.DAILY,
    )

    assert [make_due_runs(now) for _ in range(3)] == [1, 0, 0]

    # Two days were missed: only the newest slot runs.
    run = engagement.runs.get()
    assert run.scheduled_for == now - timedelta(minutes=1)
    assert run.version_id == engagement.version_id
    assert run.values == engagement.values


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "runs"),
    [
        ({}, 1),  # no start: at activation
        ({"starts_at": timezone.now() + timedelta(hours=1)}, 0),
        ({"starts_at": timezone.now() - timedelta(hours=1)}, 1),  # once, in the past
        # A daily slot from before the activation is left out.
        (
            {
                "starts_at": timezone.now() - timedelta(hours=1),
                "repeat": Engagement.Repeat.DAILY,
            },
            0,
        ),
        ({"state": Engagement.State.PAUSED}, 0),
        ({"state": Engagement.State.DRAFT}, 0),
    ],
)
def test_which_schedules_are_due(fields, runs):
    scheduled(**fields)
    make_due_runs(timezone.now())
    assert Run.objects.count() == runs
