"""The answers to whole requests, over a socket."""

import orjson
import pytest

from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests.externalapi.vendors.braze.sandbox.people import attributes, event, purchase

BODY = {"attributes": [attributes(first_name="Ada")]}


def authorized(sandbox, **headers):
    return {"Authorization": f"Bearer {sandbox.key}", **headers}


def test_a_request_is_accepted_and_stored(sandbox):
    answer = sandbox.track({**BODY, "events": [event()], "purchases": [purchase()]})
    assert (answer.status, answer.json()) == (
        201,
        {
            "attributes_processed": 1,
            "events_processed": 1,
            "purchases_processed": 1,
            "message": "success",
        },
    )
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Content-Type"] == "application/json"
    assert sandbox.user("ada")["first_name"] == "Ada"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Bearer non-existent", "non-existent"),
        ("Basic sandbox-key", ""),
        ("sandbox-key", ""),
        ("", ""),
    ],
)
def test_an_unknown_key_is_repeated_and_the_rate_headers_are_empty(
    sandbox, header, key
):
    answer = sandbox.call("POST", "/users/track", BODY, {"Authorization": header})
    assert (answer.status, answer.json()) == (
        401,
        {"message": f"Invalid API key: {key}"},
    )
    for name in ("Limit", "Remaining", "Reset"):
        assert answer.headers[f"X-RateLimit-{name}"] == ""
    assert sandbox.user("ada") is None


def test_the_scheme_may_be_written_in_any_case(sandbox):
    headers = {"Authorization": f"bearer {sandbox.key}"}
    assert sandbox.call("POST", "/users/track", BODY, headers).status == 201


def test_a_key_needs_the_permission():
    with SandboxProcess(key="reader:users.export.ids") as sandbox:
        sandbox.key = "reader"
        answer = sandbox.track(BODY)
        assert (answer.status, answer.json()) == (403, {"message": "Access Denied"})
        assert sandbox.track({"external_ids": []}, "/users/export/ids").status == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/users/track/"),
        ("POST", "/users/nothing"),
        ("GET", "/users/track"),
        ("PUT", "/users/track"),
        ("POST", "/"),
    ],
)
def test_another_path_is_no_path(sandbox, method, path):
    answer = sandbox.call(method, path, None, authorized(sandbox))
    assert (answer.status, answer.json()) == (404, {"message": "Invalid URL"})


@pytest.mark.parametrize(
    "body", [b"{", b"", b"{'a': 1}", b'{"a": NaN}', b'{"a": "\xff"}', b'"\\ud800"']
)
def test_json_that_cannot_be_read(sandbox, body):
    answer = sandbox.call("POST", "/users/track", body, authorized(sandbox))
    assert (answer.status, answer.json()) == (
        400,
        {"error": "Error while parsing request body. Please check your syntax."},
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_another_content_type(sandbox, headers):
    headers = authorized(sandbox, **headers)
    assert sandbox.call("POST", "/users/track", BODY, headers).status == 415


def test_a_content_type_with_a_charset_is_json(sandbox):
    headers = authorized(sandbox, **{"Content-Type": "Application/JSON; charset=utf-8"})
    assert sandbox.call("POST", "/users/track", BODY, headers).status == 201


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/users/track", 4 * 1024 * 1024, 201),
        ("/users/track", 4 * 1024 * 1024 + 1, 413),
        ("/users/track", 9 * 1024 * 1024, 413),
        ("/users/track/bulk", 2 * 1024 * 1024 + 1, 400),
    ],
)
def test_the_size_of_a_body(sandbox, path, size, status):
    body = orjson.dumps(BODY)
    body += b" " * (size - len(body))
    answer = sandbox.call("POST", path, body, authorized(sandbox))
    assert answer.status == status
    if status >= 400:
        assert answer.json() == {"message": "Request Entity Too Large"}


def test_too_many_objects(sandbox):
    answer = sandbox.track({"attributes": [attributes(f"p{n}") for n in range(76)]})
    assert (answer.status, answer.json()) == (
        400,
        {"message": "Max Input Length Exceeded"},
    )
    assert sandbox.summary()["users"] == 0


def test_bulk_takes_a_thousand(sandbox):
    body = {"attributes": [attributes(f"p{n}") for n in range(1000)]}
    answer = sandbox.track(body, "/users/track/bulk")
    assert answer.json()["attributes_processed"] == 1000
    assert sandbox.summary()["users"] == 1000


def test_export_by_every_identifier(sandbox):
    alias = {"alias_name": "a", "alias_label": "b"}
    sandbox.track(
        {
            "attributes": [
                attributes(email="ada@example.com", phone="+442071234567"),
                {"user_alias": alias, "_update_existing_only": False, "plan": "x"},
            ]
        }
    )
    braze_id = sandbox.user("ada")["braze_id"]
    for wanted in (
        {"external_ids": ["ada"]},
        {"email_address": "ada@example.com"},
        {"phone": "+442071234567"},
        {"braze_id": braze_id},
    ):
        (user,) = sandbox.track(wanted, "/users/export/ids").json()["users"]
        assert user["external_id"] == "ada"
    found = sandbox.track({"user_aliases": [alias]}, "/users/export/ids").json()
    assert found["users"][0]["custom_attributes"] == {"plan": "x"}


def test_export_names_the_unknown_and_chooses_fields(sandbox):
    sandbox.track(BODY)
    wanted = {"external_ids": ["ada", "bob"], "fields_to_export": ["first_name"]}
    answer = sandbox.track(wanted, "/users/export/ids")
    assert (answer.status, answer.json()) == (
        201,
        {
            "users": [{"first_name": "Ada"}],
            "message": "success",
            "invalid_user_ids": ["bob"],
        },
    )
    many = {"external_ids": [str(n) for n in range(51)]}
    assert sandbox.track(many, "/users/export/ids").status == 400
