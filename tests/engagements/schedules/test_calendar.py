"""The calendar shows what will run, and what may clash."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from engagements.schedules import calendar
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2030, 3, 4, 0, 0, tzinfo=UTC)  # a Monday


def make(name: str, hour: int = 9, minute: int = 0, **fields):
    fields.setdefault("state", "active")
    fields.setdefault("repeat", "weekly")
    fields.setdefault("starts_at", NOW.replace(hour=hour, minute=minute))
    fields.setdefault("activated_at", NOW - timedelta(days=1))
    return factories.make_engagement(name=name, trigger="schedule", **fields)


def shown(days: int = 7, zone: str = "UTC") -> dict[str, list[str]]:
    found = calendar.of(NOW.date(), days, NOW, ZoneInfo(zone))
    return {
        f"{day.date:%a}": [
            f"{entry.reading:%H:%M} {entry.engagement.name} ×{entry.count}"
            for entry in day.entries
        ]
        for day in found.days
        if day.entries
    }


def clashes(days: int = 7) -> dict[str, list[str]]:
    found = calendar.of(NOW.date(), days, NOW, UTC)
    return {
        entry.engagement.name: entry.clashes
        for day in found.days
        for entry in day.entries
        if entry.clashes
    }


def test_it_shows_what_is_active_and_drafts():
    make("weekly", 9)
    make("draft", 8, state="draft", repeat="weekdays", weekdays=[0, 4])
    make("paused", 7, state="paused")
    make("ended", 7, state="ended")
    make("entry", 7).__class__.objects.filter(name="entry").update(trigger="on_entry")
    assert shown() == {
        "Mon": ["08:00 draft ×1", "09:00 weekly ×1"],
        "Fri": ["08:00 draft ×1"],
    }


def test_what_runs_often_stands_once_a_day():
    make("hourly", 22, repeat="hourly")
    assert shown(2) == {"Mon": ["22:00 hourly ×2"], "Tue": ["00:00 hourly ×24"]}


def test_what_is_over_is_not_shown():
    make("before", starts_at=NOW - timedelta(hours=3), repeat="daily", ends_at=NOW)
    assert shown() == {}


def test_it_is_by_the_clocks_of_the_viewer():
    make("late", 23)
    assert shown(2, "Asia/Tokyo") == {"Tue": ["08:00 late ×1"]}


def test_each_persons_own_time_is_what_clocks_show():
    make("own", 9, starts_at=NOW + timedelta(days=3, hours=9), zone_attribute="tz")
    assert shown(7, "Asia/Tokyo") == {"Thu": ["09:00 own ×1"]}


def test_two_of_a_segment_in_an_hour_may_clash():
    segment = factories.make_segment()
    make("one", 9, 5, segment=segment)
    make("two", 9, 55, segment=segment)
    make("later", 10, 0, segment=segment)
    assert clashes() == {
        "one": ["two: the same hour and the same segment"],
        "two": ["one: the same hour and the same segment"],
    }


def test_segments_clash_where_somebody_is_in_both():
    person = factories.make_profile()
    make("one", segment=factories.make_segment([person]))
    make("two", segment=factories.make_segment([person, factories.make_profile()]))
    make("other", segment=factories.make_segment([factories.make_profile()]))
    assert clashes() == {
        "one": ["two: the same hour, and now somebody is in both segments"],
        "two": ["one: the same hour, and now somebody is in both segments"],
    }


def test_a_page_of_more_than_it_shows_says_so(monkeypatch):
    monkeypatch.setattr(calendar, "MOST_TIMES", 10)
    make("hourly", 0, repeat="hourly")
    assert calendar.of(NOW.date(), 1, NOW, UTC).is_cut
    monkeypatch.setattr(calendar, "MOST_TIMES", 30)
    assert not calendar.of(NOW.date(), 1, NOW, UTC).is_cut


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({"day": "2030-03-04"}, date(2030, 2, 25), date(2030, 3, 31)),
        ({"day": "2027-02-10"}, date(2027, 2, 1), date(2027, 2, 28)),
        ({"day": "2030-12-31"}, date(2030, 11, 25), date(2031, 1, 5)),
        ({"day": "2030-03-06", "view": "week"}, date(2030, 3, 4), date(2030, 3, 10)),
    ],
)
def test_a_page_has_whole_weeks(admin_page, asked, first, last):
    page = admin_page.get(reverse("admin:engagements_calendar"), asked)
    days = [day.date for day in page.context["days"]]
    assert (days[0], days[-1]) == (first, last)
    assert len(days) % 7 == 0


@pytest.mark.parametrize(
    "day", ["", "nonsense", "2030-02-31", "9999-12-31", "0001-01-01"]
)
def test_an_odd_day_is_today(admin_page, day):
    page = admin_page.get(reverse("admin:engagements_calendar"), {"day": day})
    assert page.context["day"] == page.context["today"]


def test_nobody_without_the_right_opens_it(client):
    client.force_login(factories.make_user())
    assert client.get(reverse("admin:engagements_calendar")).status_code == 403
