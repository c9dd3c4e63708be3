"""Which readings of the wall clock a schedule has: days and times of day, without a zone.

Every kind but the hourly one, whose hours are hours. All begin with `start`, and keep its
time of day; a cron expression has its own.
"""

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from engagements.models import Engagement
from engagements.schedules import cron

Repeat = Engagement.Repeat
DAY = timedelta(days=1)
WEEK = 7
# The day of the month that means its last, in every month.
LAST_DAY = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """The readings from `start` on; weekdays from Monday, 0."""

    start: datetime
    repeat: str
    weekdays: tuple[int, ...] = ()
    month_day: int | None = None
    cron: str = ""

    def after(self, wall: datetime) -> Iterator[datetime]:
        """Those after this reading, in order."""
        if self.repeat == Repeat.CRON:
            before = max(wall, self.start - timedelta(microseconds=1))
            # It knows no seconds: the start's own minute is one of its readings.
            yield from (at for at in cron.after(self.cron, before) if at > before)
            return
        if self.repeat == Repeat.ONCE:
            yield from [self.start] if self.start > wall else []
            return
        day = max(wall, self.start).date()
        while True:
            reading = datetime.combine(day, self.start.time())
            if reading > wall and reading >= self.start and self._has(day):
                yield reading
            if day == date.max:
                return
            day += DAY

    def until(self, wall: datetime) -> Iterator[datetime]:
        """Those up to this reading, the newest first."""
        if self.repeat == Repeat.CRON:
            for at in cron.until(self.cron, wall):
                if at < self.start:
                    return
                yield at
            return
        day = wall.date()
        while day >= self.start.date():
            reading = datetime.combine(day, self.start.time())
            if self.start <= reading <= wall and self._has(day):
                yield reading
            day -= DAY

    def _has(self, day: date) -> bool:
        has: Callable[[Readings, date], bool] = _HAS[Repeat(self.repeat)]
        return has(self, day)


def _is_of_month(readings: Readings, day: date) -> bool:
    """Where a month is shorter, its last day."""
    last = calendar.monthrange(day.year, day.month)[1]
    return day.day == min(readings.month_day or readings.start.day, last)


_HAS: dict[Repeat, Callable[[Readings, date], bool]] = {
    Repeat.ONCE: lambda self, day: day == self.start.date(),
    Repeat.DAILY: lambda self, day: True,
    Repeat.WEEKDAYS: lambda self, day: day.weekday() in self.weekdays,
    Repeat.WEEKLY: lambda self, day: (day - self.start.date()).days % WEEK == 0,
    Repeat.MONTHLY: _is_of_month,
}
