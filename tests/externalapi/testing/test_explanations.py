import json

import pytest

from externalapi.answers import interpretation
from externalapi.http.client import Answer, Request
from externalapi.testing.explanations import explain, faults, permission_for
from tests.factories import make_connection, make_version, parameter

BODY = """{"attributes": [{"external_id": {{User ID}}}],
 "events": [{"name": "x", "time": {{At}}, "properties": {"price": "{{Price}} EUR"}}]}"""
SENT = {
    "attributes": [{"external_id": "u-1"}],
    "events": [{"name": "x", "time": "soon", "properties": {"price": "9 EUR"}}],
}


@pytest.fixture
def version(db):
    names = [parameter(name) for name in ("User ID", "At", "Price")]
    return make_version(BODY, names)


def found(version, array, index, message):
    verdict = interpretation.Verdict(
        outcome=interpretation.Outcome.REFUSED,
        errors=(interpretation.ItemError(array=array, index=index, message=message),),
    )
    request = Request(
        method="POST", url="https://x.y", headers={}, body=json.dumps(SENT).encode()
    )
    (fault,) = faults(version, request, verdict)
    return fault.where, fault.value, fault.parameters


@pytest.mark.parametrize(
    ("array", "index", "message", "expected"),
    [
        ("events", 0, "'time' is not valid", ("events[0].time", '"soon"', ("At",))),
        (
            "events",
            0,
            "The value of 'price' must be a number",
            ("events[0].properties.price", '"9 EUR"', ("Price",)),
        ),
        # A constant of the definition has no parameter.
        ("events", 0, "'name' is not valid", ("events[0].name", '"x"', ())),
        # What is missing has a place and no value.
        (
            "attributes",
            0,
            "'email' or 'phone' is required",
            ("attributes[0].email", "", ()),
        ),
        # Words that name nothing leave the whole object.
        (
            "attributes",
            0,
            "this user is block-listed",
            ("attributes[0]", '{"external_id":"u-1"}', ()),
        ),
        ("purchases", 7, "'price' is required", ("purchases[7]", "", ())),
    ],
)
def test_an_error_is_found_in_what_was_sent(version, array, index, message, expected):
    assert found(version, array, index, message) == expected


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/users/track", "users.track"),
        ("/users/track/", "users.track"),
        ("/users/track/sync?x=1", "users.track.sync"),
        ("/users/alias/new", "users.alias.new"),
        ("/v2/subscription/status/set", "subscription.status.set"),
        ("/campaigns/trigger/send", "campaigns.trigger.send"),
        ("/something/else", ""),
    ],
)
def test_the_permission_of_a_path(path, permission):
    assert permission_for(path) == permission


def explained(version, status, body=b"{}"):
    answer = Answer(status=status, headers={}, body=body)
    return explain(version, answer, interpretation.read(answer))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_the_permission_of_its_path(db, status):
    version = make_version(path="/users/alias/new")
    assert "lacks the permission “users.alias.new”" in explained(version, status)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_answer_about_the_data_is_not_about_the_key(db, status):
    body = {"message": "invalid", "errors": ["ada@example.com is not confirmed"]}
    words = explained(make_version(), status, json.dumps(body).encode())
    assert words.startswith(f"Refused with {status}, and the answer is about the data")
    assert "ada@example.com is not confirmed" in words


def test_a_success_that_is_none_is_not_called_one(db):
    words = explained(make_version(), 200, b'{"message": "failure"}')
    assert words.startswith("Not taken: the status is 200")
    assert "failure" in words


def test_a_wrong_address_names_the_instance(db):
    version = make_version(path="/users/trakc")
    words = explained(version, 404)
    assert "nothing at “/users/trakc” on EU-01 (https://rest.fra-01.braze.eu)" in words
    assert "compare the base URL" in words


def test_another_api_gets_no_advice_about_braze(db):
    other = make_connection(base_url="https://api.partner.com")
    version = make_version(connection=other)
    for status in (401, 403, 404):
        assert "Settings > API Keys" not in explained(version, status)
        assert "dashboard" not in explained(version, status)
