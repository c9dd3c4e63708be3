"""Which batches and deliveries an operator means."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import QuerySet

from engagements.models import Batch, BatchQuerySet, Delivery, Engagement

Rows = TypeVar("Rows", bound=QuerySet[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """By engagement, by the time [since, until), and by how a reason begins."""

    engagement: Engagement | None = None
    since: datetime | None = None
    until: datetime | None = None
    reason: str = ""

    def batches(self, state: Batch.State) -> BatchQuerySet:
        """The batches in this state; their time is that of their making."""
        found = self._within(Batch.objects.filter(state=state), "created_at")
        return found.order_by("pk")

    def deliveries(self, *states: Delivery.State) -> QuerySet[Delivery]:
        """The deliveries in these states; their time is that of their last change."""
        found = self._within(Delivery.objects.filter(state__in=states), "updated_at")
        return found.filter(reason__startswith=self.reason) if self.reason else found

    def _within(self, rows: Rows, field: str) -> Rows:
        if self.engagement:
            rows = rows.filter(run__engagement=self.engagement)
        if self.since:
            rows = rows.filter(**{f"{field}__gte": self.since})
        if self.until:
            rows = rows.filter(**{f"{field}__lt": self.until})
        return rows
