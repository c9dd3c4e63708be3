"""Who waits to be sent, and until when: the rows below a report's “Waiting”."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, Q, Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from engagements.models import PEOPLE_LEFT, Batch

# Values of the filter of the list of batches, and what each is of those who wait. Where
# the other side asked to wait no attempt is used up, and the state is what it was.
_NOT_DUE = Q(state=Batch.State.PENDING, next_attempt_at__gt=Now())
LATER = _NOT_DUE & Q(written_at=None)
AGAIN = Q(state=Batch.State.RETRY) | _NOT_DUE & Q(written_at__isnull=False)
FILTERS = {
    "yes": Q(state__in=Batch.OPEN),
    "later": LATER,
    "again": AGAIN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """People who wait: in all, due later (`first` of all), to try again."""

    people: int
    later: int
    first: datetime | None
    again: int

    @property
    def parts(self) -> dict[str, tuple[str, int]]:
        """By the filter's value that opens them: words, and how many; not who is next."""
        parts = {}
        if self.first:
            local = timezone.localtime(self.first)
            when = f"{local:%-d %b %Y, %H:%M} {local.tzname()}"
            words = f"Not due yet, such as in quiet hours: the first on {when}"
            parts["later"] = words, self.later
        if self.again:
            parts["again"] = "Will be tried again, after an error", self.again
        return parts


def of(whose: Mapping[str, object]) -> Waiting:
    """Those who wait of the batches that this filters, in one statement."""
    found = (
        Batch.objects.filter(**whose)
        .open()
        .aggregate(
            people=Coalesce(Sum(PEOPLE_LEFT), 0),
            later=Coalesce(Sum(PEOPLE_LEFT, filter=LATER), 0),
            first=Min("next_attempt_at", filter=LATER),
            again=Coalesce(Sum(PEOPLE_LEFT, filter=AGAIN), 0),
        )
    )
    return Waiting(**found)
