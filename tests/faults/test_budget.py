"""One budget for all workers: never more than the plan, and fairly shared."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Destination, Engagement
from engagements.throttling import rate_limit
from externalapi.connections import encryption
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests import factories
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 3


@pytest.fixture
def limited(draft, settings):
    """A Braze with a plan of its own, and an engagement that sends one by one.

    `pairs`: two people a request.
    """
    with ExitStack() as stack:

        def make(people: int, *arguments: str, pairs: bool = False, **plan):
            sandbox = stack.enter_context(SandboxProcess(*arguments))
            settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{sandbox.port}"]
            connection = factories.make_connection(base_url=sandbox.url, **plan)
            encryption.set_key(connection, sandbox.key)
            size = {"batch_combined": 2} if pairs else {"batching": "one"}
            version = factories.make_version(connection=connection, **size)
            return sandbox, draft(people, version=version)

        yield make


@contextmanager
def workers(seconds: float) -> Iterator[None]:
    def work() -> None:
        loop.work(timedelta(seconds=seconds))

    with ExitStack() as threads:
        for _ in range(WORKERS):
            threads.enter_context(working.in_thread(work))
        yield


def work_together(seconds: float) -> None:
    with workers(seconds):
        pass


def most_within(seconds: float, moments: list[float]) -> int:
    """The most requests that any window of this length saw, wherever it begins."""
    moments = sorted(moments)
    return max(
        sum(start <= moment < start + seconds for moment in moments)
        for start in moments
    )


def seconds_for_all(sandbox: SandboxProcess, engagement: Engagement) -> float:
    transitions.activate(engagement)
    began = time.monotonic()
    work_together(60)
    assert working.states(engagement) == {"sent": len(sandbox.requests())}
    return time.monotonic() - began


def test_no_window_sees_more_than_the_plan(limited):
    """Braze itself counts, in any three seconds; and little of the plan is left over."""
    unlimited = 4 * seconds_for_all(*limited(60))
    sandbox, engagement = limited(
        240, "--burst=90", requests_per_burst=90, burst_seconds=3
    )
    took = seconds_for_all(sandbox, engagement)

    assert working.states(engagement) == {"sent": 240}
    moments = [request["at"] for request in sandbox.requests()]
    assert len(moments) == 240
    assert most_within(3, moments) <= 90
    assert {request["status"] for request in sandbox.requests()} == {201}
    # 240 requests at 30 a second are 8 seconds.
    assert took < 8.3 + 10 * unlimited
    invariants.check(engagement, sandbox, sandbox.key)


def test_an_hour_has_no_more_than_its_requests(limited):
    sandbox, engagement = limited(30, requests_per_hour=20)
    transitions.activate(engagement)

    work_together(30)

    assert len(sandbox.requests()) == 20
    assert working.states(engagement) == {"sent": 20, "pending": 10}
    # The next hour has twenty more.
    Destination.objects.update(hour_started_at=timezone.now() - timedelta(hours=1))
    work_together(30)
    assert working.states(engagement) == {"sent": 30}


def test_no_more_are_on_the_wire_than_may_be_at_once(limited):
    sandbox, engagement = limited(40, "--delay-ms=200", requests_at_once=5)
    transitions.activate(engagement)

    work_together(60)

    assert working.states(engagement) == {"sent": 40}
    moments = [request["at"] for request in sandbox.requests()]
    # Each is on the wire for 0.2 s at least.
    assert most_within(0.19, moments) <= 5
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_version_whose_people_are_rejected_is_no_version_on_trial(limited):
    """Whoever reads and rejects is there: the others need not wait for each answer."""
    sandbox, engagement = limited(80, "--delay-ms=200", pairs=True)
    sandbox.faults([{"kind": "partial_errors", "indexes": [0], "times": None}])
    transitions.activate(engagement)

    work_together(60)

    assert working.states(engagement) == {"rejected": 40, "sent": 40}
    moments = [request["at"] for request in sandbox.requests()]
    assert most_within(0.19, moments) > WORKERS * rate_limit.FEW


def test_what_somebody_else_used_is_not_asked_for(limited):
    """Half of the hour is gone when we begin: Braze says so, and nobody is refused."""
    sandbox, engagement = limited(60, "--hourly=50")
    for _ in range(20):
        sandbox.track({"attributes": [{"external_id": "x"}]})
    transitions.activate(engagement)

    work_together(30)

    statuses = [request["status"] for request in sandbox.requests()]
    assert statuses.count(429) == 0
    # What is on the wire may be counted twice, so a few may be left over.
    assert 40 <= statuses.count(201) <= 50
    assert working.states(engagement)["pending"] >= 30


def test_the_lowest_of_answers_about_one_window_counts(braze):
    rate_limit.take(braze.pk, 1)
    Destination.objects.update(probing_until=None, blocked_until=None)
    Destination.objects.update(succeeded_at=timezone.now(), tokens=1_000)
    end = timezone.now() + timedelta(minutes=5)
    rate_limit.narrow(braze.pk, 7, end)
    rate_limit.narrow(braze.pk, 9, end + timedelta(seconds=1))

    assert rate_limit.take(braze.pk, 5).granted == 5
    permits = rate_limit.take(braze.pk, 5)

    assert permits.granted == 2
    assert rate_limit.take(braze.pk, 5).wait > timedelta(minutes=4)
    # A new window: as many as it has.
    rate_limit.narrow(braze.pk, 20, end + timedelta(hours=1))
    assert rate_limit.take(braze.pk, 5).granted == 5


def test_people_who_just_entered_do_not_wait_behind_a_large_run(limited):
    """A part of the budget is kept for them, and their turn is first."""
    sandbox, bulk = limited(2_000, requests_per_burst=300, burst_seconds=3)
    standing = factories.make_engagement(
        factories.make_segment(0),
        bulk.version,
        trigger=Engagement.Trigger.ON_ENTRY,
    )
    transitions.activate(standing)
    transitions.activate(bulk)
    people = factories.make_people(20)
    with workers(30):
        wait_until(lambda: len(sandbox.requests()) > 60, "the middle of the bulk run")
        for person in people:
            factories.enter(standing.segment, person)
        before = len(sandbox.requests())
        wait_until(lambda: working.states(standing).get("sent") == 20, "all of them")
        meanwhile = len(sandbox.requests()) - before
        transitions.pause(bulk)

    # So many may leave in two seconds; the large run has 2,000.
    assert meanwhile < 20 + 200
    assert Batch.objects.filter(run__engagement=bulk, state__in=Batch.DUE).exists()
    assert Attempt.objects.filter(outcome="rate_limited").count() == 0


def test_two_runs_share_what_there_is(limited):
    sandbox, one = limited(400, requests_per_burst=150, burst_seconds=3)
    other = factories.make_engagement(
        factories.make_segment(400),
        one.version,
        trigger=Engagement.Trigger.SCHEDULE,
    )
    transitions.activate(one)
    transitions.activate(other)

    work_together(4)

    sent = [working.states(each).get("sent", 0) for each in (one, other)]
    assert sum(sent) < 400
    assert min(sent) > 0.6 * max(sent)
