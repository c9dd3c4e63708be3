"""Who is skipped has an end, and their batch says how many for what."""

import uuid
from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.utils import timezone

from engagements.delivery.attempts import intend
from engagements.models import Batch, Delivery, Engagement, Run
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest, Synced
from engagements.personalization.renderer import Skip
from segments.models import Profile
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def make_batch(people: int, run: Run | None = None, **fields) -> Batch:
    """One that a worker holds, of an engagement that may send."""
    batch = factories.make_batch(
        run,
        people,
        state=Batch.State.LEASED,
        lease_token=uuid.uuid4(),
        lease_until=timezone.now() + timedelta(minutes=2),
        **fields,
    )
    Run.objects.update(state=Run.State.SENDING)
    Engagement.objects.update(state=Engagement.State.ACTIVE)
    return batch


def skip(reasons: Mapping[int, Mapping[int, str]], *batches: Batch, saved: int = 0):
    """As they were when they were claimed; the first saves something."""
    requests = [
        PreparedRequest(
            attempt_id=token,
            claim=Claim(
                batch.pk, batch.run_id, token, batch.profile_ids,
                batch.event_ids, batch.transition_ids, batch.left_out, "",
                is_suspect=False, is_standing=False, now=timezone.now(),
            ),
            run=batch.run,
            key="",
            places=[],
            skipped={
                place: Skip(code=code, message=words)
                for place, why in reasons.get(batch.pk, {}).items()
                for code, words in [why.split(": ")]
            },
            synced=Synced(
                epoch=0, people={}, known={}, marks={},
                saved=saved if batch is batches[0] else 0,
            ),
        )
        for batch in batches
        if (token := batch.lease_token)
    ]  # fmt: skip
    assert intend(requests) == []
    assert set(Batch.objects.values_list("state", flat=True)) == {"done"}


def skipped(batch: Batch) -> dict[int, list[object]]:
    rows = Delivery.objects.filter(batch=batch, state="skipped")
    its = rows.values_list("profile_id", "reason", "transition_id", "variant")
    return {id: rest for id, *rest in its}


def test_each_has_their_own_reason_entry_and_variant():
    batch = make_batch(3, transition_ids=[7, 8, 9], variants=[1, 2, 1])
    other = make_batch(2, batch.run)
    reasons = {
        batch.pk: {0: "holdout: \tBy\\chance.", 2: "unchanged: It is."},
        other.pk: {1: "unchanged: It is."},
    }

    skip(reasons, batch, other, saved=5)
    first, _, third = batch.profile_ids
    assert skipped(batch) == {
        first: ["holdout: \tBy\\chance.", 7, 1],
        third: ["unchanged: It is.", 9, 1],
    }
    assert skipped(other) == {other.profile_ids[1]: ["unchanged: It is.", 0, None]}
    batch.refresh_from_db()
    assert batch.skip_counts == {"holdout": 1, "unchanged": 1}
    assert (batch.left_out, batch.data_points_saved) == ([0, 2], 5)


def test_more_of_a_batch_are_counted_with_the_others():
    batch = make_batch(4, left_out=[3], skip_counts={"holdout": 1, "excluded": 2})
    reasons = {batch.pk: {1: "holdout: By chance.", 0: "no_consent: None."}}

    skip(reasons, batch)
    batch.refresh_from_db()
    assert batch.skip_counts == {"holdout": 2, "excluded": 2, "no_consent": 1}
    assert batch.left_out == [0, 1, 3]


def test_a_place_that_is_empty_keeps_nobody_else():
    """Who was put off has left one; it is the same for nearly all batches of a run."""
    batch = make_batch(2)
    ana, _ = batch.profile_ids
    Batch.objects.filter(pk=batch.pk).update(profile_ids=[ana, 0], left_out=[1])

    skip({batch.pk: {0: "unchanged: It is."}}, batch)
    assert skipped(batch) == {ana: ["unchanged: It is.", 0, None]}
    batch.refresh_from_db()
    assert batch.left_out == [0, 1]


@pytest.mark.parametrize(("case", "left"), [("erased", 0), ("has an end", 1)])
def test_who_has_an_end_keeps_it_and_is_not_counted(case, left):
    batch = make_batch(2)
    ana, ben = batch.profile_ids
    if case == "erased":
        Batch.objects.filter(pk=batch.pk).update(profile_ids=[ana, 0])
    else:
        factories.make_delivery(
            Profile.objects.get(pk=ben), batch.run, batch=batch, state="rejected"
        )
    reasons = {batch.pk: {0: "holdout: By chance.", 1: "holdout: By chance."}}

    skip(reasons, batch, saved=3)
    batch.refresh_from_db()
    assert batch.skip_counts == {"holdout": 1}
    assert (batch.left_out, batch.data_points_saved) == ([0, 1], 3)
    assert skipped(batch) == {ana: ["holdout: By chance.", 0, None]}
    assert Delivery.objects.filter(state="rejected").count() == left


def test_where_nobody_is_skipped_only_what_is_saved_is_told():
    batch = make_batch(1)

    skip({}, batch, saved=1)
    batch.refresh_from_db()
    assert (batch.left_out, batch.skip_counts, batch.data_points_saved) == ([], {}, 1)
    assert not skipped(batch)
