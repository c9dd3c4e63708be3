"""The editor of a body: what is typed is submitted, and the server says what it is."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from externalapi.models import ExternalAPIVersion
from tests.browser import axe

pytestmark = pytest.mark.django_db(transaction=True)

FINE = '{"attributes": [{"external_id": {{External ID}}, "first_name": {{Name}}}]}'


@pytest.fixture
def editor(page: Page, admin, braze):
    page.goto(
        f"{reverse('admin:externalapi_externalapi_add')}?preset=braze_track_users"
    )
    editor = page.get_by_role("textbox", name="Body", exact=True)
    expect(editor).to_be_visible()
    return editor


def verdict(page: Page):
    return page.locator("[data-verdict]")


def submitted(page: Page) -> str:
    return page.locator("textarea[name=body]").input_value()


def test_what_is_typed_is_what_is_saved(page: Page, editor, braze):
    editor.fill(FINE)
    page.get_by_label("Connection").select_option(str(braze.pk))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Test API", exact=True)).to_be_visible()
    assert ExternalAPIVersion.objects.get().body == FINE


def test_a_mistake_is_told_while_it_is_written_and_goes_when_it_is_mended(
    page: Page, editor
):
    editor.fill('{\n"attributes": oops\n}')
    expect(verdict(page)).to_contain_text("Line 2, column 15")
    expect(page.locator(".cm-lintRange-error")).to_have_text("oops")
    expect(page.get_by_role("button", name="Format")).to_be_disabled()
    editor.fill(FINE)
    expect(verdict(page)).to_have_text("Valid JSON, 2 parameters.")
    expect(page.locator("[data-findings]")).to_be_hidden()


def test_a_finding_leads_to_its_line(page: Page, editor):
    editor.fill('{"attributes": [\n{"external_id": {{ID}},\n"frist_name": "A"}]}')
    found = page.get_by_role("region", name="What the check found")
    expect(found).to_contain_text("“frist_name” is not Braze's “first_name”")
    found.get_by_role("button", name="Line 3").click()
    expect(editor).to_be_focused()
    expect(page.locator(".cm-activeLine")).to_contain_text("frist_name")


def test_format_lays_the_body_out(page: Page, editor):
    editor.fill(FINE)
    expect(verdict(page)).to_have_text("Valid JSON, 2 parameters.")
    page.get_by_role("button", name="Format").click()
    assert submitted(page).startswith(
        '{\n  "attributes": [\n    {\n      "external_id"'
    )
    page.keyboard.press("Control+z")
    assert submitted(page) == FINE


def test_parameters_are_offered_after_the_braces(page: Page, editor):
    editor.fill("")
    editor.press_sequentially('{"attributes": [{"email": {{Em')
    expect(page.get_by_role("option", name="Email in use")).to_be_visible()
    page.keyboard.press("Enter")
    assert submitted(page) == '{"attributes": [{"email": {{Email}}}]}'


def test_the_tree_keeps_step_with_the_text(page: Page, editor):
    tree = page.get_by_role("region", name="The body as a tree")
    node = tree.get_by_role("button", name="product_id Product ID")
    node.click()
    expect(editor).to_be_focused()
    expect(page.locator(".cm-activeLine")).to_contain_text("product_id")
    page.keyboard.press("ArrowUp")
    expect(node).not_to_have_attribute("aria-current", "true")
    expect(tree.get_by_role("button", name="properties {1}")).to_have_attribute(
        "aria-current", "true"
    )


def test_tab_leaves_the_editor_both_ways(page: Page, editor):
    editor.focus()
    page.keyboard.press("Tab")
    expect(editor).not_to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(editor).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(editor).not_to_be_focused()


def test_a_change_elsewhere_in_the_form_is_heard(page: Page, editor):
    editor.fill("{}")
    expect(verdict(page)).to_have_text("Valid JSON, 0 parameters. 1 error.")
    page.get_by_label("Path").fill("/campaigns/trigger/send")
    page.get_by_label("Path").press("Tab")
    expect(verdict(page)).to_have_text("Valid JSON, 0 parameters. 2 errors.")
    page.get_by_label("Path").fill("/messages/schedule/create")
    page.get_by_label("Path").press("Tab")
    expect(verdict(page)).to_have_text("Valid JSON, 0 parameters.")


def test_markup_in_a_body_is_text(page: Page, editor):
    editor.fill('{"<img src=x onerror=alert(1)>": {{<b>bold</b>}}}')
    expect(page.get_by_role("region", name="The body as a tree")).to_contain_text(
        "<img src=x onerror=alert(1)> <b>bold</b>"
    )


def test_the_editor_breaks_no_rule_of_accessibility(page: Page, editor):
    script = axe.source()
    editor.fill('{"attributes": [\n{"external_id": {{ID}},\n"frist_name": "A"}]}')
    expect(page.locator("[data-findings]")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe.violations(page, script) == []


def test_without_the_editor_the_textarea_is_enough(
    page: Page, admin, braze, complaints
):
    """The theme needs scripts; that ours is missing costs the comfort alone."""
    page.route("**/editor*.js", lambda route: route.abort())
    page.goto(
        f"{reverse('admin:externalapi_externalapi_add')}?preset=braze_track_users"
    )
    expect(page.get_by_role("button", name="Format")).to_be_hidden()
    page.get_by_role("textbox", name="Body", exact=True).fill(FINE)
    page.get_by_label("Connection").select_option(str(braze.pk))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Test API", exact=True)).to_be_visible()
    assert ExternalAPIVersion.objects.get().body == FINE
    assert all("editor" in one or "ERR_FAILED" in one for one in complaints)
    complaints.clear()
