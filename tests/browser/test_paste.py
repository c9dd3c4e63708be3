"""From a vendor's example to a saved External API."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from externalapi.models import ExternalAPIVersion
from tests.browser import axe, looks
from tests.browser.conftest import Shot
from tests.externalapi.admin.test_importer import COMMAND, KEY
from tests.externalapi.importers.documents import BRAZE, PETSTORE
from tests.factories import make_connection

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_curl_command_becomes_an_external_api(page: Page, admin):
    make_connection("https://rest.fra-01.braze.eu", name="Braze EU")
    script = axe.source()
    page.goto(reverse("admin:externalapi_externalapi_add"))
    page.get_by_role("link", name="Paste a curl command").click()
    page.get_by_role("textbox", name="curl command").fill(COMMAND)
    page.get_by_role("button", name="Look at it").click()

    understood = page.get_by_role("region", name="What was understood")
    expect(understood).to_be_focused()
    expect(understood).to_contain_text("Braze EU")
    expect(page.get_by_label("User ID")).to_be_checked()
    assert KEY not in page.content()
    assert axe.violations(page, script) == []
    page.get_by_label("Price").check()
    page.get_by_label("Time", exact=True).check()
    page.get_by_role("button", name="Fill in the form").click()

    expect(page.locator("[data-verdict]")).to_have_text("Valid JSON, 3 parameters.")
    expect(page.get_by_label("Type of Price")).to_have_value("number")
    assert axe.violations(page, script) == []
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Test API", exact=True)).to_be_visible()
    version = ExternalAPIVersion.objects.get()
    assert version.connection.name == "Braze EU"
    assert '"price": {{Price}}' in version.body


PASTE = "admin:externalapi_externalapi_paste"


def test_a_request_of_a_document_is_found_and_becomes_an_external_api(
    page: Page, admin
):
    make_connection("https://petstore3.example.com/api/v3", name="Pet store")
    script = axe.source()
    page.goto(reverse(PASTE))
    page.get_by_role("textbox", name="curl command").fill(PETSTORE)
    page.get_by_role("button", name="Look at it").click()

    document = page.get_by_role("region", name="Swagger Petstore")
    expect(document).to_be_focused()
    expect(document.get_by_role("listitem")).to_have_count(6)
    assert axe.violations(page, script) == []
    search = document.get_by_role("searchbox", name="Search")
    search.fill("pet add")
    expect(document.get_by_role("status")).to_have_text("1 of 6")
    expect(document.get_by_role("region", name="store")).to_be_hidden()
    # Enter searches; it presses no button of the page.
    search.press("Enter")
    document.get_by_role("button", name="Add a new pet").click()

    understood = page.get_by_role("region", name="What was understood")
    expect(understood).to_be_focused()
    expect(understood).to_contain_text("Pet store: it leads there")
    expect(page.get_by_label("Name", exact=True)).to_be_disabled()
    assert axe.violations(page, script) == []
    page.get_by_label("Status").check()
    page.get_by_label("Category ID").uncheck()
    page.get_by_role("button", name="Show it with these").click()
    expect(understood.locator("pre")).to_contain_text('"status": {{Status}}')
    expect(understood.locator("pre")).not_to_contain_text("Category ID")
    page.get_by_role("button", name="Fill in the form").click()

    expect(page.locator("[data-verdict]")).to_have_text("Valid JSON, 4 parameters.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Test API", exact=True)).to_be_visible()
    version = ExternalAPIVersion.objects.get()
    assert (version.connection.name, version.path) == ("Pet store", "/pet")


def test_how_a_document_looks(page: Page, admin, shot: Shot, tmp_path):
    looks.as_at_night(page)
    page.goto(reverse(PASTE))
    file = tmp_path / "braze.json"
    file.write_text(BRAZE)
    page.locator("input[type=file]").set_input_files(file)
    looks.assert_whole(page, shot, "paste-begin")
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("region", name="Braze Endpoints")).to_be_focused()
    looks.assert_whole(page, shot, "paste-document")
    page.get_by_role("button", name="Track Users").click()
    expect(page.get_by_role("region", name="What was understood")).to_be_focused()
    looks.assert_whole(page, shot, "paste-request")
    assert KEY not in page.content()
