"""Libraries for servers, unchanged and each in a process of its own; in what they send
nothing is lost. Browsers are in tests/browser/test_clients.py.
"""

import hashlib
import json
from base64 import b64encode

import pytest

from segments.ingest import inbox
from segments.models import Event, Profile, RefusedMessage
from segments.sources import snippets
from segments.tracking import write_keys
from tests import clients, factories
from tests.clients import SHA256
from tests.clients.running import node, python, shell

RUDDER_PYTHON = """
import rudderstack.analytics as analytics

analytics.write_key = {key!r}
analytics.dataPlaneUrl = {host!r}
analytics.identify(7, {{"email": "Ann@example.com", "plan": {{"name": "gold"}}}})
analytics.track(7, "Lead form submitted", {{"amount": 12.5, "tags": ["a", "b"]}})
analytics.page(7, "Docs", "Start", {{"path": "/start"}})
analytics.screen(7, "App", "Main", {{}})
analytics.group(7, "acme", {{"seats": 5}})
analytics.identify("8", {{"city": "Pune"}})
analytics.alias("8", "9")
analytics.flush()
analytics.shutdown()
"""
RUDDER_NODE = """
const Analytics = require("@rudderstack/rudder-sdk-node");

const client = new Analytics({key}, {{dataPlaneUrl: {host}}});
client.identify({{userId: 7, traits: {{email: "Ann@example.com", plan: {{name: "gold"}}}}}});
client.track({{userId: 7, event: "Lead form submitted",
  properties: {{amount: 12.5, tags: ["a", "b"]}}}});
client.page({{userId: 7, name: "Start", category: "Docs", properties: {{path: "/start"}}}});
client.screen({{userId: 7, name: "Main", category: "App"}});
client.group({{userId: 7, groupId: "acme", traits: {{seats: 5}}}});
client.identify({{userId: "8", traits: {{city: "Pune"}}}});
client.alias({{previousId: "8", userId: "9"}});
client.flush();
"""
SEGMENT_NODE = """
const {{Analytics}} = require("@segment/analytics-node");

const client = new Analytics({{writeKey: {key}, host: {host}}});
client.identify({{userId: "7", traits: {{email: "Ann@example.com", plan: {{name: "gold"}}}}}});
client.track({{userId: "7", event: "Lead form submitted",
  properties: {{amount: 12.5, tags: ["a", "b"]}}}});
client.page({{userId: "7", name: "Start", category: "Docs", properties: {{path: "/start"}}}});
client.screen({{userId: "7", name: "Main", category: "App"}});
client.group({{userId: "7", groupId: "acme", traits: {{seats: 5}}}});
client.identify({{userId: "8", traits: {{city: "Pune"}}}});
client.alias({{previousId: "8", userId: "9"}});
client.closeAndFlush();
"""


@pytest.mark.parametrize("name", SHA256)
def test_the_files_are_those_of_the_packages(name):
    content = (clients.HERE / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256[name]


def test_every_file_is_known():
    found = {p.relative_to(clients.HERE).as_posix() for p in clients.HERE.rglob("*.js")}
    assert found == SHA256.keys()


@pytest.mark.parametrize("library", [snippets.SEGMENT, snippets.RUDDERSTACK])
def test_browsers_are_told_the_integrity_of_what_is_tested_here(library):
    content = clients.browser_file(library.package).read_bytes()
    digest = b64encode(hashlib.sha384(content).digest()).decode()
    assert library.integrity == f"sha384-{digest}"
    readme = (clients.HERE / "README.md").read_text()
    assert f"`{library.package}` {library.version} | its `{library.path}`" in readme


# --- What they send -------------------------------------------------------------------


@pytest.fixture
def key(transactional_db) -> str:
    return write_keys.issue(factories.make_source())


@pytest.mark.parametrize(
    ("send", "script"),
    [(node, RUDDER_NODE), (node, SEGMENT_NODE), (python, RUDDER_PYTHON)],
    ids=["rudder-sdk-node", "segment-analytics-node", "rudder-sdk-python"],
)
def test_every_call_arrives_as_it_was_meant(live_server, key, send, script):
    quoted = str if send is python else json.dumps
    send(script.format(key=quoted(key), host=quoted(live_server.url)))
    inbox.apply()
    assert not RefusedMessage.objects.exists()
    ann = Profile.objects.get(external_id="7")
    assert (ann.email, ann.attributes) == (
        "ann@example.com",
        {"plan": {"name": "gold"}},
    )
    did = {e.name: e.properties for e in Event.objects.filter(profile=ann)}
    assert did.keys() == {
        "Lead form submitted",
        "Page Viewed",
        "Screen Viewed",
        "Group Joined",
    }
    assert did["Lead form submitted"] == {"amount": 12.5, "tags": ["a", "b"]}
    page = did["Page Viewed"]
    assert (page["name"], page["category"], page["path"]) == ("Start", "Docs", "/start")
    assert (did["Screen Viewed"]["name"], did["Screen Viewed"]["category"]) == (
        "Main",
        "App",
    )
    assert did["Group Joined"] == {"group_id": "acme", "seats": 5}
    # An alias makes one person of both.
    joined = Profile.objects.get(external_id="9")
    assert joined.attributes == {"city": "Pune"}


@pytest.mark.parametrize("name", ["python", "node"])
def test_what_the_page_has_pasted_works(live_server, key, name):
    found = {s.name: s.code for s in snippets.all_of(live_server.url, key)}
    {"python": python, "node": node}[name](found[name])
    inbox.apply()
    ann = Profile.objects.get(external_id="user-1")
    assert (ann.email, ann.attributes) == ("ann@example.com", {"first_name": "Ann"})
    event = ann.events.get()
    assert (event.name, event.properties) == (
        "Lead form submitted",
        {"product_id": "gold-card"},
    )


def test_curl_of_the_page_works(live_server, key):
    [code] = [s.code for s in snippets.all_of(live_server.url, key) if s.name == "curl"]
    shell(code)
    inbox.apply()
    assert Profile.objects.get(external_id="user-1").events.get().properties == {
        "product_id": "gold-card"
    }


def test_curl_of_lemnisks_calls_works(live_server, db):
    pair = write_keys.issue_pair(factories.make_source(), "CRM")
    [snippet] = snippets.with_passkey(live_server.url, *pair)
    shell(snippet.code)
    inbox.apply()
    assert Profile.objects.get(external_id="user-1").events.get().properties == {
        "product_id": "gold-card"
    }


def test_a_thousand_calls_in_a_row_are_all_there(live_server, key):
    """More than one request of theirs, and several at once."""
    code = """
const {Analytics} = require("@segment/analytics-node");
const client = new Analytics({writeKey: %s, host: %s, flushAt: 50});
for (let n = 0; n < 1000; n++) {
  client.track({userId: `u${n %% 10}`, event: "Counted", properties: {n}});
}
client.closeAndFlush();
"""
    node(code % (json.dumps(key), json.dumps(live_server.url)))
    inbox.apply()
    found = Event.objects.values_list("properties__n", flat=True)
    assert sorted(found) == list(range(1000))
