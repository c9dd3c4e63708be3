"""kill -9 amid events that are each to be sent: each once, in order, within the limit."""

from collections import Counter
from contextlib import ExitStack

import pytest
from django.utils import timezone

from engagements import wakeup
from engagements.audience import expansion
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery, Engagement
from segments.ingest import inbox
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.engagements.audience.conftest import BODY, RULE, VALUES, arrived
from tests.faults import working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = [f"p{n}" for n in range(10)]
EVENTS = 60
LIMIT = 25
SLOW = {"kind": "delay_after", "seconds": 0.1, "times": None}


@pytest.fixture
def listening(braze):
    def listening(**fields) -> Engagement:
        engagement = factories.make_engagement(
            factories.make_segment(rule=RULE, event_names=["Lead", "Withdrawn"]),
            factories.make_version(
                body=BODY,
                parameters=[
                    factories.parameter("ID", level="identifier"),
                    factories.parameter("Event Time", type="datetime"),
                    factories.parameter("Product ID"),
                ],
                connection=braze,
            ),
            VALUES,
            trigger=Engagement.Trigger.EACH_EVENT,
            ambiguous_policy=Engagement.AmbiguousPolicy.PARK,
            **fields,
        )
        transitions.activate(engagement)
        return engagement

    return listening


def submit(count: int = EVENTS) -> None:
    """Everybody submits the form so often, in turns."""
    source = factories.make_source()
    for number in range(count):
        made = [
            (
                f"{who}-{number}",
                "track",
                {
                    "timestamp": timezone.now().isoformat(),
                    "userId": who,
                    "event": "Lead",
                    "properties": {"product_id": str(number)},
                },
            )
            for who in PEOPLE
        ]
        inbox.append(source, made)


def ended(engagement: Engagement) -> int:
    return Delivery.objects.filter(run__engagement=engagement).count()


@pytest.mark.parametrize("limit", [None, LIMIT])
def test_a_worker_killed_amid_events_sends_each_once_in_their_order(
    listening, sandbox, limit
):
    engagement = listening(most_events=limit)
    submit()
    sandbox.faults([SLOW])
    with worker() as first:
        wakeup.publish()
        wait_until(lambda: sandbox.traffic()["requests"] >= 2, "the middle of it")
        first.kill()
    sandbox.clear_faults()
    with worker(), beat():
        wait_until(lambda: ended(engagement) == len(PEOPLE) * EVENTS, "the end")

    assert not Batch.objects.open().exists()
    rows = Delivery.objects.filter(run__engagement=engagement)
    taken_in = rows.exclude(state="skipped").values_list("profile__external_id")
    assert set(Counter(taken_in).values()) == {limit or EVENTS}
    in_doubt = Counter(
        rows.filter(state="uncertain").values_list("profile__external_id", flat=True)
    )
    for who in PEOPLE:
        numbers = [int(product) for product in arrived(sandbox, who)]
        assert numbers == sorted(set(numbers)), "one twice, or out of order"
        assert set(numbers) <= set(range(limit or EVENTS)), "one that was too many"
        assert len(numbers) + in_doubt[who] >= (limit or EVENTS), "one is missing"


def test_eight_workers_take_in_no_more_than_the_limit(listening):
    engagement = listening(most_events=3)
    submit()

    def take_in() -> None:
        while inbox.apply_some(7) or expansion.expand(expansion.expandable_runs()):
            pass

    with ExitStack() as threads:
        for _ in range(8):
            threads.enter_context(working.in_thread(take_in))
    take_in()

    waiting = Counter(
        profile
        for ids in Batch.objects.open().values_list("profile_ids", flat=True)
        for profile in ids
    )
    assert len(waiting) == len(PEOPLE)
    assert set(waiting.values()) == {3}
    skipped = Delivery.objects.filter(run__engagement=engagement, state="skipped")
    assert skipped.count() == len(PEOPLE) * (EVENTS - 3)
