"""The panel of a list's filters, without a mouse: what is chosen stays chosen."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests import factories
from tests.browser import axe

pytestmark = pytest.mark.django_db(transaction=True)

OPEN = "button[aria-controls=changelist-filter]"
IN_PANEL = "document.activeElement.closest('#changelist-filter') !== null"


@pytest.fixture
def listed(page: Page, admin) -> dict[str, str]:
    """What the list is filtered by: what a number of the report asks for."""
    delivery = factories.make_delivery(
        state="skipped", reason="quiet_hours: It is 23:12."
    )
    asked = {
        "run__engagement__id__exact": str(delivery.run.engagement_id),
        "state__exact": "skipped",
        "reason__startswith": "quiet_hours",
        "retry__isnull": "True",
    }
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    page.goto(f"{reverse('admin:engagements_delivery_changelist')}?{query}")
    page.locator(OPEN).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Filters")).to_be_visible()
    return asked


def asked_for(page: Page) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(page.url).query))


def test_what_is_applied_adds_to_what_was_chosen(page: Page, listed):
    page.get_by_label("By words of the reason").focus()
    page.keyboard.type("23:12")
    page.keyboard.press("Enter")
    expect(page.get_by_text("words of the reason: 23:12")).to_be_visible()
    assert asked_for(page) == listed | {"why": "23:12"}


def test_what_is_typed_stays_where_something_is_chosen(page: Page, listed):
    page.get_by_label("By words of the reason").fill("23:12")
    page.get_by_role("link", name="Rejected").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("state: Rejected")).to_be_visible()
    expect(page.get_by_text("words of the reason: 23:12")).to_be_visible()
    assert asked_for(page) == listed | {"state__exact": "rejected", "why": "23:12"}

    page.locator(OPEN).click()
    page.get_by_role("link", name="Clear all filters").click()
    expect(page.get_by_text("Filtered by")).to_be_hidden()


def test_the_panel_is_accessible(page: Page, listed):
    assert axe.violations(page, axe.source()) == []


def test_the_focus_stays_in_the_panel_until_it_is_closed(page: Page, listed):
    dialog = page.get_by_role("dialog", name="Filters")
    dialog.get_by_role("link", name="Clear all filters").focus()
    page.keyboard.press("Tab")
    assert page.evaluate(IN_PANEL)
    page.keyboard.press("Shift+Tab")
    expect(dialog.get_by_role("link", name="Clear all filters")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(OPEN)).to_be_focused()
