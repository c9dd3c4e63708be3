"""From an empty site to the first person: a website with the browser library.

A real browser, server, worker and website. By a file: test_imports.py.
"""

import pytest
from playwright.sync_api import Page, expect

from segments.models import Event, Profile
from tests.browser.conftest import Shot
from tests.browser.test_first_steps import fill, press
from tests.browser.website import mirror, website
from tests.doubles.celery_processes import worker

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_website_sends_its_first_person(page: Page, admin, shot: Shot):
    page.goto("/admin/")
    expect(page.get_by_role("heading", name="Get people in")).to_be_visible()
    press(page, "Add a source")
    with website() as shop, worker():
        fill(page, "Name", "Shop")
        fill(page, "Allowed origins", shop.origin)
        press(page, "Save")
        shot("people-in-key")
        snippet = page.locator("#code-browser").inner_text()
        press(page, "I have copied it")
        expect(page.get_by_text("Waiting for the first event…").first).to_be_visible()
        shot("people-in-waiting")
        # Somebody else looks at the website.
        visitor = page.context.new_page()
        mirror(page.context)
        shop.show(visitor, snippet)
        # Nobody touches this page.
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        visitor.close()
    expect(page.locator("[data-announce]")).to_contain_text("Live Last message")
    page.reload()
    expect(page.get_by_text("Lead form submitted – user-1")).to_be_visible()
    shot("people-in-live")
    press(page, "People")
    page.get_by_role("link", name="Ann", exact=True).click()
    expect(page.get_by_role("region", name="Timeline")).to_contain_text("gold-card")
    ann = Profile.objects.get(external_id="user-1")
    did = Event.objects.filter(profile=ann).values_list("name", flat=True)
    assert set(did) == {"Page Viewed", "Lead form submitted"}
    page.goto("/admin/")
    expect(page.get_by_role("heading", name="Get people in")).to_have_count(0)
