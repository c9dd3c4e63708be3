"""The partner page's steps 1 and 2 in a real browser, from an empty form to Braze."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from externalapi.models import ExternalAPI
from tests import factories
from tests.browser.looks import PHONE, SIZES, resize, scrolls_sideways

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_external_api_is_added_from_the_preset_and_tested(
    page: Page, admin, braze, sandbox
):
    page.goto(reverse("admin:externalapi_externalapi_changelist"))
    # In the empty list, and in the page's head.
    page.get_by_role("link", name="Add New External API").first.click()
    page.get_by_role("link", name="Braze Track Users").click()
    page.get_by_label("Connection").select_option(str(braze.pk))
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("heading", name="Test API", exact=True)).to_be_visible()
    page.get_by_role("textbox", name="External ID").fill("from-the-browser")
    page.get_by_label("Name of the User").fill("Ada")
    page.get_by_label("Product ID").fill("p-7")
    expect(page.locator("[data-mirror]")).to_have_text("from-the-browser")
    page.get_by_role("button", name="Test Configuration").press("Enter")

    expect(page.get_by_role("status")).to_contain_text("Search Users")
    expect(page.get_by_label("Product ID")).to_have_value("p-7")
    assert sandbox.user("from-the-browser")["first_name"] == "Ada"
    page.get_by_role("link", name="Open Search Users").click()


def test_a_mistake_in_the_body_is_marked_at_its_line(page: Page, admin, braze):
    page.goto(
        f"{reverse('admin:externalapi_externalapi_add')}?preset=braze_track_users"
    )
    body = page.get_by_role("textbox", name="Body", exact=True)
    typed = page.locator("textarea[name=body]").input_value()
    body.fill(typed.replace('"lead_submitted"', "lead_submitted"))
    page.get_by_label("Connection").select_option(str(braze.pk))
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".errorlist")).to_contain_text("Line 12, column 15")
    expect(page.locator(".cm-activeLine")).to_contain_text("lead_submitted")
    expect(body).to_be_focused()
    assert not ExternalAPI.objects.exists()


def test_a_fixed_parameter_shows_its_value_instead_of_a_default(
    page: Page, admin, braze
):
    page.goto(
        f"{reverse('admin:externalapi_externalapi_add')}?preset=braze_track_users"
    )
    value = page.get_by_label("Fixed value of Product ID")
    expect(value).to_be_hidden()
    page.get_by_label("Who gives the value of Product ID").select_option("fixed")
    expect(value).to_be_visible()
    expect(page.get_by_label("Default of Product ID")).to_be_hidden()


def test_an_instance_fills_in_the_address_of_a_connection(page: Page, admin):
    page.goto(reverse("admin:externalapi_connection_add"))
    page.get_by_label("Braze instance").select_option(
        label="EU-01 — dashboard-01.braze.eu"
    )
    address = page.get_by_label("Base URL")
    expect(address).to_have_value("https://rest.fra-01.braze.eu")
    expect(address).not_to_be_editable()


def test_no_page_is_wider_than_the_screen(page: Page, admin, braze):
    version = factories.make_version(
        {
            "attributes": [
                {"a_name_that_is_rather_long_" * 4: "{{" + "Long name " * 15 + "}}"}
            ]
        },
        [factories.parameter(("Long name " * 15).strip())],
        connection=braze,
    )
    for url in (
        reverse("admin:externalapi_externalapi_test", args=[version.external_api_id]),
        reverse("admin:externalapi_externalapi_change", args=[version.external_api_id]),
        reverse("admin:externalapi_externalapi_add"),
        reverse("admin:externalapi_externalapi_changelist"),
        reverse("admin:externalapi_connection_change", args=[braze.pk]),
    ):
        page.set_viewport_size(PHONE)
        page.goto(url)
        for size in SIZES.values():
            resize(page, size)
            assert not scrolls_sideways(page), (url, size)


def test_a_named_rate_plan_fills_its_limits_at_once(page: Page, admin):
    page.goto(reverse("admin:externalapi_connection_add"))
    page.get_by_role("heading", name="Limits in figures").click()
    plan = page.get_by_label("Rate plan")
    burst = page.get_by_label("Requests at most")
    hour = page.get_by_label("Requests per hour")
    expect(plan).to_have_value("braze_track")
    plan.select_option("braze_older")
    expect(burst).to_have_value("50000")
    plan.select_option("braze_others")
    expect(burst).to_have_value("3000")
    expect(hour).to_have_value("250000")
    hour.fill("9")
    expect(plan).to_have_value("own")


def test_a_named_plan_and_reading_fill_their_fields_at_once(page: Page, admin):
    page.goto(reverse("admin:externalapi_externalapi_add"))
    page.get_by_text("Batching and answers").click()
    batching, together = (
        page.locator("#id_batching"),
        page.locator("#id_batch_combined"),
    )
    batching.select_option("braze_50_combined")
    expect(together).to_have_value("50")
    batching.select_option("one")
    expect(together).to_have_value("")
    expect(page.locator("#id_batch_arrays")).to_have_value("")
    page.locator("#id_answers").select_option("http")
    expect(page.locator("#id_success_path")).to_have_value("")
    page.locator("#id_success_path").fill("state")
    expect(page.locator("#id_answers")).to_have_value("own")
    expect(batching).to_have_value("one")
