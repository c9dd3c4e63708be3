"""A worker ends exactly between two steps; and one that is asked to end."""

from collections import Counter
from contextlib import ExitStack
from datetime import timedelta

import pytest

from engagements import tick
from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.doubles.sessions import end_waiting_sessions, is_waited_for, locked
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_between_the_claim_and_the_intent_nothing_is_in_doubt(draft, sandbox):
    engagement = draft(150)
    with worker() as first, locked("engagements_attempt"):
        transitions.activate(engagement)
        wait_until(lambda: is_waited_for("engagements_attempt"), "the intent")
        first.kill()
        end_waiting_sessions()
    assert set(Batch.objects.values_list("state", flat=True)) == {"leased"}
    assert not Attempt.objects.exists()

    with worker(), beat():
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.outcomes(engagement) == {"sent": 2}
    assert Counter(invariants.received(sandbox).values()) == {1: 150}
    assert set(Batch.objects.values_list("reap_count", flat=True)) == {1}


@pytest.mark.parametrize(
    ("policy", "outcomes", "times"),
    [("park", {"ambiguous": 2}, 1), ("resend", {"ambiguous": 2, "sent": 2}, 2)],
)
def test_after_the_answer_and_before_the_record_it_is(
    draft, sandbox, settings, policy, outcomes, times
):
    """Where the worker's disk takes no journal."""
    settings.JOURNAL_DIR = "/dev/null/journal"
    engagement = draft(150, ambiguous_policy=policy)
    sandbox.faults([{"kind": "delay_after", "seconds": 1, "times": 2}])
    with worker() as first:
        transitions.activate(engagement)
        wait_until(lambda: sandbox.traffic()["requests"] == 2, "the requests")
        with locked("engagements_delivery"):
            wait_until(lambda: is_waited_for("engagements_delivery"), "the record")
            first.kill()
            end_waiting_sessions()
    assert set(Batch.objects.values_list("state", flat=True)) == {"sending"}

    with worker(), beat():
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.outcomes(engagement) == outcomes
    assert Counter(invariants.received(sandbox).values()) == {times: 150}
    state = {"park": "uncertain", "resend": "sent"}[policy]
    assert working.states(engagement) == {state: 150}


def test_a_worker_that_is_asked_to_end_finishes_what_it_began(draft, sandbox, braze):
    version = factories.make_version(connection=braze, batching="one")
    engagement = draft(600, version=version)
    sandbox.faults([{"kind": "delay_after", "seconds": 0.2, "times": None}])
    with worker() as first:
        transitions.activate(engagement)
        wait_until(lambda: sandbox.traffic()["requests"] >= 50, "the middle of the run")
        assert first.terminate(seconds=60) == 0

    assert not Batch.objects.filter(state__in=["leased", "sending"]).exists()
    assert working.outcomes(engagement).keys() == {"sent"}
    sandbox.clear_faults()

    with worker(), beat():
        wait_until(lambda: working.is_over(engagement), "the end of the run")
    invariants.check(engagement, sandbox, sandbox.key)
    assert Counter(invariants.received(sandbox).values()) == {1: 600}


def test_who_stands_still_is_not_taken_for_dead(draft, sandbox, settings):
    """Stopped before the intent, for longer than a lease; then it wakes."""
    settings.DELIVERY_LEASE = timedelta(seconds=3)  # as the workers' own
    settings.TICK_SECONDS = 1
    engagement = draft(150)
    with worker() as first, ExitStack() as still:
        with locked("engagements_attempt"):
            transitions.activate(engagement)
            wait_until(lambda: is_waited_for("engagements_attempt"), "the intent")
            still.enter_context(first.stopped())
            end_waiting_sessions()
        # A process may stand still in a transaction, which the database ends after 30 s,
        # or in a statement: that one after two minutes.
        wait_until(taken_back, "the end of the lease", 180)
        assert set(Batch.objects.values_list("reap_count", flat=True)) == {0}
        still.close()
        with beat():
            wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.outcomes(engagement) == {"sent": 2}
    assert Counter(invariants.received(sandbox).values()) == {1: 150}


def taken_back() -> bool:
    tick.tick()
    return set(Batch.objects.values_list("state", flat=True)) == {"pending"}
