"""Pause, resume and cancel at fifty random moments, while real workers send."""

import random
import time

import pytest

from engagements.lifecycle import transitions
from engagements.models import Attempt, Engagement
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# More than fifty moments can send: each at most two claims of two processes.
PEOPLE = 6_600
MOMENTS = 50
# A random one each time, so that a failure is new; its text says which to set here.
SEED = random.SystemRandom().randrange(1_000_000)


def test_nothing_begins_after_a_pause_and_nobody_is_lost(draft, sandbox, braze):
    chance, note = random.Random(SEED), f"SEED = {SEED}"
    version = factories.make_version(connection=braze, batching="one")
    engagement = draft(PEOPLE, version=version, repeat=Engagement.Repeat.DAILY)
    sandbox.faults([{"kind": "delay_after", "seconds": 0.2, "times": None}])

    with worker(), beat():
        transitions.activate(engagement)
        wait_until(lambda: Attempt.objects.exists(), "the first request")
        for moment in range(MOMENTS):
            time.sleep(chance.uniform(0, 0.15))
            assert transitions.pause(engagement), note
            begun = Attempt.objects.count()
            wait_until(is_quiet, "the end of what is on the wire", 5)
            assert Attempt.objects.count() == begun, f"moment {moment}, {note}"
            assert sandbox.traffic()["requests"] == begun, f"moment {moment}, {note}"
            assert transitions.resume(engagement), note
        time.sleep(chance.uniform(0, 0.3))
        assert transitions.cancel(engagement.runs.get())
        wait_until(
            lambda: working.states(engagement).keys() <= {"sent", "cancelled"}, ""
        )

    found = working.states(engagement)
    assert sum(found.values()) == PEOPLE, note
    assert found["sent"] == sandbox.traffic()["requests"], note
    invariants.check(engagement, sandbox, sandbox.key, note)


def is_quiet() -> bool:
    return not Attempt.objects.filter(outcome=Attempt.Outcome.UNFINISHED).exists()
