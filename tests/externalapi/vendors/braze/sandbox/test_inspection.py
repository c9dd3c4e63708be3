"""What tests and the demo can ask a sandbox, and Braze cannot be asked."""

import time
from hashlib import sha256

import orjson
import pytest

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests.externalapi.vendors.braze.sandbox.people import attributes, event


def test_requests_are_listed_in_order_with_who_was_in_them(sandbox):
    started = time.time()
    body = {
        "attributes": [attributes("ada"), {"email": "x@example.com"}, {}],
        "events": [event("bob")],
    }
    sandbox.track(body)
    sandbox.track({"attributes": [attributes("cy")]})
    first, second = sandbox.requests()
    assert started <= first.pop("at") <= second["at"] <= time.time()
    assert first == {
        "n": 1,
        "method": "POST",
        "path": "/users/track",
        "status": 201,
        "objects": 4,
        "accepted": 3,
        "refused": {"attributes": [2]},
        "reasons": [contract.IDENTIFIER_REQUIRED.sentence],
        "bytes": len(orjson.dumps(body)),
        "sha256": sha256(orjson.dumps(body)).hexdigest(),
        "fault": None,
        "external_ids": {"attributes": ["ada", None, None], "events": ["bob"]},
    }
    assert second["external_ids"] == {"attributes": ["cy"]}


def test_requests_since(sandbox):
    for name in ("a", "b", "c"):
        sandbox.track({"attributes": [attributes(name)]})
    assert [one["n"] for one in sandbox.requests(since=1)] == [2, 3]
    assert sandbox.requests(since=3) == []
    for since in ("x", "-1", "%D9%A3", "9" * 40, "9" * 5_000, "%00"):
        answer = sandbox.call("GET", f"/sandbox/requests?since={since}")
        assert answer.status == 400, since


def test_refused_requests_are_listed_too(sandbox):
    sandbox.call("POST", "/users/track", {"attributes": [attributes()]})
    (record,) = sandbox.requests()
    assert (record["status"], record["accepted"]) == (401, 0)
    assert record["external_ids"] == {"attributes": ["ada"]}
    assert record["reasons"] == ["Invalid API key"]
    sandbox.track({})
    assert sandbox.requests()[1]["reasons"] == [contract.NO_VALID_DATA.text]


def test_only_the_newest_records_are_kept_but_all_are_counted():
    with SandboxProcess("--keep-requests", "2") as sandbox:
        for name in ("a", "b", "c"):
            sandbox.track({"attributes": [attributes(name)]})
        assert [one["n"] for one in sandbox.requests()] == [2, 3]
        assert [one["n"] for one in sandbox.requests(since=2)] == [3]
        assert sandbox.summary()["requests"] == 3


def test_the_summary(sandbox):
    body = {"attributes": [attributes(), {}], "events": [event(), event()]}
    sandbox.track(body)
    sandbox.track(body)
    sandbox.track({})
    traffic = {
        "requests": 3,
        "by_status": {"201": 2, "400": 1},
        "objects": 8,
        "accepted": 6,
        "repeated_requests": 1,
        "peak_in_three_seconds": 3,
    }
    assert sandbox.traffic() == traffic
    assert sandbox.summary() == traffic | {"users": 1, "events": 4, "purchases": 0}


def test_duplicates_are_equal_events_of_one_person(sandbox):
    sandbox.track(
        {
            "events": [
                event(properties={"delivery_id": "1"}),
                event(properties={"delivery_id": "1"}),
                event(properties={"delivery_id": "2"}),
                event("bob", properties={"delivery_id": "1"}),
            ]
        }
    )
    (found,) = sandbox.duplicates()
    assert (found["external_id"], found["count"]) == ("ada", 2)
    assert found["properties"] == {"delivery_id": "1"}


@pytest.mark.parametrize("name", ["a/b", "ä ö", "100%", "?q=1#x", "..", "<b>"])
def test_a_user_with_any_external_id(sandbox, name):
    sandbox.track({"attributes": [attributes(name)]})
    assert sandbox.user(name)["external_id"] == name


def test_a_user_that_does_not_exist(sandbox):
    assert sandbox.user("nobody") is None


def test_reset_forgets_everything(sandbox):
    sandbox.faults([{"kind": "status", "times": None}])
    sandbox.track({"attributes": [attributes()]})
    sandbox.reset()
    assert sandbox.requests() == []
    assert sandbox.summary()["users"] == 0
    assert sandbox.track({"attributes": [attributes()]}).status == 201


@pytest.mark.parametrize("path", ["/sandbox/reset", "/sandbox/faults"])
def test_another_site_cannot_change_it(sandbox, path):
    headers = {"Origin": "http://elsewhere.example"}
    assert sandbox.call("POST", path, [], headers).status == 403
    headers = {"Origin": sandbox.url}
    assert sandbox.call("POST", path, [], headers).status in (200, 201)
