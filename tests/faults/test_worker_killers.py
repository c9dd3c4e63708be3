"""A person whose data kills whatever worker takes it in hand."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from engagements.audience import expansion
from engagements.delivery import claims, lease_reaper, outcomes, transport, writing
from engagements.delivery.attempts import intend
from engagements.delivery.loop import CLAIM_SIZE
from engagements.models import Batch, Delivery
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def killer(active):
    """An engagement of 900 people, one of whom kills."""
    engagement = active(900)
    people = engagement.segment.memberships.order_by("profile")
    return engagement, people[400].profile


def one_worker(killer) -> bool:
    """Take what is due in hand, and send it; False if the killer was among them."""
    taken = claims.claim(CLAIM_SIZE)
    assert len(taken) == 1 or not any(held.is_suspect for held in taken)
    batches = Batch.objects.filter(pk__in=[held.batch_id for held in taken])
    if batches.filter(profile_ids__contains=[killer.pk]).exists():
        return False
    going = intend(list(writing.write(taken)))
    outcomes.record([transport.send(prepared) for prepared in going])
    return True


def next_lease() -> None:
    past = timezone.now() - timedelta(seconds=1)
    Batch.objects.filter(state="leased").update(lease_until=past)
    lease_reaper.reap()


def test_everybody_else_is_sent_and_the_killer_is_given_up(killer, sandbox):
    engagement, person = killer
    expansion.expand(expansion.expandable_runs())
    deaths = 0
    for _ in range(60):
        if not one_worker(person):
            deaths += 1
            next_lease()

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 899, "dead": 1}
    dead = Delivery.objects.get(state="dead")
    assert dead.profile == person
    assert dead.reason.startswith("poison")
    # Three, and one for each time that 75 people are halved.
    assert deaths <= 3 + 7
    assert Counter(working.outcomes(engagement)).keys() == {"sent"}
    invariants.check(engagement, sandbox, sandbox.key)


def test_who_was_only_beside_it_is_no_suspect_for_long(killer):
    _, person = killer
    expansion.expand(expansion.expandable_runs())
    assert not one_worker(person)
    next_lease()
    assert Batch.objects.filter(reap_count=1).count() == 12

    for _ in range(12):
        one_worker(person)

    waiting = Batch.objects.exclude(state="done")
    assert [person.pk in batch.profile_ids for batch in waiting] == [True]
