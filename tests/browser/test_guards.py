"""The guards' pages: whole at two widths, in two schemes; and set by clicking."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from engagements.models import ConsentRule, Engagement, Suppression
from tests import factories
from tests.browser import looks
from tests.browser.conftest import Shot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def engagement(admin: Any) -> Engagement:
    ann = factories.make_profile(external_id="ann", first_name="Ann")
    version = factories.make_version()
    made = factories.make_engagement(
        factories.make_segment([ann], name="Leads"), version, name="Welcome"
    )
    factories.make_segment([ann], name="Complained")
    factories.make_segment(3, name="Unsubscribed", is_suppression=True)
    Suppression.objects.create(kind="email", value="bo@example.com", reason="Asked for")
    Suppression.objects.create(kind="person", profile=ann, channels=["crm"])
    ConsentRule.objects.create(
        channel="messaging", attribute="agreed", values=["true", "yes"]
    )
    return made


def test_the_pages_are_whole(page: Page, engagement: Engagement, shot: Shot):
    looks.as_at_night(page)
    asked = reverse("admin:engagements_engagement_person", args=[engagement.pk])
    pages = {
        "form": engagement.get_absolute_url(),
        "list": reverse("admin:engagements_suppression_changelist"),
        "add": reverse("admin:engagements_suppression_add"),
        "site": reverse("admin:engagements_guards"),
        "person": f"{asked}?who=ann",
    }
    for name, address in pages.items():
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, name
        looks.assert_whole(page, shot, f"guards-{name}")


def test_a_marketer_excludes_a_segment_and_asks_about_one_person(
    page: Page, engagement: Engagement
):
    page.goto(engagement.get_absolute_url())
    page.get_by_label("Complained").check()
    page.get_by_label("Holdout, in percent").fill("0")
    page.get_by_label("Quiet from").fill("22:00")
    page.get_by_label("Until").fill("08:00")
    page.get_by_label("Stop and ask above").fill("1000")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("Complained")).to_be_checked()
    expect(page.get_by_label("Stop and ask above")).to_have_value("1000")

    page.get_by_role("link", name="Who gets it?").click()
    page.get_by_label("An identifier of the person").fill("ann")
    page.get_by_role("button", name="Ask", exact=True).click()
    said = page.get_by_text("Is not sent: Excluded segments.")
    expect(said).to_be_visible()
    expect(page.get_by_text("The person is in “Complained”.").first).to_be_visible()
