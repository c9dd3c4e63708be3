"""The sandbox's pages: they fit two widths in two schemes, and are accessible."""

from collections.abc import Iterator
from itertools import product
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests.browser import axe
from tests.browser.looks import SIZES, resize, scrolls_sideways

# Colours are all that its schemes are of.
SCHEMES: dict[Literal["light", "dark"], list[str]] = {
    "light": axe.STANDARD,
    "dark": axe.COLOURS,
}
UUID = "d8b73da7-0b7c-fc72-1d80-e59c7f20f0d3"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    """With a person who has something of everything, and a request of each outcome."""
    options = ("--catalog", "restaurants:Name,Rating=number,Place=object")
    with SandboxProcess(*options) as sandbox:
        fill(sandbox)
        yield sandbox


def fill(sandbox: SandboxProcess) -> None:
    ada = {
        "external_id": "a-very-long-external-id-0123456789-0123456789-0123456789",
        "first_name": "Ada",
        "email": "ada@example.com",
        "address": {"city": "London", "street": "St James's Square 12", "zip": "SW1Y"},
    }
    who = {"external_id": ada["external_id"]}
    name = {"time": "2026-01-02T03:04:05Z", "name": "lead_submitted"}
    buy = {"product_id": "tea", "currency": "EUR", "price": 4.5, "time": name["time"]}
    sandbox.track(
        {
            "attributes": [ada, {"first_name": "nobody"}],
            "events": [{**who, **name, "properties": {"sku": "tea", "n": 1}}],
            "purchases": [{**who, **buy}],
        }
    )
    group = {"subscription_group_id": UUID, "subscription_state": "subscribed"}
    groups = [{**group, "external_ids": [who["external_id"]]}]
    sandbox.track({"subscription_groups": groups}, "/v2/subscription/status/set")
    to = {"external_user_id": who["external_id"], "trigger_properties": {"shop": "x"}}
    campaign = {"campaign_id": UUID, "recipients": [to]}
    sandbox.track(campaign, "/campaigns/trigger/send")
    items = [{"id": "r1", "Name": "One", "Rating": 5, "Place": {"latitude": 41.9}}]
    sandbox.track({"items": items}, "/catalogs/restaurants/items")
    sandbox.track({}, "/users/merge")
    sandbox.faults([{"kind": "status", "status": 503}])
    sandbox.track({"attributes": [ada]})


def addresses(sandbox: SandboxProcess) -> list[str]:
    (user,) = sandbox.call("GET", "/sandbox/users").json()
    return [
        "/search-users",
        "/search-users?q=a-very",
        "/search-users?q=nobody",
        f"/users/{user['braze_id']}",
        "/requests",
        "/requests/1",
        "/requests/5",
        "/requests/6",
        "/sandbox/catalogs",
        "/sandbox/catalogs/restaurants",
    ]


def test_the_pages_fit_and_are_accessible(browser: Browser, sandbox: SandboxProcess):
    script = axe.source()
    complaints: list[str] = []
    # The checker is no part of the page, whose policy allows no script at all.
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    for address in addresses(sandbox):
        page.goto(sandbox.url + address)
        for size, (scheme, rules) in product(SIZES.values(), SCHEMES.items()):
            resize(page, size)
            page.emulate_media(color_scheme=scheme)
            found = axe.violations(page, script, rules)
            if scrolls_sideways(page):
                found.append("It scrolls sideways.")
            complaints += [f"{address}, {size['width']} {scheme}: {f}" for f in found]
    context.close()
    assert complaints == []


def test_a_person_is_found_and_a_request_is_read(page: Page, sandbox: SandboxProcess):
    page.goto(sandbox.url)
    page.get_by_label("External ID, email, phone, alias or Braze ID").fill("ada@")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Ada").click()
    expect(page.get_by_role("heading", name="Subscription groups")).to_be_visible()
    expect(page.get_by_text('{"shop":"x"}')).to_be_visible()
    page.get_by_role("link", name="Requests").click()
    page.get_by_role("link", name="Request 5").click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("'merge_updates' must be an array of objects")
