"""The pages without a mouse: everything is reached, named, and seen where it is."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from externalapi.connections import encryption
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

FOCUSED = """() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const spoken = element.cloneNode(true);
    spoken.querySelectorAll("[aria-hidden=true]").forEach(hidden => hidden.remove());
    const ids = (element.getAttribute("aria-labelledby") || "").split(" ");
    const labels = [...ids.map(id => document.getElementById(id)), ...(element.labels || [])]
        .map(label => label ? label.innerText : "").join(" ").trim();
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
        if focused["place"].startswith("<body"):
            continue  # beyond the last element is the browser's own window
        assert focused["name"], f"no name: {focused['place']}"
        assert focused["is_seen"], f"the focus is not seen: {focused['place']}"
        names.append(focused["name"])
        if focused["name"].startswith(until):
            return names
    raise AssertionError(f"“{until}” is not reached: {names}")


@pytest.fixture
def test_page(admin, sandbox: SandboxProcess) -> str:
    connection = factories.make_connection(base_url=sandbox.url)
    encryption.set_key(connection, sandbox.key)
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
    names.remove("The menu’s entries")
    assert names[1:4] == ["Lemnisk for Braze", "Search Ctrl K", "Home"]
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


def test_one_press_leads_past_the_menu(page: Page, admin):
    page.goto("/admin/segments/segment/")
    walk(page, "Skip to the content", limit=1)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_the_menu_of_a_page_has_a_name_on_a_phone(page: Page, admin):
    source = factories.make_source()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(reverse("admin:segments_source_change", args=[source.pk]))
    expect(page.get_by_role("link", name="History")).to_be_hidden()
    walk(page, "More about this page")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="History")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="History")).to_be_hidden()


@pytest.mark.parametrize(
    ("address", "first"),
    [
        ("/admin/externalapi/connection/add/", "Name"),
        ("/admin/externalapi/externalapi/add/?preset=braze_track_users", "Connection"),
        ("/admin/segments/segment/add/", "Name"),
        ("/admin/segments/source/add/", "Name"),
        ("/admin/engagements/engagement/add/", "Name"),
        ("/admin/auth/user/add/", "Username"),
        ("/admin/auth/group/add/", "Name"),
        ("/admin/password_change/", "Old password"),
    ],
)
def test_a_save_that_fails_leads_to_the_first_mistake(
    page: Page, admin, address: str, first: str
):
    page.goto(address)
    with page.expect_navigation():
        page.evaluate(
            "document.querySelector('main form[method=post]').requestSubmit("
            "document.querySelector('[name=_save]'))"
        )
    page.wait_for_load_state("load")
    focused = page.evaluate(FOCUSED)
    assert focused["name"].startswith(first), focused
    assert focused["is_seen"], focused


def test_a_question_that_is_longer_than_the_window_begins_at_its_top(page: Page, admin):
    engagement = factories.make_engagement(name="Welcome")
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto(reverse("admin:engagements_engagement_activate", args=[engagement.pk]))
    # As the browser does when it shows it, where the window is the one in front.
    page.locator("section[autofocus]").focus()
    assert page.evaluate("scrollY") == 0


def test_what_came_of_a_press_is_where_one_goes_on(page: Page, admin):
    page.goto("/admin/engagements/frequencycap/add/")
    page.get_by_label("Name").fill("Twice a week")
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    said = page.get_by_role("alert")
    expect(said).to_contain_text("Twice a week")
    expect(said).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_the_body_editor_shows_where_the_focus_is(page: Page, admin):
    page.goto("/admin/externalapi/externalapi/add/?preset=braze_track_users")
    page.locator(".cm-content").focus()
    assert page.evaluate(FOCUSED)["is_seen"]


def test_a_body_that_cannot_be_saved_is_where_one_goes_on(page: Page, admin):
    connection = factories.make_connection()
    page.goto("/admin/externalapi/externalapi/add/?preset=braze_track_users")
    page.get_by_label("Connection").select_option(label=connection.name)
    page.locator(".cm-content").fill("{")
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_load_state("load")
    expect(page.locator(".cm-content")).to_be_focused()
