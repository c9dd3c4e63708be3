"""The database ends everybody's session, or a table is locked, in the middle of a run.

Sessions are ended one and all, as by a restart, while the server stays.
"""

import time
from collections import Counter

import pytest

from engagements.lifecycle import transitions
from engagements.models import Batch
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.doubles.sessions import end_all_sessions, locked
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 600
SLOW = {"kind": "delay_after", "seconds": 0.1, "times": None}


@pytest.fixture
def engagement(draft, braze, sandbox):
    sandbox.faults([SLOW])
    version = factories.make_version(connection=braze, batching="one")
    return draft(PEOPLE, version=version)


def test_sessions_that_are_ended_again_and_again(engagement, sandbox):
    with worker(), beat():
        transitions.activate(engagement)
        for round_ in range(1, 4):
            wait_until(
                lambda aim=round_ * PEOPLE // 5: sandbox.traffic()["requests"] >= aim,
                "the next part of the run",
            )
            assert end_all_sessions() >= 1
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert set(invariants.received(sandbox).values()) == {1}


@pytest.mark.parametrize(
    "table",
    ["engagements_batch", "engagements_delivery"],
)
def test_a_locked_table_is_waited_for(engagement, sandbox, table):
    with worker(), beat():
        transitions.activate(engagement)
        wait_until(lambda: sandbox.traffic()["requests"] >= 100, "the middle")
        with locked(table):
            time.sleep(4)  # longer than a lease
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert Counter(invariants.received(sandbox).values()) == {1: PEOPLE}
    assert not Batch.objects.exclude(lease_token=None).filter(state="leased").exists()
