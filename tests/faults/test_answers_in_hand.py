"""A worker is killed that has answers in hand, and no database to write them into."""

import json
import os
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Attempt, Engagement
from externalapi.vendors.braze.sandbox.process import SandboxProcess
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
            # By then all is on the wire that will be.
            latest = time.monotonic() + loop.FRESH
            wait_until(
                lambda: time.monotonic() > latest and is_in_hand(sandbox, journal),
                "the answers",
            )
            in_hand = unfinished() & attempts_in(journal)
            # Its session ended between the COMMIT and the word of it, so it was not sent;
            # that dies with the worker.
            doubtful = len(unfinished() - in_hand)
            first.kill()
        assert len(in_hand) > 1
        # What its worker had claimed goes out one by one, as what may have killed it.
        sandbox.clear_faults()
        with worker():
            wait_until(lambda: working.is_over(engagement), "the end of the run")
            wait_until(lambda: not attempts_in(journal), "the journal's end")

    invariants.check(engagement, sandbox, sandbox.key)
    parked = doubtful if policy == Engagement.AmbiguousPolicy.PARK else 0
    of_attempts = Counter(sent=PEOPLE - parked, ambiguous=doubtful)
    assert Counter(working.outcomes(engagement)) == of_attempts
    of_people = Counter(sent=PEOPLE - parked, uncertain=parked)
    assert Counter(working.states(engagement)) == of_people
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


def is_in_hand(sandbox: SandboxProcess, journal: Path) -> bool:
    """Whether of all that arrived the answer is in the database or in the journal."""
    arrived = int(sandbox.traffic()["requests"])
    return len(attempts(Attempt.Outcome.SENT) | attempts_in(journal)) == arrived


def attempts_in(journal: Path) -> set[str]:
    found: set[str] = set()
    for path in journal.iterdir():
        # Work that ends meanwhile takes its own away.
        with suppress(FileNotFoundError):
            for line in path.read_bytes().splitlines():
                # Of the last there may be a part.
                with suppress(json.JSONDecodeError):
                    found.add(json.loads(line)["attempt"])
    return found


def unfinished() -> set[str]:
    return attempts(Attempt.Outcome.UNFINISHED)


def attempts(outcome: Attempt.Outcome) -> set[str]:
    found = Attempt.objects.filter(outcome=outcome)
    return {id.hex for id in found.values_list("pk", flat=True)}


@pytest.fixture
def journal(settings) -> Path:
    """One that nobody else writes to, empty; by one name in each test."""
    folder = Path(settings.VAR_DIR) / "journal-in-hand"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    settings.JOURNAL_DIR = folder
    return folder
