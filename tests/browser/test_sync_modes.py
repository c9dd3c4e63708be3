"""Sync modes by clicking: chosen, forecast, sent, reported, and resynced."""

import pytest
from playwright.sync_api import expect

from engagements.models import Engagement
from segments.membership import refresh
from tests import factories
from tests.engagements.sync.conftest import attributes_version, change, person
from tests.faults import working

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_what_changed_is_chosen_forecast_and_reported(page, admin, braze, shot):
    people = [
        person(name, plan="pro", city="Bonn") for name in ("ana", "bo", "cy", "di")
    ]
    rule = {"attribute": "vip", "is": "equals", "value": "yes"}
    segment = factories.make_segment(rule=rule, name="Customers")
    refresh.refresh(segment.pk)
    version = attributes_version(braze)
    factories.make_test(version)
    engagement = factories.make_engagement(
        segment,
        version,
        {"plan": "{{ profile.plan }}", "city": "{{ profile.city }}"},
        name="Plans to Braze",
        trigger=Engagement.Trigger.SCHEDULE,
        repeat=Engagement.Repeat.HOURLY,
    )
    page.goto(engagement.get_absolute_url())
    section = page.get_by_role("region", name="Sync")
    section.get_by_label("Only the new").check()
    section.get_by_label("Deltas").check()
    page.get_by_role("button", name="Save").click()
    expect(
        page.get_by_text("sends each person once and compares nothing")
    ).to_be_visible()
    section.get_by_label("Only the changed").check()
    section.get_by_label("Clear the attributes").check()
    shot("sync-section")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is saved")).to_be_visible()

    page.get_by_role("link", name="Activate").click()
    expect(page.get_by_text("8 data points")).to_be_visible()
    shot("sync-activate")
    page.get_by_role("button", name="Activate").click()
    working.to_the_end(engagement)
    change(people[0], plan="free")
    factories.make_run(engagement)
    working.to_the_end(engagement)

    page.goto(engagement.get_absolute_url())
    report = page.get_by_role("region", name="Report")
    expect(report.get_by_text("9 data points sent, 7 saved")).to_be_visible()
    expect(report.get_by_text("Nothing changed since Braze")).to_be_visible()
    shot("sync-report")

    page.get_by_role("link", name="Full resync").click()
    expect(page.get_by_text("accepted of 4 people is forgotten")).to_be_visible()
    shot("sync-resync")
    page.get_by_role("button", name="Full resync").click()
    expect(page.get_by_text("What Braze has accepted is forgotten")).to_be_visible()
