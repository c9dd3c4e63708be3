"""A process that freezes inside the tick: another takes over; what it writes later."""

import os
import signal
from contextlib import ExitStack

import pytest

from engagements.models import Chore, Engagement, Sample
from engagements.tick import tick
from lemnisk_braze.lib import database_clock
from segments.models import Segment
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.doubles.sessions import is_waited_for, locked
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

RULE = {"attribute": "first_name", "is": "equals", "value": "Ann"}


def is_held() -> bool:
    return Chore.objects.filter(held_until__gt=database_clock.now()).exists()


@pytest.mark.parametrize(
    "table", ["segments_segment", "engagements_run", "engagements_sample"]
)
def test_another_takes_over_within_two_ticks(settings, table):
    """Frozen just before it writes to a table, in one of the tick's pieces of work."""
    settings.TICK_SECONDS = 2
    segment = factories.make_segment(3)
    Segment.objects.update(refreshed_at=None, rule=RULE)
    engagement = factories.make_engagement(
        segment,
        trigger=Engagement.Trigger.SCHEDULE,
        state=Engagement.State.ACTIVE,
        activated_at=database_clock.now(),
        repeat=Engagement.Repeat.DAILY,
    )
    lock = ExitStack()
    # Before there is a worker: a tick may be in its queue already.
    lock.enter_context(locked(table))
    with lock, worker(TICK_SECONDS="2") as first:
        with beat(TICK_SECONDS="2"):
            wait_until(lambda: is_waited_for(table), "the tick's statement")
            os.killpg(first.pid, signal.SIGSTOP)
        lock.close()
        held = Chore.objects.exclude(held_until=None)
        stopped = {chore.name: chore.token for chore in held}
        assert stopped
        # The first tick after the stop may find that the lease still runs.
        wait_until(lambda: not is_held(), "the lease's end", 2)

        assert tick()

        taken = Chore.objects.filter(name__in=stopped)
        assert {chore.name: chore.token - 1 for chore in taken} == stopped
        assert not any(chore.held_until for chore in taken)
        assert Sample.objects.exists()
        # Where it froze with the segment in hand, the database lets go after a minute.
        assert Segment.objects.get().refreshed_at or table == "segments_segment"
        assert engagement.runs.count() == 1

        os.killpg(first.pid, signal.SIGCONT)
        first.terminate()

    assert engagement.runs.count() == 1
    assert not Chore.objects.exclude(problem="").exists()
    assert not Chore.objects.exclude(held_until=None).exists()
