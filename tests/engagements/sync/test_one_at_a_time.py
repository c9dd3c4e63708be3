"""Who is on the wire is waited for, whichever run and name they are on it by."""

import uuid
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from engagements.models import Batch, Engagement, Run
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest, Synced
from engagements.sync import one_at_a_time
from segments.models import Profile
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def engagement() -> Engagement:
    return factories.make_engagement(sync_mode="changed")


def prepared(batch: Batch) -> PreparedRequest:
    roots = Profile.objects.in_bulk(batch.profile_ids)
    claim = Claim(
        batch_id=batch.pk,
        run_id=batch.run_id,
        token=uuid.uuid4(),
        profile_ids=batch.profile_ids,
        event_ids=(),
        transition_ids=(),
        left_out=(),
        stamp="",
        is_suspect=False,
        is_standing=batch.run.is_standing,
        now=timezone.now(),
    )
    places = range(len(batch.profile_ids))
    people = {n: batch.profile_ids[n] for n in places}
    return PreparedRequest(
        attempt_id=claim.token,
        claim=claim,
        run=batch.run,
        key="",
        places=places,
        skipped={},
        synced=Synced(
            epoch=0,
            people={n: roots[id].merged_into_id or id for n, id in people.items()},
            known={},
            marks={},
        ),
    )


def waiting(*batches: Batch) -> set[int]:
    with transaction.atomic():
        return one_at_a_time.in_the_way(list(map(prepared, batches)))


def on_the_wire(run: Run, *people: Profile, **fields: Any) -> Batch:
    return factories.make_batch(run, people, state="sending", **fields)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param({"is_standing": True}, id="of an event each"),
        # Who was sent something has left since, and is to be cleared.
        pytest.param({"expansion_cursor": -1}, id="of those who have left"),
    ],
)
def test_a_run_with_somebody_twice_waits_for_the_first(engagement, run):
    ana, ben = factories.make_people(2)
    own = factories.make_run(engagement, **run)
    on_the_wire(own, ana)
    again, other = factories.make_batch(own, [ana]), factories.make_batch(own, [ben])

    assert waiting(again, other) == {again.pk}


def test_another_run_waits(engagement):
    ana, ben = factories.make_people(2)
    on_the_wire(factories.make_run(engagement), ana)
    own = factories.make_run(engagement)
    again, other = factories.make_batch(own, [ana]), factories.make_batch(own, [ben])

    assert waiting(again, other) == {again.pk}


def test_a_retry_waits(engagement):
    ana = factories.make_profile()
    first = factories.make_run(engagement)
    retry = factories.make_run(engagement, retry_of=first)
    on_the_wire(retry, ana)

    assert waiting(again := factories.make_batch(retry, [ana])) == {again.pk}


def test_two_runs_at_once_wait_each_for_the_other(engagement):
    ana, ben = factories.make_people(2)
    one, two = factories.make_run(engagement), factories.make_run(engagement)
    on_the_wire(one, ana)
    on_the_wire(two, ben)
    mine = factories.make_batch(one, [ben])
    theirs = factories.make_batch(two, [ana])

    assert waiting(mine, theirs) == {mine.pk, theirs.pk}


@pytest.mark.parametrize("is_root_first", [True, False])
def test_two_names_of_a_person_in_one_run_wait(engagement, is_root_first):
    root, part, ben = factories.make_people(3)
    Profile.objects.filter(pk=part.pk).update(merged_into=root)
    first, second = (root, part) if is_root_first else (part, root)
    run = factories.make_run(engagement)
    on_the_wire(run, first)
    again, other = factories.make_batch(run, [second]), factories.make_batch(run, [ben])

    assert waiting(again, other) == {again.pk}


def test_nobody_waits_for_who_is_left_out(engagement):
    ana, ben = factories.make_people(2)
    on_the_wire(factories.make_run(engagement), ana, ben, left_out=[0])
    own = factories.make_run(engagement)
    first, second = factories.make_batch(own, [ana]), factories.make_batch(own, [ben])

    assert waiting(first, second) == {second.pk}
