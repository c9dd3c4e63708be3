"""The word that an intent is written down does not come, or comes late.

What it is about was not sent, and its worker is the only one who can know.
"""

import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest

from engagements.delivery import lease_reaper
from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch
from tests.doubles.commits import Commits
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("arrives", [True, False], ids=["arrives", "is lost"])
def test_a_commit_that_is_cut_off_puts_nobody_in_doubt(active, sandbox, arrives):
    engagement = active(150)
    with Commits(arrive=arrives) as commits, commits.used():
        working.once()
        assert commits.seen.is_set()
    working.to_the_end(engagement)

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.states(engagement) == {"sent": 150}
    assert set(working.outcomes(engagement)) <= {"sent", "not_sent"}
    assert Counter(invariants.received(sandbox).values()) == {1: 150}
    # Nothing is used up.
    assert set(Batch.objects.values_list("attempt_count", "ambiguous_count")) == {
        (1, 0)
    }


@contextmanager
def held_up():
    """A worker that has written down an intent, and does not hear of it in the block."""
    with Commits(held=True) as commits, ExitStack() as beside:
        with commits.used():
            beside.enter_context(working.in_thread(working.once))
            assert commits.seen.wait(20)
        yield
        commits.let_go()


@pytest.mark.parametrize("policy", ["park", "resend"])
def test_whoever_wakes_after_its_lease_sends_nothing(active, sandbox, policy):
    engagement = active(150, ambiguous_policy=policy)
    with held_up():
        time.sleep(3.5)  # longer than a lease
        assert lease_reaper.reap() == 2
        assert working.outcomes(engagement) == {"ambiguous": 2}
    assert working.outcomes(engagement).keys() <= {"not_sent", "sent"}
    working.to_the_end(engagement)

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.states(engagement) == {"sent": 150}
    assert working.outcomes(engagement) == {"not_sent": 2, "sent": 2}
    assert Counter(invariants.received(sandbox).values()) == {1: 150}


def test_whoever_wakes_after_a_pause_sends_nothing(active, sandbox):
    engagement = active(150)
    with held_up():
        time.sleep(1)  # within the lease
        assert transitions.pause(engagement)
    assert sandbox.traffic()["requests"] == 0
    assert not Attempt.objects.filter(outcome="unfinished").exists()
    assert transitions.resume(engagement)
    working.to_the_end(engagement)

    invariants.check(engagement, sandbox, sandbox.key)
    assert Counter(invariants.received(sandbox).values()) == {1: 150}
