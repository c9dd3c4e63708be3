"""kill -9 in the middle of a run of 5,000: nothing lost, nothing silently repeated."""

from collections import Counter

import pytest
from django.utils import timezone

from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Delivery, Engagement, Suppression
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from segments.models import Profile
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.faults import invariants
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 5_000
# Each answer takes this long after Braze has stored the people: time to be killed in.
SLOW = {"kind": "delay_after", "seconds": 0.1, "times": None}


@pytest.fixture
def engagement(braze) -> Engagement:
    return factories.make_engagement(
        factories.make_segment(PEOPLE),
        factories.make_version(connection=braze),
        trigger=Engagement.Trigger.SCHEDULE,
        ambiguous_policy=Engagement.AmbiguousPolicy.PARK,
    )


def test_a_worker_sends_5000_people_in_67_requests(engagement, sandbox):
    with worker():
        transitions.activate(engagement)
        wait_until(lambda: _is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    assert len(sandbox.requests()) == 67
    assert Counter(invariants.received(sandbox).values()) == {1: PEOPLE}


@pytest.mark.parametrize("policy", Engagement.AmbiguousPolicy.values)
def test_a_worker_killed_in_the_middle_loses_nothing(engagement, sandbox, policy):
    _kill_in_the_middle(engagement, sandbox, policy)
    in_hand = Batch.objects.filter(state=Batch.State.SENDING).count()
    assert in_hand, "it was killed with requests on the wire"
    sandbox.clear_faults()

    with worker(), beat():
        wait_until(lambda: _is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    got = invariants.received(sandbox)
    # Some may have been answered: these its journal knows.
    assert 0 < Attempt.objects.filter(outcome="ambiguous").count() <= in_hand
    uncertain = Delivery.objects.filter(state="uncertain").count()
    if policy == Engagement.AmbiguousPolicy.PARK:
        # Nobody twice; who is in doubt, taken or not, waits for a person's decision.
        assert set(got.values()) == {1}
        assert 0 < uncertain <= in_hand * 75
        assert len(got) >= PEOPLE - uncertain
    else:
        assert (len(got), uncertain) == (PEOPLE, 0)


def test_nobody_whom_a_killed_worker_has_sent_is_called_skipped(engagement, sandbox):
    """A guard stops all of them before they are sent again."""
    _kill_in_the_middle(engagement, sandbox, Engagement.AmbiguousPolicy.RESEND)
    sandbox.clear_faults()
    Suppression.objects.bulk_create(
        Suppression(kind=Suppression.PERSON, profile=person)
        for person in Profile.objects.all()
    )

    with worker(), beat():
        wait_until(lambda: _is_over(engagement), "the end of the run")

    invariants.check(engagement, sandbox, sandbox.key)
    by_state: dict[str, set[str]] = {
        "sent": set(),
        "uncertain": set(),
        "skipped": set(),
    }
    ends = Delivery.objects.values_list("state", "profile__external_id")
    for state, name in ends:
        by_state[state].add(name)
    got = set(invariants.received(sandbox))
    assert got & by_state["uncertain"]
    assert not got & by_state["skipped"]
    assert sum(map(len, by_state.values())) == PEOPLE


def _kill_in_the_middle(
    engagement: Engagement, sandbox: SandboxProcess, policy: str
) -> None:
    engagement.ambiguous_policy = policy
    engagement.save()
    sandbox.faults([SLOW])
    with worker() as first:
        transitions.activate(engagement)
        wait_until(lambda: sandbox.traffic()["requests"] >= 20, "the middle of the run")
        first.kill()


def _is_over(engagement: Engagement) -> bool:
    run = engagement.runs.first()
    return (
        run is not None and run.ended_at is not None and run.ended_at < timezone.now()
    )
