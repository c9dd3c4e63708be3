"""The last day of a source: how many messages were applied in each minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lemnisk_braze.lib.pages import chart
from segments.models import IntakeMinute, Source

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
# A bar is the busiest minute of so long: one for each minute would be finer than a screen.
STEP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Messages that were applied from `at` on, and in the busiest of its minutes."""

    at: datetime
    messages: int
    busiest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The last 24 hours: `steps` for the picture, `hours` for the table, oldest first."""

    steps: Sequence[Span]
    hours: Sequence[Span]

    @property
    def messages(self) -> int:
        return sum(span.messages for span in self.steps)

    @property
    def last_hour(self) -> int:
        return sum(span.messages for span in self.steps[-(HOUR // STEP) :])

    @property
    def busiest(self) -> Span:
        return max(self.steps, key=lambda span: span.busiest)

    @property
    def top(self) -> int:
        return chart.nice(self.busiest.busiest)

    @property
    def bars(self) -> Sequence[chart.Bar]:
        return chart.bars([span.busiest for span in self.steps], self.top)

    @property
    def times(self) -> Sequence[datetime]:
        return [span.at for span in self.hours[::6]]


def read(source: Source, now: datetime) -> Activity:
    """The day up to `now`, in UTC: 1,440 rows at most."""
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    counted = dict(
        IntakeMinute.objects.filter(
            source_id=source.pk, minute__gte=end - DAY, minute__lt=end
        ).values_list("minute", "applied")
    )
    return Activity(steps=_spans(counted, end, STEP), hours=_spans(counted, end, HOUR))


def _spans(
    counted: dict[datetime, int], end: datetime, length: timedelta
) -> list[Span]:
    number = DAY // length
    sums, busiest = [0] * number, [0] * number
    for minute, messages in counted.items():
        place = (minute - (end - DAY)) // length
        sums[place] += messages
        busiest[place] = max(busiest[place], messages)
    return [
        Span(at=end - DAY + place * length, messages=sums[place], busiest=most)
        for place, most in enumerate(busiest)
    ]
