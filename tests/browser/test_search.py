"""Ctrl+K, without a mouse."""

import pytest
from playwright.sync_api import Page, expect

from tests import factories
from tests.browser import axe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_person_is_a_few_keys_away(page: Page, admin, width: int, shot):
    person = factories.make_profile(
        external_id="lead-05000", first_name="Nina", last_name="Berg"
    )
    page.set_viewport_size({"width": width, "height": 844})
    page.goto("/admin/")
    page.keyboard.press("Control+k")
    page.keyboard.type("lead-05")
    expect(page.get_by_role("link", name="Nina Berg Person lead-05000")).to_be_visible()
    shot(f"search-{width}")
    assert axe.violations(page, axe.source()) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{person.get_absolute_url()}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nina Berg")
    assert page.title() == "Nina Berg | Person | Lemnisk for Braze"


def test_enter_opens_the_first_line_at_once(page: Page, admin):
    segment = factories.make_segment(name="Hot leads")
    page.goto("/admin/")
    page.get_by_role("button", name="Search Ctrl K").click()
    page.keyboard.type("hot")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(segment.name)


def test_nothing_found_is_said_and_escape_leads_back(page: Page, admin):
    page.goto("/admin/")
    page.keyboard.press("Control+k")
    page.keyboard.type("zzz")
    expect(page.get_by_text("Nothing found for “zzz”")).to_be_visible()
    page.keyboard.press("Escape")
    if page.get_by_role("dialog").is_visible():  # the first Escape empties the field
        page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
