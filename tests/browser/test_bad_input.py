"""Four mistakes that people make, each answered beside the field, nothing typed lost."""

import socket

import pytest
from playwright.sync_api import Locator, Page, expect

from externalapi.connections import encryption
from externalapi.models import ConfigurationTest, Connection, ExternalAPI
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

BAD_JSON = '{\n  "attributes": [\n    {"external_id": {{External ID}},}\n  ]\n}'


@pytest.fixture
def connection(admin, sandbox: SandboxProcess) -> Connection:
    """A connection to the sandbox, with a key that it takes."""
    connection = factories.make_connection(name="Braze", base_url=sandbox.url)
    encryption.set_key(connection, sandbox.key)
    return connection


@pytest.fixture
def api(connection: Connection) -> ExternalAPI:
    return factories.make_version(connection=connection).external_api


def message_of(page: Page, field: Locator) -> str:
    """The text of what the field says describes it, as a screen reader would find it."""
    expect(field).to_have_attribute("aria-invalid", "true")
    ids = (field.get_attribute("aria-describedby") or "").split()
    assert ids, "the field names its message"
    return " ".join(page.locator(f"[id='{one}']").inner_text() for one in ids)


def test_json_with_a_mistake(page: Page, api: ExternalAPI, shot):
    page.goto(api.get_absolute_url())
    body = page.get_by_role("textbox", name="Body", exact=True)
    body.fill(BAD_JSON)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Line 3").first).to_be_visible()
    assert page.locator("textarea[name=body]").input_value() == BAD_JSON
    assert "Line 3" in message_of(page, body)
    assert api.versions.count() == 1
    shot("bad-json")


def test_a_header_that_contradicts_the_body(page: Page, api: ExternalAPI):
    page.goto(api.get_absolute_url())
    headers = page.get_by_label("Headers", exact=True)
    headers.fill("X-Team: crm\nContent-Type: application/xml")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(headers).to_have_value("X-Team: crm\nContent-Type: application/xml")
    assert "the body is JSON. Write application/json" in message_of(page, headers)
    assert api.versions.count() == 1


def test_the_standard_header_goes_with_the_kind_of_the_body(
    page: Page, api: ExternalAPI
):
    page.goto(api.get_absolute_url())
    headers, kind = (
        page.get_by_label("Headers", exact=True),
        page.get_by_label("Body is"),
    )
    headers.fill("Content-Type: application/json\nX-Team: crm")
    kind.select_option("form")
    expect(headers).to_have_value(
        "Content-Type: application/x-www-form-urlencoded\nX-Team: crm"
    )
    kind.select_option("none")
    expect(headers).to_have_value("X-Team: crm")
    headers.fill("Content-Type: application/vnd.api+json")
    kind.select_option("form")
    expect(headers).to_have_value("Content-Type: application/vnd.api+json")


def test_a_variable_that_does_not_exist(page: Page, api: ExternalAPI, shot):
    engagement = factories.make_engagement(version=api.current_version)
    page.goto(engagement.get_absolute_url())
    name = page.get_by_label("Name of the User").first
    name.fill("{{ profil.first_name }}")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Nothing was saved yet")).to_be_visible()
    assert name.input_value() == "{{ profil.first_name }}"
    assert "profil" in message_of(page, name)
    engagement.refresh_from_db()
    assert engagement.values == {"Name of the User": "{{ profile.first_name }}"}
    shot("bad-variable")


def fill_and_test(page: Page, api: ExternalAPI) -> None:
    page.goto(f"{api.get_absolute_url().removesuffix('change/')}test/")
    page.get_by_label("User ID").fill("user-1")
    page.get_by_label("Name of the User").fill("Ann")
    page.get_by_role("button", name="Test Configuration").click()
    page.wait_for_url("**?test=*")


def expect_kept(page: Page) -> None:
    expect(page.get_by_label("User ID")).to_have_value("user-1")
    expect(page.get_by_label("Name of the User")).to_have_value("Ann")


def test_a_wrong_key(page: Page, api: ExternalAPI, connection: Connection, shot):
    encryption.set_key(connection, "not-the-key-1234")
    fill_and_test(page, api)
    expect(page.get_by_text("401 Unauthorized").first).to_be_visible()
    expect(page.get_by_text("Invalid API key").first).to_be_visible()
    expect_kept(page)
    assert "not-the-key-1234" not in page.content()
    assert not ConfigurationTest.objects.get().is_success
    shot("bad-key")


def test_a_host_that_nobody_answers_at(
    page: Page, api: ExternalAPI, connection: Connection, settings, shot
):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    settings.ALLOWED_LOCAL_ADDRESSES = [address]
    connection.base_url = f"http://{address}"
    connection.save()
    fill_and_test(page, api)
    expect(page.get_by_text("No answer").first).to_be_visible()
    expect(page.get_by_text("Nothing was sent").first).to_be_visible()
    expect_kept(page)
    shot("bad-host")


def test_a_test_value_that_is_missing(page: Page, api: ExternalAPI):
    page.goto(f"{api.get_absolute_url().removesuffix('change/')}test/")
    page.get_by_label("Name of the User").fill("Ann")
    page.get_by_role("button", name="Test Configuration").click()
    expect(page.get_by_text("Nothing was sent yet")).to_be_visible()
    user = page.get_by_label("User ID")
    assert "Type a value" in message_of(page, user)
    expect(page.get_by_label("Name of the User")).to_have_value("Ann")
    assert not ConfigurationTest.objects.exists()
