"""An empty site's first steps, with nothing but the keyboard, on a screen and a phone."""

import pytest
from playwright.sync_api import Page, expect

from engagements.models import Engagement
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests.browser.conftest import Shot
from tests.browser.test_keyboard import walk

pytestmark = pytest.mark.django_db(transaction=True)
VALUES = {
    "External ID": "test-1",
    "Name of the User": "Tessa",
    "Email": "tessa@example.com",
}

PARAMETERS = {
    "Name of the User": "{{ profile.first_name }}",
    "Email": "{{ profile.email }}",
    "Event Time": "{{ event.time }}",
    "Product ID": "{{ event.properties.product_id }}",
}


def press(page: Page, name: str) -> None:
    """Walk to what is called so, press Enter, and wait for the page that follows."""
    walk(page, name, limit=200)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.wait_for_load_state("load")


def fill(page: Page, name: str, text: str) -> None:
    walk(page, name, limit=200)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_three_steps_without_a_mouse(
    page: Page, admin, sandbox: SandboxProcess, width: int, shot: Shot
):
    page.set_viewport_size({"width": width, "height": 844})
    page.goto("/admin/")
    # Step 1: create a Braze External API
    press(page, "Add a connection")
    fill(page, "Name", "Braze")
    fill(page, "Base URL", sandbox.url)
    fill(page, "REST API key", sandbox.key)
    press(page, "Save")
    press(page, "Check connection")
    expect(page.get_by_text("Braze is there and takes the key.")).to_be_visible()
    shot(f"first-{width}-key")
    press(page, "Add New External API")
    press(page, "Braze Track Users")
    # The only one there is.
    expect(page.get_by_label("Connection").locator("option:checked")).to_have_text(
        "Braze"
    )
    press(page, "Save")
    # Step 2: test the configuration
    expect(page.get_by_role("heading", name="JSON tree view")).to_be_visible()
    for name, value in VALUES.items():
        fill(page, name, value)
    walk(page, "Event Time", limit=200)
    # Chromium's own input: each part in its turn.
    page.keyboard.type("01312026")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("0930AM")
    fill(page, "Product ID", "gold-card")
    press(page, "Test Configuration")
    expect(page.get_by_text("201 Created").first).to_be_visible()
    shot(f"first-{width}-tested")
    # Step 3: trigger user events in Braze
    press(page, "Make a segment")
    fill(page, "Name", "Submitted a lead form")
    walk(page, "Add what they did", limit=200)
    page.keyboard.press("Enter")
    # The focus is in the name of the event.
    page.keyboard.type("Lead")
    press(page, "Save")
    press(page, "Add Engagement")
    fill(page, "Name", "Lead form to Braze")
    for name, value in PARAMETERS.items():
        fill(page, name, value)
    press(page, "Save")
    expect(page.get_by_text("is saved as a draft")).to_be_visible()
    press(page, "Activate")
    press(page, "Activate")
    expect(page.get_by_text("The Engagement is active.")).to_be_visible()
    shot(f"first-{width}-active")
    assert Engagement.objects.get().state == "active"
    person = sandbox.user("test-1")
    assert person is not None and person["first_name"] == "Tessa"
