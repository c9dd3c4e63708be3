"""PostgreSQL is stopped without a word, three times in the middle of a run."""

import pytest

from engagements.lifecycle import transitions
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 600
SLOW = {"kind": "delay_after", "seconds": 0.1, "times": None}


def test_three_restarts_lose_nobody(postgres, draft, braze, sandbox):
    sandbox.faults([SLOW])
    version = factories.make_version(connection=braze, batching="one")
    engagement = draft(PEOPLE, version=version)

    with worker(), beat():
        transitions.activate(engagement)
        for round_ in range(1, 4):
            wait_until(
                lambda aim=round_ * PEOPLE // 5: sandbox.traffic()["requests"] >= aim,
                "the next part of the run",
            )
            postgres.restart()
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert set(invariants.received(sandbox).values()) == {1}
