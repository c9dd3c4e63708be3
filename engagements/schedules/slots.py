"""When a schedule's slots are.

A slot is a reading of the wall clock, "25 October, 02:30", and has one run however often
the clock shows it: the first time. One that the clocks skip goes out as much later as they
were put forward; where another falls on the same moment they are one. Hours are hours,
whatever clocks show. All of that holds for every kind of schedule.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from engagements.models import Engagement
from engagements.schedules import years
from engagements.schedules.readings import Readings

Repeat = Engagement.Repeat
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
# How long after clocks were put forward a reading that they skipped may go out, at most:
# a zone that changes sides of the date line skips a day.
SKIPPED = timedelta(hours=26)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """When it is, and the reading of the clock that its run is known by.

    `reading`: the same as a value, without a zone; of an hourly one in UTC.
    """

    at: datetime
    name: str
    reading: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """From `start`, which is a slot where its day is one, to `end`; both are moments."""

    start: datetime
    repeat: str
    zone: tzinfo
    end: datetime | None = None
    weekdays: tuple[int, ...] = ()
    month_day: int | None = None
    cron: str = ""

    def newest(self, now: datetime) -> Slot | None:
        """The newest slot that is due at `now`; None before the first."""
        if self.end is not None:
            now = min(now, self.end)
        if now < self.start:
            return None
        if self.repeat == Repeat.ONCE:
            return self._slot(self._start)
        if self.repeat == Repeat.HOURLY:
            return self._hour((now - self._utc) // HOUR)
        found: Slot | None = None
        skipped = self._put_forward(now)
        for reading in self._readings.until(max(self._wall(now), self._old_wall(now))):
            if found and reading < found.reading - skipped:
                break
            slot = self._slot(reading)
            if self.start <= slot.at <= now and (found is None or slot.at > found.at):
                found = slot
        return found

    def upcoming(self, now: datetime) -> Iterator[Slot]:
        """The slots after `now`, in order, to the last; there may be no end of them."""
        for slot in self._upcoming(now):
            if self.end is not None and slot.at > self.end:
                return
            yield slot

    def _upcoming(self, now: datetime) -> Iterator[Slot]:
        now = max(now, self.start - MOMENT)
        if self.repeat == Repeat.HOURLY:
            number = (now - self._utc) // HOUR + 1
            while True:
                yield self._hour(number)
                number += 1
        # A reading that clocks skip may come after a later one that they show.
        waiting: list[tuple[datetime, datetime]] = []
        for reading in self._readings.after(
            min(self._wall(now), self._old_wall(now)) - MOMENT
        ):
            at = self._at(reading)
            surely = at - self._put_forward(at)
            yield from self._come(waiting, surely)
            if at > now:
                heapq.heappush(waiting, (at, reading))
        yield from self._come(waiting, None)

    def _come(
        self, waiting: list[tuple[datetime, datetime]], before: datetime | None
    ) -> Iterator[Slot]:
        """Those that no later reading can come before; of a moment's the last reading."""
        while waiting and (before is None or waiting[0][0] < before):
            at, reading = heapq.heappop(waiting)
            if not (waiting and waiting[0][0] == at):
                yield self._slot(reading)

    # One reading

    @property
    def _utc(self) -> datetime:
        """The start, where an hour later is an hour later."""
        return self.start.astimezone(UTC)

    @property
    def _start(self) -> datetime:
        return self._wall(self.start)

    @property
    def _readings(self) -> Readings:
        return Readings(
            start=self._start,
            repeat=self.repeat,
            weekdays=self.weekdays,
            month_day=self.month_day,
            cron=self.cron,
        )

    def _slot(self, reading: datetime) -> Slot:
        name = f"{reading:%Y-%m-%dT%H:%M:%S.%f}"
        return Slot(at=self._at(reading), name=name, reading=reading)

    def _at(self, reading: datetime) -> datetime:
        # The first may be the clock's second reading of this time.
        if reading == self._start:
            return self._utc
        return reading_at(reading, self.zone)

    def _hour(self, number: int) -> Slot:
        at = self._utc + number * HOUR
        name = f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
        return Slot(at=at, name=name, reading=at.replace(tzinfo=None))

    # What clocks do

    def _wall(self, at: datetime) -> datetime:
        return at.astimezone(self.zone).replace(tzinfo=None)

    def _old_wall(self, at: datetime) -> datetime:
        """What the clock would show had nobody touched it lately."""
        return at.astimezone(UTC).replace(tzinfo=None) + self._offset(at - SKIPPED)

    def _put_forward(self, at: datetime) -> timedelta:
        """By how much clocks were put forward lately."""
        return max(self._offset(at) - self._offset(at - SKIPPED), timedelta(0))

    def _offset(self, at: datetime) -> timedelta:
        return at.astimezone(self.zone).utcoffset() or timedelta(0)


def reading_at(reading: datetime, zone: tzinfo) -> datetime:
    """When a clock shows this for the first time; one that it skips as much later."""
    return reading.replace(tzinfo=zone, fold=0).astimezone(UTC)


def of(engagement: Engagement, start: datetime) -> Schedule:
    """The schedule of an engagement in its named zone, from `start`."""
    return Schedule(
        start=start,
        repeat=engagement.repeat,
        zone=ZoneInfo(engagement.time_zone),
        end=years.end(engagement),
        weekdays=tuple(engagement.weekdays),
        month_day=engagement.month_day,
        cron=engagement.cron,
    )
