"""Data points that were sent, and those that were saved by sending only what changed."""

from dataclasses import dataclass

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce

from engagements.models import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPoints:
    """Of people who were accepted, and (saved) of those who had nothing new, too."""

    sent: int
    saved: int


def data_points(**whose: object) -> DataPoints | None:
    """Of the batches that these filters find; None where nothing was compared."""
    counted = Q(data_points__gt=0) | Q(data_points_saved__gt=0)
    own = Batch.objects.filter(counted, **whose)
    found = own.aggregate(
        sent=Coalesce(Sum("data_points"), 0),
        saved=Coalesce(Sum("data_points_saved"), 0),
    )
    return DataPoints(**found) if any(found.values()) else None
