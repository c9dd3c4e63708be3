"""What one measurement leaves is not in the way of the next."""

import pytest

from benchmarks import engine
from engagements.models import Batch, Delivery, Engagement, Run
from tests import factories


@pytest.mark.django_db(transaction=True)
def test_a_measurement_begins_with_empty_tables_of_runs_and_deliveries():
    """Else each person's deliveries lie apart, and a new one writes a page of WAL."""
    factories.make_delivery()
    engine.forget_engagements()
    for model in (Engagement, Run, Batch, Delivery):
        assert not model.objects.exists()
