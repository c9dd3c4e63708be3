"""Every zone's changes of the clock: one run a reading of the wall clock, whatever it does."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from engagements.lifecycle.schedule import newest_slot, next_slot

FIRST, LAST = datetime(2011, 1, 1, tzinfo=UTC), datetime(2036, 12, 31, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
TICK = 15 * MINUTE


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """The minutes from which another offset holds."""
    at = FIRST
    while at < LAST:
        following = at + 7 * DAY
        if at.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            low, high = at, following
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                same = low.astimezone(zone).utcoffset()
                if middle.astimezone(zone).utcoffset() == same:
                    low = middle
                else:
                    high = middle
            yield high
        at = following


def kinds() -> list[tuple[ZoneInfo, datetime]]:
    """One change of each kind: from this offset to that one, at this time of the day.

    Of changes that are alike in that, nothing that a schedule reads is different.
    """
    found: dict[object, tuple[ZoneInfo, datetime]] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for at in changes(zone):
            before, after = ((at - MINUTE).astimezone(zone), at.astimezone(zone))
            kind = (before.utcoffset(), after.utcoffset(), before.time())
            found.setdefault(kind, (zone, at))
    return list(found.values())


@pytest.fixture(scope="module")
def changes_of_all_zones() -> list[tuple[ZoneInfo, datetime]]:
    found = kinds()
    assert len(found) > 100
    assert any(zone.key == "Pacific/Apia" for zone, _ in found)
    return found


def change(zone: ZoneInfo, at: datetime) -> timedelta:
    """How far the clocks are put forward."""
    before, after = (at - MINUTE).astimezone(zone), at.astimezone(zone)
    return after.utcoffset() - before.utcoffset()  # type: ignore[operator]


def shown(zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """What the clock shows at each quarter of an hour, without a zone."""
    count = (end - start) // TICK
    moments = (start + number * TICK for number in range(count))
    return [moment.astimezone(zone).replace(tzinfo=None) for moment in moments]


def starts(zone: ZoneInfo, at: datetime) -> Iterator[datetime]:
    """Schedules that begin days before, at quarters of an hour about the change."""
    before = (at - MINUTE).astimezone(zone).replace(tzinfo=None) + MINUTE
    for quarters in (-5, -2, 0, 1, 2, 4, 6):
        wall = before + quarters * TICK - 3 * DAY
        yield wall.replace(second=0, microsecond=0, tzinfo=zone).astimezone(UTC)


def runs_of(
    start: datetime, repeat: str, zone: ZoneInfo, at: datetime
) -> list[datetime]:
    """The slots that ticks find about a change; what came next was said before."""
    found = []
    tick = at - DAY
    following = next_slot(start, repeat, zone, tick)
    newest = newest_slot(start, repeat, zone, tick)
    while tick < at + 2 * DAY:
        tick += TICK
        slot = newest_slot(start, repeat, zone, tick)
        if slot != newest:
            assert slot == following, (zone, start, slot)
            newest = slot
            if slot:
                found.append(slot)
        following = next_slot(start, repeat, zone, tick)
        assert slot is not None and following is not None
        assert following > tick >= slot
    return found


def test_a_daily_schedule_has_one_run_a_day_that_there_is(changes_of_all_zones):
    for zone, at in changes_of_all_zones:
        clock = shown(zone, at - DAY, at + 2 * DAY + TICK)
        for start in starts(zone, at):
            wall = start.astimezone(zone).time()
            runs = [run.astimezone(zone) for run in runs_of(start, "daily", zone, at)]
            case = (zone.key, at, wall)
            days = []
            for run in runs:
                slot = run.replace(tzinfo=None)
                if slot.time() != wall:
                    # It was skipped, and goes out as much later.
                    slot -= change(zone, at)
                    assert slot not in clock, case
                # Where the clock shows it twice, the first time.
                assert (slot.time(), run.fold) == (wall, 0), case
                days.append(slot.date())
            assert days == sorted(set(days)), case
            assert set(sorted({one.date() for one in clock})[1:-1]) <= set(days), case


def test_an_hourly_schedule_has_one_run_an_hour(changes_of_all_zones):
    for zone, at in changes_of_all_zones:
        start = at - 3 * DAY + 10 * MINUTE
        runs = runs_of(start, "hourly", zone, at)
        apart = {later - one for one, later in zip(runs, runs[1:], strict=False)}
        assert apart == {timedelta(hours=1)}, (zone.key, at)


def test_a_weekly_schedule_keeps_its_wall_clock(changes_of_all_zones):
    for zone, at in changes_of_all_zones:
        start = (at - 10 * DAY).astimezone(zone).replace(second=0)
        first = newest_slot(start, "weekly", zone, at)
        second = next_slot(start, "weekly", zone, at + 2 * DAY)
        wall = start.replace(tzinfo=None)
        assert first.astimezone(zone).replace(tzinfo=None) - wall == 7 * DAY
        assert second.astimezone(zone).replace(tzinfo=None) - wall == 14 * DAY


def test_samoa_had_no_30_december_in_2011():
    apia = ZoneInfo("Pacific/Apia")
    start = datetime(2011, 12, 27, 9, tzinfo=apia)
    runs = runs_of(start, "daily", apia, datetime(2011, 12, 30, 10, tzinfo=UTC))
    days = [run.astimezone(apia).date() for run in runs]
    assert date(2011, 12, 29) in days and date(2011, 12, 31) in days
    assert date(2011, 12, 30) not in days
    assert len(days) == len(set(days))


def test_a_schedule_that_begins_the_second_time_goes_on_with_the_first():
    """02:30 on 25 October, when the clock shows it again: then once a day."""
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert newest_slot(start, "daily", berlin, start - MINUTE) is None
    assert newest_slot(start, "daily", berlin, start) == start
    following = datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert next_slot(start, "daily", berlin, start) == following
