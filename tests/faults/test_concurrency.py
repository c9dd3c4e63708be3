"""Many workers and impatient people at once."""

import random
import threading
import time
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import connection, transaction

from engagements.audience import expansion
from engagements.delivery import loop, outcomes
from engagements.delivery.attempts import intend
from engagements.delivery.claims import claim
from engagements.delivery.transport import send
from engagements.delivery.writing import write
from engagements.lifecycle import completion, transitions
from engagements.models import Attempt, Batch, Delivery, Engagement, Run
from engagements.recovery import retry_failed
from tests import factories
from tests.doubles import sessions
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 50
ROUNDS = 10


def test_each_batch_is_claimed_once(active, braze):
    """Round after round, in all of which the same sessions begin at the same time."""
    version = factories.make_version(connection=braze, batching="one")
    engagements: list[Engagement] = []
    claimed: list[list[int]] = []
    together = threading.Barrier(THREADS + 1)

    def claim_all() -> None:
        for _ in range(ROUNDS):
            together.wait(60)
            # A claim may come back with less than there is while others hold the rows.
            while working.due_batches(engagements[-1]):
                claimed[-1].extend(held.batch_id for held in claim(3))
            together.wait(60)

    with ExitStack() as threads:
        for _ in range(THREADS):
            threads.enter_context(working.in_thread(claim_all))
        for _ in range(ROUNDS):
            engagements.append(active(THREADS * 2, version=version))
            expansion.expand(expansion.expandable_runs())
            claimed.append([])
            together.wait(60)
            together.wait(60)

    for engagement, found in zip(engagements, claimed, strict=True):
        batches = Batch.objects.filter(run__engagement=engagement)
        assert len(found) == THREADS * 2
        assert sorted(found) == sorted(batches.values_list("pk", flat=True))


def test_many_workers_at_once_send_everybody_once(active, sandbox):
    engagement = active(1_500)
    with ExitStack() as threads:
        for _ in range(6):
            threads.enter_context(working.in_thread(working.once))
    working.to_the_end(engagement)

    assert set(invariants.received(sandbox).values()) == {1}
    assert len(sandbox.requests()) == 20
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_starts_after_a_pause(active, sandbox, braze, seed):
    chance = random.Random(seed)
    version = factories.make_version(connection=braze, batching="one")
    engagement = active(120, version=version)
    sandbox.faults([{"kind": "delay_after", "seconds": 0.02, "times": None}])

    for _ in range(3):
        with working.in_thread(lambda: loop.work(timedelta(seconds=10))):
            time.sleep(chance.uniform(0, 0.25))
            paused = transitions.pause(engagement)
            begun = Attempt.objects.count()
        if not paused:
            break
        assert Attempt.objects.count() == begun, f"begun after the pause, seed {seed}"
        assert len(sandbox.requests()) == begun, f"seed {seed}"
        assert transitions.resume(engagement)
    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 120}
    assert set(invariants.received(sandbox).values()) == {1}
    invariants.check(engagement, sandbox, sandbox.key, f"seed {seed}")


def test_an_engagement_that_was_paused_at_its_very_end_ends_after_it(active, sandbox):
    engagement = active(3)
    expansion.expand(expansion.expandable_runs())
    expansion.expand(expansion.expandable_runs())
    requests = intend(list(write(claim(1))))
    assert transitions.pause(engagement)
    outcomes.record([send(prepared) for prepared in requests])
    completion.finish()
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.PAUSED

    assert transitions.resume(engagement)
    working.once()

    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ENDED
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize("act", ["end", "cancel"])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_starts_after_the_end(active, sandbox, braze, act, seed):
    chance = random.Random(seed)
    version = factories.make_version(connection=braze, batching="one")
    engagement = active(400, version=version, repeat=Engagement.Repeat.DAILY)
    sandbox.faults([{"kind": "delay_after", "seconds": 0.05, "times": None}])
    with working.in_thread(lambda: loop.work(timedelta(seconds=10))):
        wait_until(lambda: Batch.objects.count() == 400, "the run's people")
        time.sleep(chance.uniform(0, 0.15))
        if act == "end":
            stopped = transitions.end(engagement)
        else:
            stopped = transitions.cancel(engagement.runs.get())
        begun = Attempt.objects.count()
    assert stopped
    assert Attempt.objects.count() == begun, f"begun after the end, seed {seed}"

    completion.finish()

    found = working.states(engagement)
    assert found.keys() <= {"sent", "cancelled"}
    assert found.get("sent", 0) == begun == len(sandbox.requests())
    invariants.check(engagement, sandbox, sandbox.key, f"seed {seed}")


def test_a_cancelled_run_does_not_start_what_was_claimed(active):
    """Its engagement goes on: only this run is over."""
    engagement = active(3, repeat=Engagement.Repeat.DAILY)
    expansion.expand(expansion.expandable_runs())
    requests = list(write(claim(1)))
    assert transitions.cancel(engagement.runs.get())

    assert intend(requests) == []

    completion.finish()
    assert working.states(engagement) == {"cancelled": 3}
    assert engagement.runs.get().state == Run.State.CANCELLED


@pytest.fixture
def late_refusal(active, sandbox):
    """An answer that stops its engagement, and comes when everybody is uncertain."""
    active(3)
    expansion.expand(expansion.expandable_runs())
    expansion.expand(expansion.expandable_runs())
    sandbox.faults([{"kind": "status", "status": 401, "body": "{}", "times": None}])
    (result,) = [send(prepared) for prepared in intend(list(write(claim(1))))]
    with transaction.atomic():
        outcomes.doubt(result.prepared.batch_id, result.prepared.token)
    return result


def test_a_retry_and_a_late_answer_do_not_lock_each_other_out(late_refusal, caplog):
    """Both ask for the engagement and for the batch, in the same order."""
    retried = []
    with ExitStack() as beside, transaction.atomic():
        # Whoever records has locked what there is to be locked before it.
        Attempt.objects.select_for_update().get()
        beside.enter_context(working.in_thread(lambda: outcomes.record([late_refusal])))
        wait_until(lambda: sessions.waiting() == 1, "who records")
        beside.enter_context(
            working.in_thread(
                lambda: retried.append(retry_failed.retry(Delivery.objects.all()))
            )
        )
        wait_until(lambda: sessions.waiting() == 2, "who tries again")

    # It says that nobody was taken: they wait already when it is their turn to be tried.
    assert [done.people for done in retried] == [0]
    assert Batch.objects.get().state == Batch.State.PENDING
    assert Engagement.objects.get().state == Engagement.State.BLOCKED
    # Done at once, and not by a second try after a deadlock.
    assert "retry.repeated" not in caplog.text


def lock_the_other_way_round(is_locked: threading.Event) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # The other is undone for it, also where that is quick to come again.
        cursor.execute("SET LOCAL deadlock_timeout = '1min'")
        Batch.objects.select_for_update().get()
        is_locked.set()
        wait_until(sessions.somebody_waits_for_a_lock, "who tries again")
        Engagement.objects.select_for_update().get()


def test_a_retry_that_met_a_deadlock_is_done_again(late_refusal):
    is_locked = threading.Event()
    with working.in_thread(lambda: lock_the_other_way_round(is_locked)):
        assert is_locked.wait(20)
        done = retry_failed.retry(Delivery.objects.all())
    assert done.people == 3
