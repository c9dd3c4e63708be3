"""Who was new when the request left is added at once, unless that is not so any more."""

import uuid

import pytest
from django.db import transaction

from engagements.models import Accepted, Batch
from engagements.outbox.known import Mark
from engagements.sync import state
from engagements.sync.state import Ends
from segments.models import Profile
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def batch() -> Batch:
    made: Batch = factories.make_batch(people=3)
    return made


def ends_of(batch: Batch, text: bytes) -> Ends:
    return Ends(
        batch_id=batch.pk,
        attempt_id=uuid.uuid4(),
        engagement_id=batch.run.engagement_id,
        epoch=0,
        people=[(n, id, Mark(text)) for n, id in enumerate(batch.profile_ids)],
        are_new=True,
    )


def accept(*answers: Ends) -> None:
    with transaction.atomic():
        state.accept(answers)


def states() -> dict[int, bytes]:
    rows = Accepted.objects.values_list("profile_id", "state")
    return {id: bytes(own) for id, own in rows}


def test_the_new_are_added_with_any_byte_in_their_state(batch):
    every = bytes(range(256))
    accept(ends_of(batch, every))

    assert states() == dict.fromkeys(batch.profile_ids, every)


def test_who_got_a_state_meanwhile_has_the_last(batch):
    first, *_ = batch.profile_ids
    Accepted.objects.create(
        engagement=batch.run.engagement,
        profile_id=first,
        state=b"before",
        doubt=uuid.uuid4(),
    )
    accept(ends_of(batch, b"now"))

    assert states() == dict.fromkeys(batch.profile_ids, b"now")
    assert not Accepted.objects.exclude(doubt=None).exists()


def test_who_was_erased_meanwhile_has_none(batch):
    first, *others = batch.profile_ids
    ends = ends_of(batch, b"now")
    Batch.objects.filter(pk=batch.pk).update(profile_ids=[0, *others])
    accept(ends)

    assert states() == dict.fromkeys(others, b"now")
    assert first not in states()


def test_who_is_in_two_of_the_answers_has_the_last(batch):
    run, people = batch.run, Profile.objects.filter(pk=batch.profile_ids[0])
    other = factories.make_batch(run, people, sequence=2)
    accept(ends_of(batch, b"first"), ends_of(other, b"last"))

    first, *others = batch.profile_ids
    assert states() == {first: b"last", **dict.fromkeys(others, b"first")}
