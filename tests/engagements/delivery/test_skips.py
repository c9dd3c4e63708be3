"""Who is skipped has an end, and their batch says how many for what."""

import pytest

from engagements.models import Batch, Delivery
from engagements.outbox import delivery_records
from engagements.outbox.delivery_records import Reasons
from segments.models import Profile
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def skip(reasons: Reasons, *batches: Batch, saved: int = 0) -> bool:
    """As when they were claimed; the first saves something."""
    people = {batch.pk: batch.profile_ids for batch in batches}
    return delivery_records.skip(reasons, people, {batches[0].pk: saved})


def skipped(batch: Batch) -> dict[int, list[object]]:
    rows = Delivery.objects.filter(batch=batch, state="skipped")
    its = rows.values_list("profile_id", "reason", "transition_id", "variant")
    return {id: rest for id, *rest in its}


def test_each_has_their_own_reason_entry_and_variant():
    batch = factories.make_batch(people=3, transition_ids=[7, 8, 9], variants=[1, 2, 1])
    other = factories.make_batch(people=2)
    reasons = {
        batch.pk: {0: "holdout: \tBy\\chance.", 2: "unchanged: It is."},
        other.pk: {1: "unchanged: It is."},
    }

    assert skip(reasons, batch, other, saved=5)
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
    batch = factories.make_batch(
        people=4, left_out=[3], skip_counts={"holdout": 1, "excluded": 2}
    )
    reasons = {batch.pk: {1: "holdout: By chance.", 0: "no_consent: None."}}

    assert skip(reasons, batch)
    batch.refresh_from_db()
    assert batch.skip_counts == {"holdout": 2, "excluded": 2, "no_consent": 1}
    assert batch.left_out == [0, 1, 3]


def test_a_place_that_is_empty_keeps_nobody_else():
    """Who was put off has left one; it is the same for nearly all batches of a run."""
    batch = factories.make_batch(people=2)
    ana, _ = batch.profile_ids
    Batch.objects.filter(pk=batch.pk).update(profile_ids=[ana, 0], left_out=[1])

    assert skip({batch.pk: {0: "unchanged: It is."}}, batch)
    assert skipped(batch) == {ana: ["unchanged: It is.", 0, None]}
    batch.refresh_from_db()
    assert batch.left_out == [0, 1]


@pytest.mark.parametrize("case", ["erased", "has an end"])
def test_nothing_is_written_where_one_has_an_end(case):
    batch = factories.make_batch(people=2)
    ana, ben = batch.profile_ids
    if case == "erased":
        Batch.objects.filter(pk=batch.pk).update(profile_ids=[ana, 0])
    else:
        factories.make_delivery(
            Profile.objects.get(pk=ben), batch.run, state="uncertain"
        )
    reasons = {batch.pk: {0: "holdout: By chance.", 1: "holdout: By chance."}}

    assert not skip(reasons, batch, saved=3)
    batch.refresh_from_db()
    assert (batch.left_out, batch.skip_counts, batch.data_points_saved) == ([], {}, 0)
    assert not skipped(batch)


def test_where_nobody_is_skipped_only_what_is_saved_is_told():
    batch = factories.make_batch()

    assert skip({batch.pk: {}}, batch)
    assert not skip({batch.pk: {}}, batch, saved=1)
