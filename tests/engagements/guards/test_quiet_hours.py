"""Nobody is sent in quiet hours, by each person's own clock."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from engagements import time_zones
from engagements.guards.quiet_hours import over_at

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = (time(22), time(8))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2026-01-10T20:59:59", None),
        ("2026-01-10T21:00", "2026-01-11T07:00"),
        ("2026-01-10T23:30", "2026-01-11T07:00"),
        ("2026-01-11T06:59:59", "2026-01-11T07:00"),
        ("2026-01-11T07:00", None),
        # The clocks go forward in this night, and back in that one.
        ("2026-03-28T22:00", "2026-03-29T06:00"),
        ("2026-10-24T21:00", "2026-10-25T07:00"),
    ],
)
def test_over_midnight(now, over):
    assert over_at(utc(now), BERLIN, *NIGHT) == (utc(over) if over else None)


def test_within_a_day():
    noon = (time(12), time(13, 30))
    assert over_at(utc("2026-01-10T10:59"), BERLIN, *noon) is None
    assert over_at(utc("2026-01-10T11:00"), BERLIN, *noon) == utc("2026-01-10T12:30")
    assert over_at(utc("2026-01-10T12:30"), BERLIN, *noon) is None


def test_an_end_that_the_clock_skips_is_as_much_later():
    """02:30 is not there on 29 March: at 03:30 it would be."""
    quiet = (time(1), time(2, 30))
    assert over_at(utc("2026-03-29T00:30"), BERLIN, *quiet) == utc("2026-03-29T01:30")


def test_an_hour_that_comes_twice_is_quiet_twice():
    quiet = (time(1), time(2, 30))
    first, second = utc("2026-10-25T00:15"), utc("2026-10-25T01:15")
    assert over_at(first, BERLIN, *quiet) == utc("2026-10-25T00:30")
    assert over_at(second, BERLIN, *quiet) == utc("2026-10-25T01:30")


def test_whoever_waits_is_sent_when_it_is_over_and_not_before():
    """In each zone, all hours of a year's two changes, against the clock itself."""
    step = timedelta(hours=5, minutes=45)
    for name in available_timezones():
        zone = ZoneInfo(name)
        for begins, ends in (NIGHT, (time(0, 30), time(2, 45))):
            for month in (3, 4, 9, 10, 11):
                now = datetime(2026, month, 1, tzinfo=UTC)
                while now.month == month:
                    over = over_at(now, zone, begins, ends)
                    at = now.astimezone(zone).time()
                    if begins < ends:
                        is_quiet = begins <= at < ends
                    else:
                        is_quiet = at >= begins or at < ends
                    assert (over is not None) is is_quiet, (name, now)
                    if over:
                        assert now < over <= now + timedelta(hours=25), (name, now)
                    now += step


@pytest.mark.parametrize(
    "name",
    [
        *("", None, "(GMT-08:00) Pacific", "Mars/Base", "../x", "\0", "UTC+2", "1"),
        # Files of the machine's that stand beside the zones.
        *("localtime", "Factory", "posixrules"),
    ],
)
def test_what_is_no_zone_is_the_fallback(name):
    assert time_zones.zone_of(name, "Asia/Tokyo").key == "Asia/Tokyo"
    assert time_zones.zone_of("America/Lima", "Asia/Tokyo").key == "America/Lima"
