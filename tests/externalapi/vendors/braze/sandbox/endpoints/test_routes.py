"""What every endpoint has in common: key, permission, type, limit, record, faults."""

import pytest

from externalapi.vendors.braze.facts import endpoints as braze
from externalapi.vendors.braze.facts.contract import BAD_JSON
from externalapi.vendors.braze.facts.endpoints import LIMITS, TRACK_LIMIT, TRACK_SYNC
from externalapi.vendors.braze.sandbox.endpoints.routes import ROUTES
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from externalapi.vendors.braze.sandbox.runtime.options import (
    BadOptionError,
    parse_limits,
)
from externalapi.vendors.braze.sandbox.runtime.rate_limits import Limits, Plan
from tests.externalapi.vendors.braze.sandbox.good_requests import FIELDS, GOOD
from tests.externalapi.vendors.braze.sandbox.people import attributes

ENDPOINTS = [route.endpoint for route in ROUTES]
PARAMS = {"catalog_name": "restaurants", "item_id": "r1"}


@pytest.fixture(params=ENDPOINTS, ids=lambda one: one.key)
def endpoint(request):
    return request.param


@pytest.fixture(scope="module")
def without_permissions():
    with SandboxProcess("--key", "nothing:") as sandbox:
        yield sandbox


def called(sandbox, endpoint, key, body=b"{}", **headers):
    return sandbox.call(
        endpoint.method,
        endpoint.path.format_map(PARAMS),
        body,
        {"Authorization": f"Bearer {key}", **headers},
    )


def test_a_good_request_has_the_status_of_its_page(sandbox, endpoint):
    sandbox.track({"attributes": [attributes()]})
    catalog = {"name": "restaurants", "fields": FIELDS}
    sandbox.track({"catalogs": [catalog]}, "/catalogs")
    if endpoint is not braze.CREATE_ITEM:
        sandbox.track({"items": [{"Name": "One"}]}, "/catalogs/restaurants/items/r1")
    good = GOOD[endpoint]
    path = endpoint.path.format_map(PARAMS) + (good if isinstance(good, str) else "")
    headers = {"Authorization": f"Bearer {sandbox.key}"}
    body = None if isinstance(good, str) else good
    answer = sandbox.call(endpoint.method, path, body, headers)
    assert (answer.status, answer.json()["message"]) == (endpoint.status, "success")


def test_an_unknown_key(sandbox, endpoint):
    answer = called(sandbox, endpoint, "non-existent")
    assert (answer.status, answer.json()) == (
        401,
        {"message": "Invalid API key: non-existent"},
    )
    assert answer.headers["X-RateLimit-Limit"] == ""
    (record,) = sandbox.requests()
    assert (record["method"], record["status"]) == (endpoint.method, 401)
    assert record["path"] == endpoint.path.format_map(PARAMS)
    assert record["reasons"] == ["Invalid API key"]


def test_a_key_without_the_permission(without_permissions, endpoint):
    answer = called(without_permissions, endpoint, "nothing")
    assert (answer.status, answer.json()) == (403, {"message": "Access Denied"})


def test_a_body_that_cannot_be_read(sandbox, endpoint):
    broken = called(sandbox, endpoint, sandbox.key, b"{")
    text = called(sandbox, endpoint, sandbox.key, **{"Content-Type": "text/plain"})
    if endpoint.has_body:
        assert (broken.status, text.status) == (400, 415)
    else:
        assert broken.json() == text.json()
        assert "error" not in broken.json()


def test_the_limit_is_in_the_headers(sandbox, endpoint):
    answer = called(sandbox, endpoint, sandbox.key)
    assert answer.headers["X-RateLimit-Limit"] == str(endpoint.limit.requests)


def test_a_body_that_is_no_object_is_refused(sandbox, endpoint):
    for body in (b"[]", b"null", b'"text"', b"1", b'[{"id": 1}]'):
        answer = called(sandbox, endpoint, sandbox.key, body)
        if endpoint.has_body:
            assert answer.status in (400, 404), body
    if endpoint.has_body:
        assert [one["accepted"] for one in sandbox.requests()] == [0] * 5


def deep(levels):
    """A body for any endpoint, with a value that has so many levels."""
    value = b'{"a":' * levels + b"1" + b"}" * levels
    return (
        b'{"attributes":[{"external_id":"a","x":%b}],'
        b'"events":[{"external_id":"a","name":"n","time":"2026-01-01","properties":%b}],'
        b'"items":[{"id":"r1","x":%b}],"x":%b,'
        b'"recipients":[{"external_user_id":"a","trigger_properties":%b,"context":%b,'
        b'"attributes":{"x":%b}}],"messages":{"sms":%b},"external_user_ids":["a",%b],'
        b'"user_aliases":[%b],"merge_updates":[%b],"external_ids":["a",%b]}'
    ) % ((value,) * 12)


def test_a_body_may_be_deep(sandbox, endpoint):
    for levels in (240, 500, 2000):
        answer = called(sandbox, endpoint, sandbox.key, deep(levels))
        assert answer.status < 500, levels
        if levels > 240 and endpoint.has_body:
            assert answer.json() == {"error": BAD_JSON.text}, levels
    wanted = {"external_ids": ["a"]}
    assert sandbox.track(wanted, "/users/export/ids").status == 201


def test_a_fault_strikes_every_endpoint(sandbox, endpoint):
    sandbox.faults([{"kind": "status", "status": 503}, {"kind": "html_200"}])
    assert called(sandbox, endpoint, sandbox.key).status == 503
    assert called(sandbox, endpoint, sandbox.key).body.startswith(b"<html>")
    assert [one["fault"] for one in sandbox.requests()] == ["status", "html_200"]


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        (
            "/users/alias/new",
            {"user_aliases": [{"alias_name": n, "alias_label": "b"} for n in "xy"]},
            {"aliases_processed": 1},
        ),
        ("/users/delete", {"external_ids": ["x", "y"]}, {"deleted": 1}),
        (
            "/users/merge",
            {
                "merge_updates": [
                    {
                        "identifier_to_merge": {"external_id": n},
                        "identifier_to_keep": {"external_id": "z"},
                    }
                    for n in "xy"
                ]
            },
            {},
        ),
    ],
)
def test_objects_can_be_refused_on_request(sandbox, path, body, answer):
    sandbox.faults([{"kind": "partial_errors", "type": "no"}])
    got = sandbox.track(body, path).json()
    (array,) = body
    assert got == {
        **answer,
        "errors": [{"type": "no", "input_array": array, "index": 0}],
        "message": "success",
    }
    (record,) = sandbox.requests()
    assert (record["accepted"], record["refused"]) == (1, {array: [0]})


def test_a_refused_request_stays_refused(sandbox):
    sandbox.faults([{"kind": "partial_errors", "indexes": [0]}])
    many = {"external_ids": [str(n) for n in range(51)]}
    assert sandbox.track(many, "/users/delete").status == 400


def test_a_fault_may_be_for_one_path(sandbox):
    path = "/users/alias/new"
    sandbox.faults([{"kind": "status", "status": 503, "path": path}])
    body = {"user_aliases": [{"alias_name": "a", "alias_label": "b"}]}
    assert sandbox.track(body, "/users/alias/update").status == 400
    assert sandbox.track(body, path).status == 503
    assert sandbox.track(body, path).status == 201


@pytest.mark.parametrize("limit", [one for one in LIMITS if one is not TRACK_LIMIT])
def test_a_window_starts_again_on_the_clock(limit):
    limits = Limits(Plan(), {limit.name: 2})
    start = 1_800_000_000 // limit.seconds * limit.seconds
    now = start + limit.seconds / 2
    assert limits.admit(limit, now).headers == {
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "1",
        "X-RateLimit-Reset": str(start + limit.seconds),
    }
    assert limits.admit(limit, now).is_allowed
    refused = limits.admit(limit, now)
    assert not refused.is_allowed
    assert refused.headers["X-Ratelimit-Retry-After"] == str(max(1, limit.seconds // 2))
    assert limits.admit(limit, start + limit.seconds).is_allowed


def test_endpoints_share_a_limit():
    with SandboxProcess("--limit", "users=2", "--limit", "track_sync=1") as sandbox:
        alias = {"user_aliases": [{"alias_name": "a", "alias_label": "b"}]}
        paths = ("/users/alias/new", "/users/delete", "/users/merge", "/users/track")
        statuses = [sandbox.track(alias, path).status for path in paths]
        # The minute may turn in between; then there is room again for the third.
        assert statuses in ([201, 201, 429, 400], [201, 201, 400, 400])
        assert sandbox.track({}, TRACK_SYNC.path).headers["X-RateLimit-Limit"] == "1"


@pytest.mark.parametrize("given", ["users", "users=", "users=x", "track=5", "x=1"])
def test_a_limit_that_cannot_be_read(given):
    with pytest.raises(BadOptionError, match="Unknown limit"):
        parse_limits([given])
