"""The partner page's three steps, from an empty database to the person in Braze.

A real browser, server, worker and sandbox; nothing is made behind the pages' back but
the account to sign in with.
"""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from externalapi.vendors.braze.sandbox.process import SandboxProcess
from segments.models import InboxRequest, Segment
from tests import factories
from tests.browser.conftest import Shot
from tests.doubles.celery_processes import beat, worker
from tests.waiting import wait_until

PASSWORD = "correct-horse-battery"
TEST_VALUES = {
    "External ID": "test-person-1",
    "Name of the User": "Tessa Test",
    "Email": "tessa@example.com",
    "Event Time": "2026-01-31T09:30",
    "Product ID": "gold-card",
}
LEAD = "Lead form submitted"
PARAMETERS = {
    "Name of the User": '{{ profile.first_name | default: "there" | capitalize }}',
    "Email": "{{ profile.email }}",
    "Event Time": "{{ event.time }}",
    "Product ID": "{{ event.properties.product_id }}",
}


@pytest.mark.django_db(transaction=True)
def test_a_marketer_sees_the_person_in_braze(
    page: Page, live_server: LiveServer, sandbox: SandboxProcess, shot: Shot
) -> None:
    factories.make_admin(username="ada", password=PASSWORD)
    sign_in(page, shot)
    # Step 1: create a Braze External API
    add_connection(page, sandbox, shot)
    add_external_api(page, shot)
    # Step 2: test the configuration
    test_the_api(page, shot)
    find_in_search_users(page, sandbox, "tessa@example.com", "Tessa Test")
    shot("06-search-users")
    # Step 3: trigger user events in Braze
    page.goto("/admin/")
    shot("07-home-on-the-way")
    write_key = add_source(page, shot)
    with worker(), beat():
        add_segment(page, shot)
        send_lead(live_server, write_key, "user-1", "ann", "gold-card")
        wait_for_member()
        add_engagement(page, shot)
        activate(page, shot)
        # Whoever submits the form from now on arrives in Braze.
        send_lead(live_server, write_key, "user-2", "ben", "home-loan")
        wait_until(lambda: sandbox.user("user-2") is not None, "the person in Braze")
        find_in_search_users(page, sandbox, "ben@example.com", "Ben")
        shot("14-person-in-braze")
        what_was_sent(page, shot)
        the_report_counts(page, shot)
        page.goto("/admin/")
        expect(page.get_by_text("The three steps: all done")).to_be_visible()
        shot("17-home")
    person = sandbox.user("user-2")
    assert person is not None
    assert person["first_name"] == "Ben"
    assert sandbox.user("user-1") is None, "people from before are not sent"


# --- Sign in ----------------------------------------------------------------------


def sign_in(page: Page, shot: Shot) -> None:
    page.goto("/")
    shot("00-sign-in")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    shot("01-home-empty")


# --- Step 1 -----------------------------------------------------------------------


def add_connection(page: Page, sandbox: SandboxProcess, shot: Shot) -> None:
    page.get_by_role("link", name="Add a connection").click()
    page.get_by_role("textbox", name="Name").fill("Braze sandbox")
    page.get_by_label("Base URL").fill(sandbox.url)
    page.get_by_label("REST API key").fill(sandbox.key)
    shot("02-connection")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    assert sandbox.key not in page.content()


def add_external_api(page: Page, shot: Shot) -> None:
    page.goto("/admin/")
    page.get_by_role("link", name="Add New External API").click()
    page.get_by_role("link", name="Braze Track Users").click()
    page.get_by_label("Connection").select_option(label="Braze sandbox")
    shot("03-external-api")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Test API", exact=True)).to_be_visible()


# --- Step 2 -----------------------------------------------------------------------


def test_the_api(page: Page, shot: Shot) -> None:
    for name, value in TEST_VALUES.items():
        page.get_by_label(name).first.fill(value)
    shot("04-test-api")
    page.get_by_role("button", name="Test Configuration").click()
    expect(page.get_by_text("201 Created").first).to_be_visible()
    shot("05-test-api-answer")


test_the_api.__test__ = False  # type: ignore[attr-defined]


def find_in_search_users(
    page: Page, sandbox: SandboxProcess, wanted: str, name: str
) -> None:
    page.goto(f"{sandbox.url}/search-users")
    page.get_by_role("searchbox").fill(wanted)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name=re.compile(name)).first).to_be_visible()
    page.get_by_role("link", name=re.compile(name)).first.click()
    expect(page.get_by_text(wanted).first).to_be_visible()


# --- Step 3 -----------------------------------------------------------------------


def add_source(page: Page, shot: Shot) -> str:
    page.goto("/admin/segments/source/add/")
    page.get_by_label("Name").fill("Website")
    page.get_by_role("button", name="Save", exact=True).click()
    key = page.get_by_label("Write key of Website").input_value()
    shot("08-write-key")
    return key


def add_segment(page: Page, shot: Shot) -> None:
    page.goto("/admin/")
    page.get_by_role("link", name="Add a segment").click()
    page.get_by_label("Name").fill("Submitted a lead form")
    page.get_by_role("button", name="Add what they did").click()
    page.get_by_label("The event").fill(LEAD)
    shot("09-segment")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_role("link", name="Add Engagement")).to_be_visible()


def send_lead(
    live_server: LiveServer, write_key: str, user_id: str, name: str, product: str
) -> None:
    now = datetime.now(UTC).isoformat()
    messages: list[dict[str, Any]] = [
        {
            "type": "identify",
            "messageId": f"identify-{user_id}",
            "traits": {"email": f"{name}@example.com", "first_name": name},
        },
        {
            "type": "track",
            "messageId": f"track-{user_id}",
            "event": LEAD,
            "properties": {"product_id": product},
        },
    ]
    common = {"userId": user_id, "timestamp": now}
    answer = requests.post(
        f"{live_server.url}/v1/batch",
        json={"batch": [message | common for message in messages]},
        auth=(write_key, ""),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


def wait_for_member() -> None:
    wait_until(
        lambda: Segment.objects.filter(size=1).exists(),
        "the first member",
    )
    assert not InboxRequest.objects.exists()


def add_engagement(page: Page, shot: Shot) -> None:
    page.reload()
    shot("10-segment-with-people")
    page.get_by_role("link", name="Add Engagement").click()
    expect(page.get_by_role("heading", name="Engagement Creation").last).to_be_visible()
    page.get_by_label("Name", exact=False).first.fill("Lead form to Braze")
    for name, variable in PARAMETERS.items():
        page.get_by_label(name, exact=False).first.fill(variable)
    page.get_by_label("External ID or e-mail of a person").fill("user-1")
    page.get_by_role("button", name="Preview").click()
    preview = page.locator("#preview")
    expect(preview).to_contain_text('"Ann"')
    expect(preview).to_contain_text("gold-card")
    shot("11-engagement")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved as a draft")).to_be_visible()


def activate(page: Page, shot: Shot) -> None:
    page.get_by_role("link", name="Activate").first.click()
    expect(page.get_by_text("Nobody is sent at once")).to_be_visible()
    shot("12-activate")
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("The Engagement is active.")).to_be_visible()
    shot("13-engagement-active")


def what_was_sent(page: Page, shot: Shot) -> None:
    """From the person's page: what was sent, and what Braze said, in two clicks."""
    page.goto("/admin/segments/profile/?q=user-2")
    row = page.locator("#result_list tbody tr").filter(has_text="user-2")
    row.get_by_role("link").first.click()
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_text("201 success")).to_be_visible()
    shot("15-person")
    page.get_by_role("link", name="Lead form to Braze").first.click()
    expect(page.get_by_text("home-loan").first).to_be_visible()
    expect(page.get_by_text("201").first).to_be_visible()
    shot("16-delivery")


def the_report_counts(page: Page, shot: Shot) -> None:
    page.get_by_role("link", name="Lead form to Braze").first.click()
    expect(page.locator("#report")).to_contain_text("Sent")
    shot("18-engagement-report")
