"""The pages without a mouse: everything is reached, named, and seen where it is."""

import pytest
from playwright.sync_api import Page, expect

from externalapi import secrets
from externalapi.sandbox.process import SandboxProcess
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

FOCUSED = """() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const spoken = element.cloneNode(true);
    spoken.querySelectorAll("[aria-hidden=true]").forEach(hidden => hidden.remove());
    const labels = [...(element.labels || [])].map(label => label.innerText).join(" ");
    return {
        name: (element.getAttribute("aria-label") || labels || spoken.textContent || "")
            .trim().replace(/\\s+/g, " "),
        is_seen: style.outlineStyle !== "none" || style.boxShadow !== "none",
        place: element.outerHTML.slice(0, 120),
    };
}"""


def walk(page: Page, until: str, limit: int = 80) -> list[str]:
    """Press Tab until something is named `until`; return the names on the way."""
    names = []
    for _ in range(limit):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["name"], f"no name: {focused['place']}"
        assert focused["is_seen"], f"the focus is not seen: {focused['place']}"
        names.append(focused["name"])
        if focused["name"].startswith(until):
            return names
    raise AssertionError(f"“{until}” is not reached: {names}")


@pytest.fixture
def test_page(admin, sandbox: SandboxProcess) -> str:
    connection = factories.make_connection(base_url=sandbox.url)
    secrets.set_key(connection, sandbox.key)
    api = factories.make_version(connection=connection).external_api
    return f"/admin/externalapi/externalapi/{api.pk}/test/"


def test_an_api_is_tested_without_a_mouse(
    page: Page, test_page: str, sandbox: SandboxProcess
):
    page.goto(test_page)
    walk(page, "User ID")
    page.keyboard.type("user-1")
    walk(page, "Name of the User")
    page.keyboard.type("Ann")
    walk(page, "Test Configuration")
    page.keyboard.press("Enter")
    expect(page.get_by_text("201 Created").first).to_be_visible()
    person = sandbox.user("user-1")
    assert person is not None
    assert person["first_name"] == "Ann"


def test_every_entry_of_the_menu_is_reached(page: Page, admin):
    page.goto("/admin/")
    names = walk(page, "Groups")
    names.remove("scrollable content")
    assert names[:3] == ["Lemnisk for Braze", "Home", "External APIs"]
    assert {"Connections", "Segments", "People", "Engagements", "Users"} <= {*names}


def test_somebody_signs_out_without_a_mouse(page: Page, admin):
    page.goto("/admin/")
    walk(page, "A ada")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.get_by_role("button", name="Log out").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Logged out")).to_be_visible()


def test_the_menu_opens_on_a_phone(page: Page, admin):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/")
    expect(page.get_by_role("link", name="Segments")).to_be_hidden()
    walk(page, "Open the menu")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Segments")).to_be_visible()
    page.get_by_role("button", name="Close the menu").click()
    expect(page.get_by_role("link", name="Segments")).to_be_hidden()
