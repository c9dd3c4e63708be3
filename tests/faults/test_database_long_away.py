"""PostgreSQL is away for longer than a lease while Braze's answers are in hand."""

import time
from collections import Counter

import pytest
from django.db import connection

from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.doubles.sessions import read_only, refusing
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 300
SLOW = {"kind": "delay_after", "seconds": 0.3, "times": None}
LONG = 6.5  # two leases and more


def stopped(postgres):
    postgres.stop()
    time.sleep(LONG)
    postgres.start()


def cannot_write(postgres):
    with read_only():
        time.sleep(LONG)


@pytest.mark.parametrize("policy", ["park", "resend"])
@pytest.mark.parametrize("is_away", [stopped, cannot_write])
def test_nobody_is_in_doubt_and_nobody_sent_twice(
    postgres, draft, braze, sandbox, is_away, policy
):
    sandbox.faults([SLOW])
    version = factories.make_version(connection=braze, batching="one")
    engagement = draft(PEOPLE, version=version, ambiguous_policy=policy)

    with worker(), beat():
        transitions.activate(engagement)
        wait_until(lambda: sandbox.traffic()["requests"] >= PEOPLE // 3, "the middle")
        assert Batch.objects.filter(state="sending").exists()
        is_away(postgres)
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.states(engagement) == {"sent": PEOPLE}
    assert working.outcomes(engagement).keys() <= {"sent", "not_sent"}
    assert set(invariants.received(sandbox).values()) == {1}


def test_a_full_disk_at_the_record_loses_no_answer(draft, sandbox):
    engagement = draft(150, ambiguous_policy="resend")
    sandbox.faults([{"kind": "delay_after", "seconds": 1, "times": 2}])
    with worker(), beat():
        transitions.activate(engagement)
        wait_until(lambda: sandbox.traffic()["requests"] == 2, "the requests")
        with refusing("engagements_delivery", "true", code="53100"):
            time.sleep(2.5)
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.outcomes(engagement) == {"sent": 2}
    assert Counter(invariants.received(sandbox).values()) == {1: 150}


def test_intents_that_fail_for_long_make_nobody_suspect(draft, sandbox):
    engagement = draft(150)
    with worker(), beat():
        with refusing("engagements_attempt", "true", code="53100"):
            transitions.activate(engagement)
            time.sleep(2 * 3 + 1)  # two leases
            assert not Batch.objects.exclude(reap_count=0).exists()
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.states(engagement) == {"sent": 150}
    assert working.outcomes(engagement) == {"sent": 2}
    assert set(Batch.objects.values_list("reap_count", flat=True)) == {0}


def test_what_a_crash_forgot_is_written_down_again(postgres, draft, braze, sandbox):
    """An answer is on disk in less than a second, and its worker knows it until then."""
    slow = {"kind": "delay_after", "seconds": 1.2, "times": 10}
    sandbox.faults([{"kind": "pass", "times": 20}, slow])
    version = factories.make_version(connection=braze, batching="one")
    engagement = draft(30, version=version, ambiguous_policy="resend")
    with postgres.late_on_disk(), worker(), beat():
        transitions.activate(engagement)
        wait_until(lambda: working.outcomes(engagement).get("sent") == 20, "the quick")
        postgres.restart()
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.outcomes(engagement) == {"sent": 30}
    assert set(invariants.received(sandbox).values()) == {1}


def test_what_a_crash_forgot_and_a_mistake_refuses_is_kept(
    postgres, draft, braze, sandbox
):
    """After the crash the database takes amiss what it had forgotten, for a moment."""
    slow = {"kind": "delay_after", "seconds": 1.2, "times": 10}
    sandbox.faults([{"kind": "pass", "times": 20}, slow])
    version = factories.make_version(connection=braze, batching="one")
    engagement = draft(30, version=version, ambiguous_policy="resend")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time()")
        started = cursor.fetchone()[0]
    forgotten = f"NEW.duration_ms < 1000 AND pg_postmaster_start_time() > '{started}'"
    attempts = Attempt.objects.filter(outcome="sent")
    with postgres.late_on_disk(), worker(DELIVERY_LEASE_SECONDS="20"):
        with refusing("engagements_attempt", forgotten, "42501", event="UPDATE"):
            # Without a beat: nothing else may have the disk waited for.
            transitions.activate(engagement)
            wait_until(lambda: attempts.count() == 20, "the quick")
            postgres.restart()
            slow_ones = attempts.filter(duration_ms__gte=1000)
            wait_until(lambda: slow_ones.count() == 10, "the slow")
            time.sleep(2)
        with beat(DELIVERY_LEASE_SECONDS="20"):
            wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.outcomes(engagement) == {"sent": 30}
    assert set(invariants.received(sandbox).values()) == {1}
