"""What is said beside the ends of those who were sent."""

import pytest

from engagements.models import Delivery
from engagements.outbox import delivery_records
from tests import factories, plans

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("rows", "pages"), [(0, 1), (0, 1_000), (1, 10), (75, 5), (100_000, 1_000)]
)
def test_of_many_each_is_read_once_whatever_is_known_of_the_tables(rows, pages):
    people = 300
    batch = factories.make_batch(people=people)
    delivery_records.settle([batch.pk], Delivery.State.SENT)
    plans.note_size(rows, pages, "engagements_delivery")
    plans.note_size(rows, pages, "engagements_batch")

    with plans.watched() as most:
        delivery_records.note({batch.pk: {n: f"Without {n}." for n in range(people)}})

    assert people <= max(most) < 3 * people
    reasons = dict(Delivery.objects.values_list("profile_id", "reason"))
    said = [reasons[id] for id in batch.profile_ids]
    assert said == [f"Without {n}." for n in range(people)]
