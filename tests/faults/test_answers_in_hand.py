"""A worker is killed that has answers in hand, and no database to write them into."""

import json
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import connection

from engagements.lifecycle import transitions
from engagements.models import Attempt, Engagement
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.doubles.sessions import end_waiting_sessions, locked, read_only
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 300
SLOW = {"kind": "delay_after", "seconds": 0.3, "times": None}


@pytest.mark.parametrize("policy", Engagement.AmbiguousPolicy.values)
def test_they_outlive_it(draft, braze, sandbox, journal, policy):
    sandbox.faults([SLOW])
    version = factories.make_version(connection=braze, batching="one")
    engagement = draft(PEOPLE, version=version, ambiguous_policy=policy)
    with worker() as first, beat():
        transitions.activate(engagement)
        wait_until(lambda: sandbox.traffic()["requests"] >= PEOPLE // 3, "the middle")
        with read_only():
            connection.close()  # ended as everybody's
            wait_until(lambda: unfinished() <= attempts_in(journal), "the answers")
            in_hand = len(unfinished())
            first.kill()
        connection.close()
        assert in_hand > 1
        # What its worker had claimed goes out one by one, as what may have killed it.
        sandbox.clear_faults()
        with worker():
            wait_until(lambda: working.is_over(engagement), "the end of the run")
            wait_until(lambda: not attempts_in(journal), "the journal's end")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.outcomes(engagement) == {"sent": PEOPLE}
    assert working.states(engagement) == {"sent": PEOPLE}
    assert set(invariants.received(sandbox).values()) == {1}


def test_they_outlive_one_process_of_the_pool(draft, sandbox, journal):
    """The others of its worker live, and one of them finds what it left."""
    engagement = draft(150, ambiguous_policy="resend")
    sandbox.faults([{"kind": "delay_after", "seconds": 1, "times": 2}])
    with worker(), beat():
        transitions.activate(engagement)
        wait_until(lambda: sandbox.traffic()["requests"] == 2, "the requests")
        with locked("engagements_delivery"):
            wait_until(lambda: unfinished() <= attempts_in(journal), "the answers")
            for name in set(Attempt.objects.values_list("worker", flat=True)):
                os.kill(int(name.rpartition(":")[2]), signal.SIGKILL)
            end_waiting_sessions()
        wait_until(lambda: working.is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.outcomes(engagement) == {"sent": 2}
    assert set(invariants.received(sandbox).values()) == {1}


def attempts_in(journal: Path) -> set[str]:
    found: set[str] = set()
    for path in journal.iterdir():
        # Work that ends meanwhile takes its own away.
        with suppress(FileNotFoundError):
            lines = path.read_text().splitlines()
            found |= {json.loads(line)["attempt"] for line in lines if line}
    return found


def unfinished() -> set[str]:
    attempts = Attempt.objects.filter(outcome=Attempt.Outcome.UNFINISHED)
    return {id.hex for id in attempts.values_list("pk", flat=True)}


@pytest.fixture
def journal(settings) -> Path:
    """One that nobody else writes to, empty; by one name in each test."""
    folder = Path(settings.VAR_DIR) / "journal-in-hand"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    settings.JOURNAL_DIR = folder
    return folder
