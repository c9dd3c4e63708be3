"""Browsers: from where they may send, and what they ask before."""

import pytest

from segments.models import InboxRequest, RefusedMessage
from segments.tracking import write_keys
from tests import factories

SHOP = "https://shop.example"
BODY = {"userId": "u1", "event": "E"}


@pytest.fixture
def listed(source, write_key):
    """The source, with a list of origins."""
    source.allowed_origins = f"{SHOP}\nhttps://*.wild.example\nnull"
    source.save()
    write_keys.forget()
    return source


@pytest.fixture
def ask(client):
    def ask(origin, path="/v1/t", headers="authorization,anonymousid", **more):
        return client.options(
            path,
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": headers,
                **more,
            },
        )

    return ask


@pytest.mark.parametrize(
    "origin", [SHOP, "https://a.wild.example", "https://a.b.wild.example", "null"]
)
def test_a_website_of_the_list_may_ask_and_send(listed, ask, client, write_key, origin):
    asked = ask(origin)
    assert asked.status_code == 204
    assert asked["Access-Control-Allow-Origin"] == origin
    assert asked["Access-Control-Allow-Headers"] == "authorization,anonymousid"
    assert asked["Access-Control-Allow-Methods"] == "POST"
    sent = client.post(
        "/v1/t",
        {**BODY, "writeKey": write_key},
        content_type="application/json",
        headers={"Origin": origin},
    )
    assert sent.status_code == 200
    assert (sent["Access-Control-Allow-Origin"], sent["Vary"]) == (origin, "Origin")


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://wild.example",
        "https://evilwild.example",
        "",
    ],
)
def test_another_one_may_not(listed, ask, post, origin):
    assert "Access-Control-Allow-Origin" not in ask(origin)
    status, answer = post("t", BODY, Origin=origin)
    assert (status, answer["code"]) == (403, "origin_not_allowed")
    assert not InboxRequest.objects.exists()
    assert RefusedMessage.objects.get().code == "origin_not_allowed"


def test_everybody_may_where_the_list_says_so(listed, ask, post):
    listed.allowed_origins = "*"
    listed.save()
    write_keys.forget()
    assert ask("https://any.example")["Access-Control-Allow-Origin"]
    assert post("t", BODY, Origin="https://any.example")[0] == 200


def test_what_one_source_allows_another_does_not(listed, ask, post):
    factories.make_source(allowed_origins="https://other.example")
    write_keys.forget()
    assert ask("https://other.example")["Access-Control-Allow-Origin"]
    assert post("t", BODY, Origin="https://other.example")[0] == 403


def test_a_source_that_is_off_allows_nobody(listed, ask):
    listed.is_active = False
    listed.save()
    write_keys.forget()
    assert "Access-Control-Allow-Origin" not in ask(SHOP)


def test_a_page_may_read_why_it_is_refused(listed, client):
    answer = client.post(
        "/v1/t", "{", content_type="text/plain", headers={"Origin": SHOP}
    )
    assert answer.status_code == 401
    assert answer["Access-Control-Allow-Origin"] == SHOP


def test_names_of_headers_that_are_none_are_not_repeated(listed, ask):
    assert "Access-Control-Allow-Headers" not in ask(SHOP, headers="a\x00b")


def test_who_is_no_browser_is_not_asked(listed, post):
    assert post("t", BODY)[0] == 200


# --- What browser libraries fetch before they send ---------------------------------


def test_the_settings_of_segments_library_lead_here(listed, client, write_key):
    url = f"/v1/projects/{write_key}/settings"
    answer = client.get(url, headers={"Origin": SHOP})
    assert answer["Access-Control-Allow-Origin"] == SHOP
    ours = answer.json()["integrations"]["Segment.io"]
    assert (ours["apiKey"], ours["apiHost"], ours["protocol"]) == (
        write_key,
        "testserver/v1",
        "http",
    )
    assert client.get("/v1/projects/wrong/settings").status_code == 401
    other = client.get(url, headers={"Origin": "https://other.example"})
    assert other.status_code == 403
    assert client.post(url).status_code == 405


@pytest.mark.parametrize("path", ["/sourceConfig/", "/sourceConfig"])
def test_the_configuration_of_rudderstacks_library(listed, client, write_key, path):
    answer = client.get(path, {"writeKey": write_key}, headers={"Origin": SHOP})
    source = answer.json()["source"]
    assert (source["name"], source["writeKey"]) == ("Shop", write_key)
    assert source["enabled"] is True
    assert client.get(path, {"writeKey": "wrong"}).status_code == 401
