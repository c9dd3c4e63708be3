"""Slots against an oracle: ten years, and every zone whose clocks ever changed.

The oracle knows nothing of offsets or of what is before and after: it writes down every
minute's reading in a zone, once from the first to the last, and looks readings up.
"""

import calendar
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest

from engagements.schedules.slots import Schedule

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
TEN_YEARS = (datetime(2006, 1, 1, tzinfo=UTC), datetime(2016, 1, 1, tzinfo=UTC))
# A schedule of every kind, and of cron those that have a reading in most gaps.
KINDS: dict[str, dict[str, Any]] = {
    "once": {"repeat": "once"},
    "hourly": {"repeat": "hourly"},
    "daily": {"repeat": "daily"},
    "weekdays": {"repeat": "weekdays", "weekdays": (0, 5, 6)},
    "weekly": {"repeat": "weekly"},
    "monthly": {"repeat": "monthly", "month_day": 31},
    "cron": {"repeat": "cron", "cron": "*/30 0-3 * * SUN,FRI"},
    "cron of days": {"repeat": "cron", "cron": "15 2 28-31 * MON"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Of a zone's clocks at a moment, and what they show from `begin` to `end`."""

    zone: ZoneInfo
    at: datetime
    begin: datetime
    end: datetime
    readings: Sequence[tuple[datetime, datetime]]


# --- The oracle -----------------------------------------------------------------------


def is_reading(kind: dict[str, Any], start: datetime, wall: datetime) -> bool:
    """Whether a wall clock's minute is one of the schedule's, said plainly."""
    same_time = (wall.hour, wall.minute) == (start.hour, start.minute)
    match kind["repeat"]:
        case "once":
            return wall == start
        case "daily":
            return same_time
        case "weekdays":
            return same_time and wall.weekday() in kind["weekdays"]
        case "weekly":
            return same_time and wall.weekday() == start.weekday()
        case "monthly":
            last = calendar.monthrange(wall.year, wall.month)[1]
            return same_time and wall.day == last
    if kind["cron"].startswith("*/30"):
        return (
            wall.minute in (0, 30) and wall.hour < 4 and wall.weekday() in (4, 6)
        )  # fmt: skip
    return (wall.hour, wall.minute) == (2, 15) and (
        wall.day >= 28 or wall.weekday() == 0
    )


def changes(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """The minutes from which another offset holds, found by looking at each five days."""
    at = begin
    while at < end:
        following = at + 5 * DAY
        if at.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            before = at.astimezone(zone).utcoffset()
            for step in (DAY, HOUR, MINUTE):
                while (at + step).astimezone(zone).utcoffset() == before:
                    at += step
            yield at + MINUTE
        at = following


def readings(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:  # fmt: skip
    """What the zone's clock shows, minute by minute: (a moment, its reading).

    A reading comes when it is shown for the first time. Where the clock jumps, the
    readings between come as much later as it jumped.
    """
    shown: set[datetime] = set()
    at = begin - 3 * HOUR
    last = at.astimezone(zone).replace(tzinfo=None) - MINUTE
    while at < end:
        wall = at.astimezone(zone).replace(tzinfo=None)
        jump = wall - last - MINUTE
        skipped = last + MINUTE
        while jump and skipped < wall:
            yield at + (skipped - last - MINUTE), skipped
            skipped += MINUTE
        if wall not in shown:
            yield at, wall
        shown.add(wall)
        last = wall
        at += MINUTE


def walk(kind: dict[str, Any], start: datetime, change: Change) -> list[datetime]:
    """The moments of the schedule's slots about a change, minute by minute."""
    first = start.astimezone(change.zone).replace(tzinfo=None)
    found = {at for at, wall in change.readings if is_reading(kind, first, wall)}
    return sorted(at for at in found if change.begin <= at < change.end and at >= start)


def slots(schedule: Schedule, begin: datetime, end: datetime) -> list[datetime]:
    coming = schedule.upcoming(begin - timedelta(microseconds=1))
    return [slot.at for slot in takewhile(lambda slot: slot.at < end, coming)]


def newest(schedule: Schedule, moments: Iterable[datetime]) -> list[datetime | None]:
    found = [schedule.newest(at) for at in moments]
    return [slot.at if slot else None for slot in found]


# --- About each change of the clocks --------------------------------------------------


def kinds_of_change() -> list[tuple[ZoneInfo, datetime]]:
    """One of each: from this offset to that one, at this time, on this day of a month.

    Of changes that are alike in all of that, nothing that a schedule reads is different.
    """
    found: dict[object, tuple[ZoneInfo, datetime]] = {}
    seen: set[object] = set()
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        own = tuple(_offsets(zone))
        if own in seen:
            continue
        seen.add(own)
        for at in changes(zone, *TEN_YEARS):
            before, after = (at - MINUTE).astimezone(zone), at.astimezone(zone)
            kind = (before.utcoffset(), after.utcoffset(), before.time())
            found.setdefault(kind, (zone, at))
    return list(found.values())


def _offsets(zone: ZoneInfo) -> Iterator[object]:
    at = TEN_YEARS[0]
    while at < TEN_YEARS[1]:
        yield at.astimezone(zone).utcoffset()
        at += 5 * DAY


@pytest.fixture(scope="module")
def every_change() -> list[Change]:
    found = kinds_of_change()
    assert len(found) > 100
    assert any(zone.key == "Pacific/Apia" for zone, _ in found)
    return [change_of(zone, at) for zone, at in found]


def change_of(zone: ZoneInfo, at: datetime) -> Change:
    begin, end = at - 3 * HOUR, at + window(zone, at)
    shown = [*readings(zone, begin, end)]
    return Change(zone=zone, at=at, begin=begin, end=end, readings=shown)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"hourly"}))
def test_slots_are_those_of_the_oracle_about_every_change(every_change, name):
    for change in every_change:
        kind, zone = KINDS[name], change.zone
        for start in starts(name, zone, change.at):
            schedule = Schedule(start=start, zone=zone, **kind)
            expected = walk(kind, start, change)
            case = (zone.key, change.at, start.astimezone(zone))
            assert slots(schedule, change.begin, change.end) == expected, case
            for at in expected:
                assert newest(schedule, [at, at + 4 * MINUTE]) == [at, at], case


def window(zone: ZoneInfo, change: datetime) -> timedelta:
    """How long after it something may be out of the order: as far as clocks were put."""
    before, after = (change - MINUTE).astimezone(zone), change.astimezone(zone)
    offsets = before.utcoffset() or HOUR * 0, after.utcoffset() or HOUR * 0
    return abs(offsets[1] - offsets[0]) + 2 * HOUR


def starts(name: str, zone: ZoneInfo, change: datetime) -> Iterator[datetime]:
    """Weeks before, on the same weekday, at times that the change skips or shows twice."""
    before = (change - MINUTE).astimezone(zone).replace(tzinfo=None) + MINUTE
    back = 1 * DAY if name == "once" else 28 * DAY
    for minutes in (-20, 10):
        wall = before + minutes * MINUTE
        if name == "once":
            yield wall.replace(tzinfo=zone).astimezone(UTC)
        else:
            yield (wall - back).replace(tzinfo=zone).astimezone(UTC)


# --- Ten years by days ----------------------------------------------------------------


QUARTERS = [time(hour, minute) for hour in range(24) for minute in (0, 15, 30, 45)]


@pytest.fixture(scope="module")
def ten_years() -> list[datetime]:
    """What a clock shows in the years, by days and quarters of an hour."""
    days = (TEN_YEARS[0].date() + n * DAY for n in range(3652))
    found = [datetime.combine(day, quarter) for day in days for quarter in QUARTERS]
    assert found[-1] == datetime(2015, 12, 31, 23, 45)
    return found


@pytest.mark.parametrize("name", ["daily", "weekdays", "weekly", "monthly", "cron of days"])  # fmt: skip
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns"])
def test_ten_years_have_each_reading_once(name, zone, ten_years):
    zone, kind = ZoneInfo(zone), KINDS[name]
    wall = datetime(2006, 1, 5, 2, 30)
    schedule = Schedule(start=wall.replace(tzinfo=zone), zone=zone, **kind)
    end = TEN_YEARS[1]
    found = [
        slot.reading
        for slot in takewhile(lambda s: s.at < end, schedule.upcoming(TEN_YEARS[0]))
    ]
    assert found == [
        one for one in ten_years if one >= wall and is_reading(kind, wall, one)
    ]


def test_hours_are_hours(every_change):
    for change in every_change:
        start = change.at - 3 * DAY + 10 * MINUTE
        schedule = Schedule(start=start, zone=change.zone, repeat="hourly")
        found = slots(schedule, change.at - 3 * HOUR, change.at + 3 * HOUR)
        assert found == [change.at + n * HOUR + 10 * MINUTE for n in range(-3, 3)]


# --- Beginnings and ends --------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")


def at(day: int, hour: int, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=BERLIN)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_nothing_comes_before_the_start_or_after_the_end(name):
    start, end = at(2, 2), at(31, 3)
    schedule = Schedule(start=start, end=end, zone=BERLIN, **KINDS[name])
    found = slots(schedule, at(1, 0, month=1), at(1, 0, month=12))
    assert found, name
    assert start <= found[0], name
    assert found[-1] <= end, name
    assert schedule.newest(start - MINUTE) is None
    assert schedule.newest(at(1, 0, month=12)).at == found[-1]
    assert list(schedule.upcoming(end)) == []


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (31, ["01-31", "02-28", "03-31", "04-30"]),
        (30, ["01-30", "02-28", "03-30", "04-30"]),
        (29, ["01-29", "02-28", "03-29", "04-29"]),
        (15, ["01-15", "02-15", "03-15", "04-15"]),
    ],
)
def test_where_a_month_is_shorter_its_last_day_counts(day, expected):
    schedule = Schedule(
        start=at(1, 9, month=1), zone=BERLIN, repeat="monthly", month_day=day
    )
    found = slots(schedule, at(1, 0, month=1), at(2, 0, month=5))
    assert [f"{one.astimezone(BERLIN):%m-%d}" for one in found][:4] == expected


def test_day_of_month_or_weekday_is_enough_for_cron():
    """cron-expression#61: January 2025, on day 1 or Mondays."""
    start = datetime(2025, 1, 1, tzinfo=UTC)
    schedule = Schedule(start=start, zone=UTC, repeat="cron", cron="30 0 1 * MON")
    found = slots(schedule, start, datetime(2025, 2, 1, tzinfo=UTC))
    assert [one.date() for one in found] == [date(2025, 1, d) for d in (1, 6, 13, 20, 27)]  # fmt: skip


def test_a_schedule_may_begin_at_the_second_reading_of_a_time():
    """02:30 on 25 October, when the clock shows it again: then once a day."""
    start = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    schedule = Schedule(start=start, zone=BERLIN, repeat="daily")
    assert newest(schedule, [start - MINUTE, start]) == [None, start]
    following = datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert next(schedule.upcoming(start)).at == following
