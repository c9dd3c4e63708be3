"""The question before a segment that engagements read takes in others."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from segments.membership import refresh
from segments.models import Segment
from tests import factories
from tests.browser import looks
from tests.browser.conftest import Shot

pytestmark = pytest.mark.django_db(transaction=True)

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}


@pytest.fixture
def segment(page: Page) -> Segment:
    for n, city in enumerate(["Pune"] * 3 + ["Delhi"] * 5):
        factories.make_profile(city=city, external_id=f"{city.lower()}-{n}")
    made = factories.make_segment(rule=PUNE, name="Leads from Pune")
    refresh.refresh(made.pk)
    factories.make_engagement(made, state="active", name="Welcome")
    factories.make_engagement(
        made, state="paused", name="Weekly", trigger="schedule", repeat="weekly"
    )
    return made


def test_an_edit_is_asked_about_proposed_and_accepted(
    page: Page,
    sign_in: Callable[[Any], None],
    segment: Segment,
    shot: Shot,
):
    marketer = factories.make_user(
        "segments.view_segment",
        "segments.change_segment",
        "segments.view_profile",
        "segments.view_personal_data",
        "engagements.view_engagement",
        username="mara",
    )
    approver = factories.make_user(
        "segments.view_segment",
        "segments.view_profile",
        "segments.view_personal_data",
        "engagements.activate_engagement",
        username="paul",
    )
    looks.as_at_night(page)
    sign_in(marketer)
    page.goto(segment.get_absolute_url())
    page.get_by_label("Value", exact=True).first.fill("Delhi")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("5 people").first).to_be_visible()
    looks.assert_whole(page, shot, "segment-question")
    page.get_by_role("button", name="Propose the change").click()
    expect(page.get_by_text("Your change is proposed.")).to_be_visible()
    looks.assert_whole(page, shot, "segment-proposed")

    sign_in(approver)
    page.goto("/admin/")
    looks.assert_whole(page, shot, "home-proposal")
    page.get_by_role("link", name="Who is in “Leads from Pune”").click()
    expect(page.get_by_role("button", name="Accept")).to_be_visible()
    looks.assert_whole(page, shot, "segment-decision")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("The proposal is accepted")).to_be_visible()
    segment.refresh_from_db()
    assert json.dumps(segment.rule).count("Delhi") == 1
    assert segment.size == 5
