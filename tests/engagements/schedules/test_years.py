"""Starts and ends of before there were limits: pages and tasks go on, and say so."""

from datetime import UTC, datetime

import pytest
from django.core import mail
from django.urls import reverse

from engagements.lifecycle import approval_mail, transitions
from engagements.models import ApprovalLimit, Engagement, Run
from engagements.schedules import making
from lemnisk_braze.lib import database_clock
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
# A zone that is behind UTC, and one that is ahead of it.
ZONES = ("America/New_York", "Asia/Kolkata")


def make(state: str, zone: str = "UTC", **fields) -> Engagement:
    activated_at = None if state == "draft" else database_clock.now()
    return factories.make_engagement(
        factories.make_segment(2, is_active=True),
        trigger="schedule",
        state=state,
        time_zone=zone,
        activated_at=activated_at,
        **{"repeat": "daily", **fields},
    )


OF_ALL = ("index", "engagements_engagement_changelist", "engagements_calendar")


def pages(engagement: Engagement) -> list[str]:
    its_own = ("report", "activate", "duplicate", "change")
    return [
        reverse("admin:segments_segment_change", args=[engagement.segment_id]),
        *(
            reverse(f"admin:engagements_engagement_{name}", args=[engagement.pk])
            for name in its_own
        ),
    ]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("field", ["starts_at", "ends_at"])
@pytest.mark.parametrize("at", [FIRST, LAST], ids=["year 1", "year 9999"])
def test_every_page_and_the_tick_go_on(admin_page, at, field, zone):
    urls = dict.fromkeys(map(reverse, (f"admin:{page}" for page in OF_ALL)), "all")
    for state in ("draft", "active"):
        for own in ("", "tz"):
            engagement = make(state, zone, zone_attribute=own, **{field: at})
            urls |= dict.fromkeys(pages(engagement), f"{state} {own}")
    for url, what in urls.items():
        assert admin_page.get(url).status_code in (200, 302), (what, url)
    making.make_due_runs(database_clock.now())


@pytest.mark.parametrize("repeat", [r for r in Engagement.Repeat if r != "cron"])
@pytest.mark.parametrize(("at", "year"), [(FIRST, 1), (LAST, 9999)])
def test_a_start_that_nothing_is_counted_from_says_what_to_choose(
    admin_page, at, year, repeat
):
    said = f"No run comes, because the start is in the year {year}. Choose one between"
    when = {"repeat": repeat, "starts_at": at, "weekdays": [0]}
    engagement = make("active", **when)
    making.make_due_runs(database_clock.now())
    assert not Run.objects.exists()
    assert said in words(admin_page.get(engagement.get_absolute_url()))

    draft = make("draft", **when)
    assert said in words(admin_page.get(draft.get_absolute_url()))
    with pytest.raises(transitions.ActivationError, match="1970 and 2999"):
        transitions.activate(draft)
    assert Engagement.objects.get(pk=draft.pk).state == "draft"


def test_an_end_in_the_year_9999_is_none():
    engagement = make("active", "Asia/Kolkata", zone_attribute="tz", ends_at=LAST)
    assert making.make_due_runs(database_clock.now()) == 1
    assert next(making.coming(engagement, database_clock.now()))


def test_an_end_in_the_year_1_is_over():
    engagement = make("active", "America/New_York", zone_attribute="tz", ends_at=FIRST)
    assert making.make_due_runs(database_clock.now()) == 0
    engagement.refresh_from_db()
    assert engagement.state == "ended"


def test_an_old_start_goes_on_as_ever():
    start = datetime(1800, 1, 1, 12, tzinfo=UTC)
    engagement = make("active", "Asia/Kolkata", starts_at=start)
    following = next(making.coming(engagement, database_clock.now()))
    assert following.at > database_clock.now()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", [FIRST, LAST], ids=["year 1", "year 9999"])
def test_its_approval_is_shown_and_mailed(admin_page, mailoutbox, at, zone):
    ApprovalLimit.objects.create(above=1)
    factories.make_admin(username="vera", email="vera@example.com")
    engagement = make("draft", zone, starts_at=at, ends_at=at)
    asked = factories.make_approval(engagement, is_asking_due=True)
    assert admin_page.get(asked.get_absolute_url()).status_code == 200
    approval_mail.tell()
    assert f"{at.year}" in mail.outbox[0].body
