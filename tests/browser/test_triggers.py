"""The triggers as they are chosen; step 3 of the partner page for each submission."""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from engagements.models import Engagement
from externalapi.models import Connection
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from segments.membership import refresh
from segments.tracking import write_keys
from tests import factories
from tests.browser.conftest import DESKTOP, Shot
from tests.doubles.celery_processes import worker
from tests.test_real_time import BODY
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

LEAD = "Lead form submitted"
PARAMETERS = {
    "Name of the User": '{{ profile.first_name | default: "there" | capitalize }}',
    "Product ID": "{{ event.properties.product_id }}",
    "Event Time": "{{ event.time }}",
}


@pytest.fixture
def leads():
    segment = factories.make_segment(
        rule={"event": LEAD}, event_names=[LEAD], name="Lead forms"
    )
    refresh.refresh(segment.pk)
    return segment


@pytest.fixture
def external_api(braze: Connection):
    version = factories.make_version(
        body=BODY,
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("Name of the User"),
            factories.parameter("Product ID"),
            factories.parameter("Event Time", type="datetime"),
        ],
        connection=braze,
    )
    factories.make_test(version)
    return version.external_api


def test_two_submissions_of_the_form_arrive_as_two_events(
    page: Page,
    admin: Any,
    live_server: LiveServer,
    sandbox: SandboxProcess,
    leads,
    external_api,
    shot: Shot,
) -> None:
    # “In your new segment, go to External API > Add Engagement.”
    page.goto(leads.get_absolute_url())
    page.get_by_role("link", name="Add Engagement").click()
    # “Enter the basic details and select the configuration.”
    page.get_by_label("Name", exact=False).first.fill("Each lead form")
    page.get_by_label("On each qualifying event").check()
    page.get_by_label("Events of a person, at most").fill("3")
    page.get_by_label("In", exact=True).select_option("day")
    # “Enter the relevant personalization variables for our chosen parameters.”
    for name, variable in PARAMETERS.items():
        page.get_by_label(name, exact=False).first.fill(variable)
    in_both_sizes(page, shot, "each-event")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved as a draft")).to_be_visible()
    # “When you're finished, activate the Engagement.”
    page.get_by_role("link", name="Activate").first.click()
    expect(page.get_by_text("it begins with the next qualifying event")).to_be_visible()
    expect(page.get_by_text("at most 3 of a person in a day")).to_be_visible()
    shot("each-event-activate")
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("The Engagement is active.")).to_be_visible()
    source = factories.make_source()
    key = write_keys.issue(source)

    with worker():
        products = ["gold-card", "home-loan"]
        for number, product in enumerate(products):
            submit(live_server, key, number, product)
            wait_for(sandbox, number + 1)

    assert [event["properties"] for event in events(sandbox)] == [
        {"product_id": product} for product in products
    ]
    times = [event["time"] for event in events(sandbox)]
    assert [time[:19] for time in times] == [
        "2026-01-31T09:00:00",
        "2026-01-31T09:00:01",
    ]
    person = sandbox.user("maya")
    assert person is not None
    assert person["first_name"] == "Maya"
    page.reload()
    expect(page.locator("#preview")).to_contain_text("home-loan")
    expect(page.locator("#report")).to_contain_text("Each qualifying event, since then")
    shot("each-event-report")


def in_both_sizes(page: Page, shot: Shot, name: str) -> None:
    """Pictures at a desk and on a telephone, light and dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            shot(f"{name}-{scheme}-{width}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)


def events(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    person = sandbox.user("maya")
    return list(person["event_list"]) if person else []


def wait_for(sandbox: SandboxProcess, count: int) -> None:
    wait_until(lambda: len(events(sandbox)) == count, f"{count} events in Braze")


def submit(live_server: LiveServer, key: str, number: int, product: str) -> None:
    at = datetime(2026, 1, 31, 9, 0, number, tzinfo=UTC).isoformat()
    common = {"userId": "maya", "timestamp": at}
    messages = [
        {"type": "identify", "traits": {"first_name": "maya"}},
        {"type": "track", "event": LEAD, "properties": {"product_id": product}},
    ]
    answer = requests.post(
        f"{live_server.url}/v1/batch",
        json={"batch": [message | common for message in messages]},
        auth=(key, ""),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


def test_each_trigger_asks_for_what_is_its_own(
    page: Page, admin: Any, leads, external_api, shot: Shot
) -> None:
    page.goto(f"/admin/engagements/engagement/add/?segment={leads.pk}")
    present = page.get_by_label("Also send to people already in the segment")
    delay = page.get_by_label("Wait before sending")
    limit = page.get_by_label("Events of a person, at most")
    start = page.get_by_label("Starts")
    leaving = page.get_by_text("Who leaves the segment while waiting")
    coming_back = page.get_by_text("Who comes back into the segment while waiting")
    all_of_them = [present, delay, limit, start, leaving, coming_back]
    for trigger, asks in (
        ("As soon as someone enters the segment", [present, delay, leaving]),
        ("On each qualifying event", [present, delay, limit, leaving]),
        ("As soon as someone leaves the segment", [delay, coming_back]),
        ("On a schedule", [start, leaving]),
    ):
        page.get_by_role("radio", name=trigger, exact=True).check()
        for field in all_of_them:
            expect(field).to_be_visible(visible=field in asks)

    page.get_by_label("Name", exact=False).first.fill("Goodbye")
    page.get_by_label("As soon as someone leaves the segment").check()
    delay.fill("400")
    page.get_by_label("Unit").select_option("days")
    for name, variable in PARAMETERS.items():
        page.get_by_label(name, exact=False).first.fill(variable)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Enter at most 365 days")).to_be_visible()
    shot("on-exit-error")
    delay.fill("2")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved as a draft")).to_be_visible()
    saved = Engagement.objects.get()
    assert (saved.trigger, saved.delay, saved.delay_unit) == ("on_exit", 2, "days")
    in_both_sizes(page, shot, "on-exit")
