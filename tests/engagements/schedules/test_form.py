"""The form says when it runs, in every way, and tells the next times while one types."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from engagements.authoring.forms import EngagementForm
from engagements.authoring.schedule_fields import ScheduleForm
from engagements.models import Engagement
from engagements.reporting import reports
from engagements.schedules import words
from lemnisk_braze.lib import database_clock
from tests import factories

pytestmark = pytest.mark.django_db

SCHEDULE = {"trigger": "schedule", "time_zone": "Europe/Berlin", "starts_at": "2030-03-01T09:00"}  # fmt: skip


def typed(**fields) -> ScheduleForm:
    form = ScheduleForm({**SCHEDULE, **fields})
    form.is_valid()
    return form


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"repeat": "weekdays"}, "weekdays", "Choose at least one day."),
        ({"repeat": "weekdays", "weekdays": ["7"]}, "weekdays", "not one of the"),
        ({"repeat": "monthly", "month_day": "32"}, "month_day", "not one of the"),
        ({"repeat": "cron"}, "cron", "Five fields are needed"),
        ({"repeat": "cron", "cron": "0 25 * * *"}, "cron", "“25” is no hour"),
        ({"repeat": "cron", "cron": "0 0 31 2 *"}, "cron", "does not come once"),
        ({"repeat": "daily", "ends_at": "2030-02-01T09:00"}, "ends_at", "before it starts"),
        ({"repeat": "daily", "ends_at": "2030-03-31T02:30"}, "ends_at", "skip this time"),
        ({"repeat": "once", "starts_at": "0001-01-01T00:00"}, "starts_at", "between the years 1970 and 2999"),
        ({"repeat": "daily", "starts_at": "9999-12-31T23:59"}, "starts_at", "1970 and 2999"),
        ({"repeat": "daily", "ends_at": "9999-12-31T23:59"}, "ends_at", "1970 and 2999"),
        ({"repeat": "hourly", "zone_attribute": "tz"}, "zone_attribute", "An hour is an hour"),
        ({"repeat": "daily", "time_zone": "Berlin"}, "time_zone", "There is no time zone"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(fields, field, words):
    form = typed(**fields)
    assert list(form.errors) == [field]
    assert words in form.errors[field][0]
    assert form.next_times == []
    assert form.schedule_problem == form.errors[field][0]


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        ({"repeat": "once"}, ["01"]),
        ({"repeat": "daily"}, ["01", "02", "03", "04", "05"]),
        ({"repeat": "weekdays", "weekdays": ["0", "2"]}, ["04", "06", "11", "13", "18"]),
        ({"repeat": "weekly"}, ["01", "08", "15", "22", "29"]),
        ({"repeat": "monthly", "month_day": "31"}, ["31", "30", "31", "30", "31"]),
        ({"repeat": "monthly"}, ["01"] * 5),
        ({"repeat": "cron", "cron": "0 9 10-11 * *"}, ["10", "11", "10", "11", "10"]),
        ({"repeat": "daily", "ends_at": "2030-03-02T12:00"}, ["01", "02"]),
    ],
)  # fmt: skip
def test_the_next_times_are_told(fields, days):
    times = typed(**fields).next_times
    assert [f"{time.at:%d}" for time in times] == days
    assert times[0].here.endswith("09:00 CET") or "09:00" in times[0].here


def test_they_are_told_where_the_viewer_is_as_well():
    (time,) = typed(repeat="once").next_times
    assert time.here == "Fri 1 Mar 2030, 09:00 CET"
    assert time.elsewhere == "Fri 1 Mar 2030, 08:00 UTC"
    (time,) = typed(repeat="once", time_zone="UTC").next_times
    assert (time.here, time.elsewhere) == ("Fri 1 Mar 2030, 09:00 UTC", "")


def test_where_each_person_is_they_are_told_from_the_first_to_the_last():
    (time,) = typed(repeat="once", zone_attribute=" tz ").next_times
    assert time.here == "Fri 1 Mar 2030, 09:00 where each person is"
    assert time.elsewhere == (
        "from Thu 28 Feb 2030, 19:00 UTC to Fri 1 Mar 2030, 21:00 UTC"
    )


@pytest.mark.parametrize(
    ("fields", "first", "count"),
    [
        ({"repeat": "once", "starts_at": ""}, "At once", 1),
        # In the past means now.
        ({"repeat": "once", "starts_at": "2020-03-01T09:00"}, "At once", 1),
        ({"repeat": "daily", "starts_at": ""}, "At once", 5),
        ({"repeat": "once", "starts_at": "", "zone_attribute": "tz"}, "At once, or as", 1),
    ],
)  # fmt: skip
def test_what_goes_out_when_it_is_activated_is_the_first_of_them(fields, first, count):
    times = typed(**fields).next_times
    assert len(times) == count
    assert times[0].here.startswith(first)
    assert not [time for time in times[1:] if time.here.startswith("At once")]


def test_of_one_at_work_no_run_is_told_that_an_activation_would_make():
    engagement = factories.make_engagement(
        trigger="schedule", state="active", activated_at=database_clock.now()
    )
    assert words.next_times(engagement, database_clock.now()) == []


def test_an_ended_one_tells_what_another_activation_would_do():
    engagement = factories.make_engagement(trigger="schedule", state="ended")
    factories.make_run(engagement, slot="once 2026", state="completed")
    (time,) = words.next_times(engagement, database_clock.now())
    assert time.here == "At once"


def test_what_belongs_to_another_kind_is_forgotten():
    form = typed(repeat="daily", weekdays=["1"], month_day="3", cron="0 9 * * *")
    assert form.is_valid()
    engagement = form.instance
    assert (engagement.weekdays, engagement.month_day, engagement.cron) == (
        [],
        None,
        "",
    )
    form = typed(trigger="on_entry", repeat="weekdays", zone_attribute="tz")
    assert form.is_valid(), form.errors
    assert form.instance.zone_attribute == ""


def whole(engagement=None, **fields) -> EngagementForm:
    return EngagementForm(
        {
            "name": "Monthly statement",
            "segment": factories.make_segment().pk,
            "version": factories.make_version({"attributes": []}, ()).pk,
            "ambiguous_policy": "park",
            **SCHEDULE,
            **fields,
        },
        instance=engagement,
    )


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"repeat": "weekdays", "weekdays": ["0", "1", "2", "3", "4"]},
            "From Monday to Friday, starting on 1 March 2030 at 09:00 (Europe/Berlin)",
        ),
        (
            {"repeat": "weekdays", "weekdays": ["1", "3"], "ends_at": "2030-04-01T00:00"},
            "Every Tuesday and Thursday, starting on 1 March 2030 at 09:00"
            " (Europe/Berlin), until 1 April 2030 at 00:00 (Europe/Berlin)",
        ),
        (
            {"repeat": "monthly", "month_day": "31", "zone_attribute": "tz"},
            "Every month on its last day, starting on 1 March 2030 at 09:00"
            " (Europe/Berlin), in each person’s own zone (“tz”)",
        ),
        (
            {"repeat": "monthly", "month_day": "5"},
            "Every month on day 5, starting on 1 March 2030 at 09:00 (Europe/Berlin)",
        ),
        (
            {"repeat": "cron", "cron": " 0  9 * * 1 ", "starts_at": ""},
            "By the cron expression “0 9 * * 1”, starting as soon as it is activated",
        ),
    ],
)  # fmt: skip
def test_what_is_saved_is_shown_again_and_said_in_a_sentence(fields, sentence):
    form = whole(**fields)
    assert form.is_valid(), form.errors
    engagement = form.save()
    engagement.refresh_from_db()
    assert reports.trigger_in_words(engagement) == sentence
    shown = EngagementForm(instance=engagement)
    again = whole(
        engagement,
        segment=engagement.segment_id,
        version=engagement.version_id,
        **{name: shown[name].value() or "" for name in fields},
    )
    assert again.is_valid(), again.errors
    changed = {"weekdays", "month_day", "cron", "ends_at", "starts_at"}
    assert not changed.intersection(again.changed_data)


def test_a_change_of_any_of_it_begins_anew():
    engagement = whole(repeat="monthly", month_day="5").save()
    before = engagement.schedule_set_at
    form = whole(
        engagement,
        segment=engagement.segment_id,
        version=engagement.version_id,
        repeat="monthly",
        month_day="6",
    )
    assert form.save().schedule_set_at > before


def test_the_page_draws_the_times_of_what_is_typed(admin_page):
    url = reverse("admin:engagements_engagement_times")
    typed = {**SCHEDULE, "repeat": "weekdays", "weekdays": ["0", "2"]}
    page = admin_page.post(url, typed).content.decode()
    assert page.count("<li>") == 5
    assert "Mon 4 Mar 2030, 09:00 CET" in page
    page = admin_page.post(url, {**SCHEDULE, "repeat": "cron", "cron": "9"}).content
    assert "Five fields are needed" in page.decode()
    assert not Engagement.objects.exists()


def test_nobody_without_a_right_asks_for_them(client):
    client.force_login(factories.make_user())
    url = reverse("admin:engagements_engagement_times")
    assert client.post(url, SCHEDULE).status_code == 403


def test_another_segment_loses_no_day_that_was_ticked(admin_page):
    url = reverse("admin:engagements_engagement_add")
    typed = {**SCHEDULE, "repeat": "weekdays", "weekdays": ["0", "2"], "_configure": "segment"}  # fmt: skip
    page = admin_page.post(url, typed)
    assert page.context["form"]["weekdays"].value() == ["0", "2"]


def test_times_are_shown_by_the_zone_of_the_engagement():
    start = datetime(2030, 7, 1, 9, tzinfo=ZoneInfo("America/New_York"))
    engagement = factories.make_engagement(
        trigger="schedule", repeat="daily", starts_at=start.astimezone(UTC),
        ends_at=start.astimezone(UTC), time_zone="America/New_York",
    )  # fmt: skip
    form = EngagementForm(instance=engagement)
    assert form["starts_at"].value() == form["ends_at"].value()
    assert f"{form['ends_at'].value():%H:%M}" == "09:00"


def test_a_change_of_the_days_is_in_the_history(admin_page):
    """Days are a list, which no other field of the form is."""
    engagement = whole(repeat="weekdays", weekdays=["0"]).save()
    page = admin_page.get(engagement.get_absolute_url())
    form = page.context["form"]
    typed = {one.html_name: one.value() for one in form if one.value() is not None}
    typed |= {"starts_at": "2030-03-01T09:00", "weekdays": ["0", "4"]}
    assert admin_page.post(engagement.get_absolute_url(), typed).status_code == 302
    said = LogEntry.objects.latest("pk").change_message
    assert "On these days: Monday → Monday, Friday." in said
    assert "Starts" not in said


HIDDEN = {"starts_at": "0001-01-01T00:00", "ends_at": "soon", "month_day": "32", "cron": "x", "weekdays": ["9"], "zone_attribute": "z" * 300}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"trigger": "on_entry"}, {}),
        ({"repeat": "once", "starts_at": "2030-03-01T09:00", "zone_attribute": ""}, {}),
        ({"repeat": "monthly", "month_day": "5"}, {"starts_at", "ends_at", "zone_attribute"}),
    ],
)  # fmt: skip
def test_what_is_not_shown_is_not_wrong(fields, left):
    form = typed(**{"repeat": "once", **HIDDEN, **fields})
    assert set(form.errors) == set(left)
