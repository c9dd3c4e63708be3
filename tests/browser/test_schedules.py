"""The schedule's part of an engagement's form: the next times follow what one types."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests import factories
from tests.browser import looks
from tests.browser.conftest import Shot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def engagement(page: Page, sign_in: Callable[[Any], None]):
    factories.make_profile(timezone="Europe/Berlin")
    sign_in(factories.make_admin())
    return factories.make_engagement(
        trigger="schedule", repeat="daily", time_zone="Europe/Berlin", name="Statement"
    )


def test_the_next_times_follow_what_is_typed(page: Page, engagement, shot: Shot):
    looks.as_at_night(page)
    page.goto(engagement.get_absolute_url())
    times = page.locator("#next-times li")
    expect(times).to_have_count(5)
    page.locator("#id_starts_at").fill("2030-01-31T09:00")
    expect(times.first).to_contain_text("Thu 31 Jan 2030, 09:00 CET")
    expect(times.first).to_contain_text("08:00 UTC")

    page.locator("#id_repeat").select_option(label="Every month")
    page.get_by_label("Day of the month").select_option(label="The last day")
    expect(times.nth(1)).to_contain_text("Thu 28 Feb 2030")

    page.locator("#id_repeat").select_option(label="On chosen weekdays")
    expect(page.locator("#next-times")).to_contain_text("Choose at least one day.")
    page.get_by_label("Monday").focus()
    page.keyboard.press("Space")
    page.get_by_label("Friday").check()
    expect(times.first).to_contain_text("Fri 1 Feb 2030")
    looks.assert_whole(page, shot, "schedule-weekdays")

    page.locator("#id_repeat").select_option(label="By a cron expression")
    page.get_by_label("Cron expression").fill("0 25 * * *")
    expect(page.locator("#next-times")).to_contain_text("“25” is no hour")
    page.get_by_label("Cron expression").fill("30 9 1 * MON")
    expect(times.first).to_contain_text("Fri 1 Feb 2030, 09:30 CET")
    shot("schedule-cron")

    page.locator("#id_repeat").select_option(label="Every day")
    page.locator("#id_ends_at").fill("2030-02-01T12:00")
    expect(times).to_have_count(2)
    page.get_by_label("Each person’s own time zone").fill("timezone")
    expect(times.first).to_contain_text("09:00 where each person is")
    expect(times.first).to_contain_text("from Wed 30 Jan 2030, 19:00 UTC")
    looks.assert_whole(page, shot, "schedule-own-zone")

    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".lb-facts").nth(1)).to_contain_text(
        "Every day, starting on 31 January 2030 at 09:00 (Europe/Berlin), until 1 "
        "February 2030 at 12:00 (Europe/Berlin), in each person’s own zone (“timezone”)"
    )
    looks.assert_whole(page, shot, "schedule-saved")
    page.get_by_role("link", name="Activate").or_(
        page.get_by_role("button", name="Activate")
    ).first.click()
    expect(page.get_by_text("Zones that are not known")).to_be_visible()
    expect(page.locator(".engagement-times li")).to_have_count(2)
    looks.assert_whole(page, shot, "schedule-activate")


def test_the_time_zone_is_shown_with_what_it_is_for(page: Page, engagement, shot: Shot):
    looks.as_at_night(page)
    page.goto(engagement.get_absolute_url())
    zone = page.get_by_label("Time zone *", exact=True)
    clocks = page.get_by_text("The schedule’s times are of its clocks as well.")
    people = page.get_by_text("The people of a day count for")
    expect(zone).to_have_value("Europe/Berlin")
    expect(clocks).to_be_visible()
    expect(people).to_be_hidden()
    listening = [
        *("As soon as someone enters the segment", "On each qualifying event"),
        "As soon as someone leaves the segment",
    ]
    for trigger in listening:
        page.get_by_label(trigger).check()
        expect(zone).to_be_visible()
        expect(people).to_be_visible()
        expect(clocks).to_be_hidden()
    expect(page.get_by_text("Where a day begins and ends")).to_be_visible()
    zone.fill("Berlin")
    page.get_by_role("button", name="Save", exact=True).click()
    error = page.locator("#id_time_zone_error")
    expect(error).to_contain_text("There is no time zone “Berlin”.")
    page.get_by_label("Time zone *", exact=True).fill("Asia/Kolkata")
    looks.assert_whole(page, shot, "time-zone")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved.")).to_be_visible()
    engagement.refresh_from_db()
    assert engagement.time_zone == "Asia/Kolkata"


def test_the_calendar_shows_what_runs_and_what_may_clash(
    page: Page, sign_in: Callable[[Any], None], shot: Shot
):
    segment = factories.make_segment()
    kinds: dict[str, dict[str, Any]] = {
        "Monthly statement": {"repeat": "monthly", "month_day": 31},
        "Reminder": {"repeat": "weekdays", "weekdays": [0, 4]},
        "Digest": {"repeat": "weekly", "state": "draft"},
        "Balance": {"repeat": "hourly", "ends_at": datetime(2030, 3, 6, tzinfo=UTC)},
        "Birthday": {"repeat": "daily", "zone_attribute": "timezone"},
    }
    for name, fields in kinds.items():
        fields.setdefault("state", "active")
        factories.make_engagement(
            segment if name in ("Reminder", "Digest") else None,
            name=name,
            trigger="schedule",
            starts_at=datetime(2030, 3, 4, 9, tzinfo=UTC),
            activated_at=datetime(2030, 3, 1, tzinfo=UTC),
            **fields,
        )
    looks.as_at_night(page)
    sign_in(factories.make_admin())
    page.goto(f"{reverse('admin:engagements_calendar')}?day=2030-03-04")
    expect(page.get_by_role("heading", name="March 2030")).to_be_visible()
    expect(page.get_by_role("link", name="Monthly statement")).to_have_count(1)
    looks.assert_whole(page, shot, "calendar-month")
    page.get_by_text("May clash").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("the same hour and the same segment").first).to_be_visible()
    page.get_by_role("link", name="Week", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Week of 4 March 2030")).to_be_visible()
    expect(page.get_by_text("from then on 24×")).to_have_count(1)
    expect(page.get_by_text("where each person is")).to_have_count(7)
    looks.assert_whole(page, shot, "calendar-week")
    page.get_by_role("link", name="The week after").click()
    expect(page.get_by_role("heading", name="Week of 11 March 2030")).to_be_visible()
