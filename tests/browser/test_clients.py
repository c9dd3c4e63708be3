"""Libraries for browsers, unchanged, on a website of another origin: all arrives here."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page

from segments.ingest import inbox
from segments.models import Event, InboxRequest, Profile, RefusedMessage, Source
from segments.sources import snippets
from segments.tracking import write_keys
from tests import factories
from tests.browser.website import Website, mirror, until, website

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop() -> Iterator[Website]:
    with website() as site:
        yield site


@pytest.fixture
def source(db, shop: Website) -> Source:
    source = factories.make_source(allowed_origins=shop.origin)
    write_keys.forget()
    return source


@pytest.fixture
def key(source: Source) -> str:
    return write_keys.issue(source)


def messages() -> int:
    return sum(request.count for request in InboxRequest.objects.all())


def arrived(page: Page, number: int) -> None:
    """Apply what the browser has sent, once so many messages are there."""
    until(page, lambda: messages() >= number, f"{number} messages")
    assert inbox.apply().errors == 0
    assert not RefusedMessage.objects.exists()


def pasted(live_server, key: str, name: str) -> str:
    [code] = [s.code for s in snippets.all_of(live_server.url, key) if s.name == name]
    return code


@pytest.mark.parametrize("name", ["browser", "browser-rudderstack"])
def test_what_the_source_s_page_has_pasted(page: Page, live_server, shop, key, name):
    mirror(page.context)
    shop.show(page, pasted(live_server, key, name), path="/start?utm_source=mail")
    arrived(page, 3)
    ann = Profile.objects.get(external_id="user-1")
    assert (ann.email, ann.attributes) == ("ann@example.com", {"first_name": "Ann"})
    did = {e.name: e.properties for e in Event.objects.filter(profile=ann)}
    # The page was looked at before it was known by whom: it is theirs all the same.
    assert did.keys() == {"Page Viewed", "Lead form submitted"}
    assert did["Lead form submitted"] == {"product_id": "gold-card"}
    seen = did["Page Viewed"]
    assert (seen["path"], seen["title"]) == ("/start", "Shop")
    assert urlsplit(seen["url"])[:3] == ("http", urlsplit(shop.origin).netloc, "/start")
    assert parse_qs(urlsplit(seen["url"]).query) == {"utm_source": ["mail"]}


CALLS = """
analytics.screen("App", "Main", {dark: true});
analytics.group("acme", {seats: 5});
analytics.track("Bought", {total: 12.5, items: [{sku: "a", n: 1}, {sku: "b", n: 2}]});
"""


@pytest.mark.parametrize("name", ["browser", "browser-rudderstack"])
def test_the_other_calls(page: Page, live_server, shop, key, name):
    mirror(page.context)
    code = pasted(live_server, key, name)
    calls = CALLS if name == "browser" else CALLS.replace("analytics.screen", "void")
    shop.show(page, code, f"<script>{calls}</script>")
    arrived(page, 6 if name == "browser" else 5)
    did = {
        e.name: e.properties
        for e in Event.objects.filter(profile__external_id="user-1")
    }
    assert did["Group Joined"] == {"group_id": "acme", "seats": 5}
    assert did["Bought"]["items"] == [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]
    if name == "browser":
        screen = did["Screen Viewed"]
        assert (screen["name"], screen["category"]) == ("Main", "App")


def test_rudderstacks_beacons_when_the_page_is_left(page: Page, live_server, shop, key):
    mirror(page.context)
    code = pasted(live_server, key, "browser-rudderstack")
    url = json.dumps(live_server.url)
    beacons = f"{{configUrl: {url}, useBeacon: true}}"
    assert f"{{configUrl: {url}}}" in code
    shop.show(page, code.replace(f"{{configUrl: {url}}}", beacons))
    page.wait_for_function("analytics.getAnonymousId()")
    shop.show(page)
    arrived(page, 3)
    ann = Profile.objects.get(external_id="user-1")
    assert ann.events.get(name="Lead form submitted").properties == {
        "product_id": "gold-card"
    }


BEACON = """
<script>
  addEventListener("pagehide", () => navigator.sendBeacon(%s, JSON.stringify({
    writeKey: %s, anonymousId: "a1", event: "Left", properties: {n: 1},
  })));
</script>
"""


def beacon(live_server, key: str) -> str:
    return BEACON % (json.dumps(f"{live_server.url}/v1/t"), json.dumps(key))


def test_a_plain_beacon_when_the_page_is_left(page: Page, live_server, shop, key):
    shop.show(page, beacon(live_server, key))
    shop.show(page)
    arrived(page, 1)
    event = Event.objects.get()
    assert (event.name, event.properties) == ("Left", {"n": 1})
    assert event.profile.identifiers.get().value == "a1"


def test_a_website_that_is_not_listed_is_refused_and_kept(
    page: Page, live_server, shop, source, key, complaints
):
    source.allowed_origins = "https://shop.example"
    source.save()
    write_keys.forget()
    shop.show(page, beacon(live_server, key))
    shop.show(page)
    until(page, RefusedMessage.objects.exists, "the refusal")
    refused = RefusedMessage.objects.get()
    assert refused.code == "origin_not_allowed"
    assert shop.origin in refused.message
    assert json.loads(bytes(refused.body))["event"] == "Left"
    complaints.clear()
