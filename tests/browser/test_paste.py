"""From a vendor's example to a saved External API."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from externalapi.models import ExternalAPIVersion
from tests.browser import axe
from tests.externalapi.test_paste_page import COMMAND, KEY
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
