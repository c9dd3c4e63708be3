"""Who was new when the request left is added at once, unless that is not so any more."""

import uuid
from collections.abc import Mapping

import orjson
import pytest
from django.db import connection, transaction

from engagements.models import Accepted, Batch
from engagements.outbox.known import Known, Mark
from engagements.outbox.names import THOSE
from engagements.outbox.prepared_request import Synced
from engagements.sync import recording, state
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


def read(batch: Batch) -> tuple[dict[int, Known | None], set[int]]:
    """What is known of a batch's people, and who has written all that is read."""
    found = state.known(batch.run.engagement_id, 0, batch.profile_ids)
    people: dict[int, Known | None] = {id: found.get(id) for id in batch.profile_ids}
    return people, {own.written_by for own in found.values()}


def test_each_is_known_by_their_own(batch):
    """Whatever their states' lengths are, who is in doubt, and who wrote each."""
    every, doubt = bytes(range(256)), uuid.uuid4()
    own = [(every, 0, None), (b"", 0, doubt), (b"before", 1, None)]
    for id, (text, epoch, attempt_id) in zip(batch.profile_ids, own, strict=True):
        Accepted.objects.create(
            engagement=batch.run.engagement,
            profile_id=id,
            state=text,
            epoch=epoch,
            doubt=attempt_id,
        )
    people, writers = read(batch)

    assert len(writers) == 3
    assert [people[id] and people[id][:2] for id in batch.profile_ids] == [
        (every, True),
        (b"", False),
        (b"before", False),
    ]
    assert state.known(batch.run.engagement_id, 0, []) == {}


def changed(
    engagement_id: int, people: Mapping[int, Known | None], writers: set[int]
) -> set[int]:
    """Who has another state now, asked as it is before a request goes out."""
    with connection.cursor() as cursor:
        asked = state.as_read(engagement_id, people, writers)
        cursor.execute(f"WITH {THOSE} {state.AS_IT_WAS}", asked)
        (is_as_it_was,) = cursor.fetchone()
    return set() if is_as_it_was else state.which_changed(engagement_id, people)


@pytest.mark.parametrize("some", [0, 1, 3])
def test_nobody_has_another_state_while_nothing_is_written(batch, some):
    for id in batch.profile_ids[:some]:
        Accepted.objects.create(engagement=batch.run.engagement, profile_id=id)

    assert changed(batch.run.engagement_id, *read(batch)) == set()


@pytest.mark.parametrize("change", ["comes", "is another", "is the same", "goes"])
def test_who_has_another_state_than_was_read_is_found(batch, change):
    engagement = batch.run.engagement
    new, old, _ = batch.profile_ids
    for id in batch.profile_ids[1:]:
        Accepted.objects.create(engagement=engagement, profile_id=id, state=b"old")
    what_was_read = read(batch)
    rows = Accepted.objects.filter(profile_id=old)
    if change == "comes":
        Accepted.objects.create(engagement=engagement, profile_id=new)
    elif change == "goes":
        rows.delete()
    else:
        rows.update(state=b"new" if change == "is another" else b"old")

    found = changed(engagement.pk, *what_was_read)
    assert found == {new if change == "comes" else old}


def test_one_who_comes_for_one_who_goes_is_found(batch):
    first, second, _ = batch.profile_ids
    Accepted.objects.create(engagement=batch.run.engagement, profile_id=first)
    what_was_read = read(batch)
    Accepted.objects.filter(profile_id=first).update(profile_id=second)

    found = changed(batch.run.engagement_id, *what_was_read)
    assert found == {first, second}


@pytest.mark.parametrize("is_old", [False, True])
def test_a_journal_has_all_that_is_written_down(is_old):
    marks = {0: Mark(b"one", 2, 1), 2: Mark(None, 3, 0), 5: Mark(b"three.", 0, 0)}
    synced = Synced(epoch=4, people={0: 7, 1: 8, 2: 9, 5: 6}, known={}, marks=marks)
    kept = recording.as_json(synced)
    if is_old:
        rows = [
            [0, 7, b"one".hex(), 2, 1],
            [2, 9, None, 3, 0],
            [5, 6, b"three.".hex(), 0, 0],
        ]
        kept = {"epoch": 4, "marks": rows}

    found = recording.from_json(orjson.loads(orjson.dumps(kept)))
    assert (found.epoch, found.marks) == (4, marks)
    assert found.people == {0: 7, 2: 9, 5: 6}


def test_a_journal_may_have_nobody():
    synced = Synced(epoch=0, people={0: 7}, known={}, marks={})
    found = recording.from_json(orjson.loads(orjson.dumps(recording.as_json(synced))))
    assert (found.people, found.marks) == ({}, {})
