"""Two events of one person are never exchanged, however their batches fare."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from engagements.audience import expansion
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery
from engagements.recovery import retry_failed
from segments.models import Profile
from tests.engagements.audience.conftest import arrived, lead, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def one_waits(listening, tell):
    """Ann's first event is in a batch that waits for an hour."""

    def one_waits(**fields):
        engagement = listening("each_event", **fields)
        tell(lead("ann", "1"))
        expansion.expand(expansion.expandable_runs())
        batches().update(next_attempt_at=Now() + timedelta(hours=1))
        return engagement

    return one_waits


def batches():
    return Batch.objects.open()


def an_hour_goes_by() -> None:
    batches().update(next_attempt_at=F("next_attempt_at") - timedelta(hours=1))


def test_a_second_event_waits_for_the_first(one_waits, tell, sandbox):
    one_waits()
    tell(lead("ann", "2"), lead("ben", "other"))
    work()
    assert arrived(sandbox, "ann") == []
    assert arrived(sandbox, "ben") == ["other"], "nobody else waits"
    tell(lead("ann", "3"))
    work()
    assert arrived(sandbox, "ann") == []
    an_hour_goes_by()
    work()
    work()
    assert arrived(sandbox, "ann") == ["1", "2", "3"]
    assert not batches().exists()


def test_who_is_part_of_somebody_waits_for_what_they_did(one_waits, tell, sandbox):
    one_waits()
    tell(lead("ben", "2"))
    ann, ben = (Profile.objects.get(external_id=who) for who in ("ann", "ben"))
    Profile.objects.filter(pk=ben.pk).update(merged_into=ann)
    work()
    assert arrived(sandbox, "ann") == []
    an_hour_goes_by()
    work()
    work()
    assert arrived(sandbox, "ann") == ["1", "2"]


def test_a_new_run_waits_for_the_one_before_it(one_waits, tell, sandbox):
    """Values that somebody changed make a run of their own."""
    engagement = one_waits()
    transitions.pause(engagement)
    engagement.values = {**engagement.values, "Product ID": "changed"}
    engagement.save()
    transitions.resume(engagement)
    tell(lead("ann", "2"))
    work()
    assert arrived(sandbox, "ann") == []
    an_hour_goes_by()
    work()
    work()
    assert arrived(sandbox, "ann") == ["1", "changed"]


def test_who_was_erased_keeps_nobody_waiting(one_waits, tell, sandbox):
    one_waits()
    tell(lead("ann", "2"), lead("ben", "1"))
    Profile.objects.get(external_id="ann").delete()
    work()
    assert arrived(sandbox, "ben") == ["1"]
    an_hour_goes_by()
    work()
    assert not batches().exists()


def test_a_request_that_is_not_taken_is_tried_before_the_next(listening, tell, sandbox):
    listening("each_event")
    sandbox.faults([{"kind": "status", "status": 500}])
    tell(lead("ann", "1"))
    work()
    assert batches().get().state == "retry"
    tell(lead("ann", "2"))
    work()
    assert arrived(sandbox, "ann") == []
    an_hour_goes_by()
    work()
    work()
    assert arrived(sandbox, "ann") == ["1", "2"]


def test_a_retry_of_several_events_keeps_their_order(listening, tell, sandbox):
    engagement = listening("each_event", most_events=1)
    tell(*(lead("ann", str(n)) for n in range(6)))
    work()
    skipped = Delivery.objects.filter(run__engagement=engagement, state="skipped")
    retry_failed.retry(skipped)
    work()
    assert arrived(sandbox, "ann") == [str(n) for n in range(6)]
