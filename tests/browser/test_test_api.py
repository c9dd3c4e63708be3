"""The Test API page and its pages around, as a marketer meets them."""

import pytest
from playwright.sync_api import Page, expect

from externalapi.models import ConfigurationTest, TestCase
from tests import factories
from tests.browser.conftest import Shot
from tests.browser.test_keyboard import walk

pytestmark = pytest.mark.django_db(transaction=True)

BODY = """{
  "attributes": [
    {"external_id": {{User ID}}, "first_name": {{Name}}, "age": {{Age}}}
  ],
  "events": [
    {"external_id": {{User ID}}, "name": "lead", "time": {{At}}, "properties": {"tags": {{Tags}}}}
  ]
}"""
PARAMETERS = [
    factories.parameter("User ID", level="identifier"),
    factories.parameter("Name"),
    factories.parameter("Age", type="integer", required=False),
    factories.parameter("At", type="datetime"),
    factories.parameter("Tags", type="list", required=False),
]


@pytest.fixture
def test_page(admin, braze) -> str:
    version = factories.make_version(BODY, PARAMETERS, connection=braze)
    return f"/admin/externalapi/externalapi/{version.external_api_id}/test/"


def test_a_test_becomes_a_case_that_is_run_and_compared(
    page: Page, test_page: str, shot: Shot
):
    page.goto(test_page)
    page.get_by_label("User ID").fill("u-1")
    page.get_by_label("Name").fill("Ada")
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_text("Nothing was sent.")).to_be_visible()
    shot("test-dry-run")
    page.get_by_role("button", name="Test Configuration").click()
    expect(page.get_by_text("201 Created").first).to_be_visible()
    shot("test-answer")
    page.get_by_text("As a curl command").click()
    expect(page.get_by_role("region", name="curl")).to_contain_text('"$BRAZE_KEY"')
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()

    page.get_by_role("link", name="Save as a test case").click()
    page.get_by_label("Name", exact=False).first.fill("A plain person")
    shot("test-case-form")
    page.get_by_role("button", name="Save test case").click()
    expect(page.get_by_text("A plain person").first).to_be_visible()
    external_api = ConfigurationTest.objects.get().version.external_api
    TestCase.objects.create(
        external_api=external_api,
        name="Should be refused",
        values=ConfigurationTest.objects.get().values,
        outcome="refused",
    )
    page.reload()
    page.get_by_role("button", name="Run all 2").click()
    expect(page.get_by_text("1 of 2 passed.")).to_be_visible()
    expect(
        page.get_by_text("It was accepted, and should have been refused.")
    ).to_be_visible()
    shot("test-cases")
    page.get_by_role("button", name="Test cases must pass").click()
    expect(
        page.get_by_text("must pass its test cases on version 1 first")
    ).to_be_visible()

    page.get_by_role("navigation", name="Test API").get_by_role(
        "link", name="All tests"
    ).click()
    boxes = page.get_by_role("checkbox")
    boxes.nth(0).check()
    boxes.nth(2).check()
    shot("test-history")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare two tests")).to_be_visible()
    shot("test-compare")
    page.set_viewport_size({"width": 390, "height": 844})
    shot("test-compare-phone")
    page.goto(f"{test_page}cases/")
    shot("test-cases-phone")
    page.goto(f"{test_page}history/")
    shot("test-history-phone")
    page.goto(f"{test_page}?test={ConfigurationTest.objects.latest('pk').pk}")
    shot("test-answer-phone")


def test_everything_is_reached_without_a_mouse(page: Page, test_page: str):
    page.goto(test_page)
    walk(page, "User ID")
    page.keyboard.type("u-1")
    walk(page, "Name")
    page.keyboard.type("Ada")
    walk(page, "Age")
    page.keyboard.type("36")
    walk(page, "Dry run")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_focused()
    expect(page.locator("#answer")).to_contain_text('"age": 36')
    assert not ConfigurationTest.objects.exists()
    page.get_by_role("spinbutton", name="Age").focus()
    walk(page, "Test Configuration")
    page.keyboard.press("Enter")
    expect(page.get_by_text("201 Created").first).to_be_visible()
    expect(page.locator("#answer")).to_be_focused()
    walk(page, "As a curl command")
    page.keyboard.press("Enter")
    walk(page, "Copy")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Copied.")).to_be_visible()
    walk(page, "Save as a test case")
    page.keyboard.press("Enter")
    expect(page.locator("#id_name")).to_be_focused()
    page.keyboard.type("By keyboard")
    walk(page, "Save test case")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved the test case")).to_be_visible()
    walk(page, "Run all 1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of 1 passed.")).to_be_visible()


def test_values_of_every_type_stay_as_they_were_picked(
    page: Page, test_page: str, sandbox
):
    page.goto(test_page)
    page.get_by_label("User ID").fill("u-1")
    page.get_by_label("Name").fill("Ada")
    page.get_by_role("spinbutton", name="Age").fill("36")
    page.get_by_label("At Date and time").fill("2026-01-31T09:30:05")
    page.get_by_label("Tags").fill('["a"')
    page.get_by_role("button", name="Test Configuration").click()
    expect(page.get_by_text("is not a list")).to_be_visible()
    expect(page.get_by_label("At Date and time")).to_have_value("2026-01-31T09:30:05")
    expect(page.get_by_label("Tags")).to_have_value('["a"')
    page.get_by_label("Tags").fill('["a"]')
    page.get_by_role("button", name="Test Configuration").click()
    expect(page.get_by_text("201 Created").first).to_be_visible()
    expect(page.get_by_label("At Date and time")).to_have_value("2026-01-31T09:30:05")
    assert len(sandbox.requests()) == 1


def test_the_inputs_are_filled_from_a_person(
    page: Page, test_page: str, sandbox, shot: Shot
):
    ann = factories.make_profile(
        external_id="ann-1", email="ann@example.com", first_name="Ann", age=36
    )
    factories.make_event(ann, "Lead", tags=["a", "b"])
    factories.make_people(2)
    page.goto(test_page)
    page.get_by_text("Fill from a person").click()
    search = page.get_by_role("searchbox", name="How the person")
    search.fill("nobody")
    search.press("Enter")
    expect(page.get_by_text("Nobody is found.")).to_be_visible()
    search.fill("ann@")
    search.press("Enter")
    page.get_by_role("button", name="with Lead").click()
    expect(page.get_by_text("5 suggestions, below the inputs.")).to_be_visible()
    expect(page.get_by_label("User ID")).to_have_value("")
    shot("test-fill")
    page.get_by_role("button", name="Use “Ann” from first_name").click()
    expect(page.locator("#id_p1")).to_have_value("Ann")
    expect(page.locator("#id_p1")).to_be_focused()
    page.get_by_role("button", name="Use all").click()
    expect(page.get_by_text("4 values filled in.")).to_be_visible()
    expect(page.locator("[data-mirror]")).to_have_text("ann-1")
    page.get_by_role("button", name="Test Configuration").click()
    expect(page.get_by_text("201 Created").first).to_be_visible()
    person = sandbox.user("ann-1")
    assert person["first_name"] == "Ann"
    assert person["custom_attributes"]["age"] == 36
