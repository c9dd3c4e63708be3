"""What can be made to go wrong, and whether the request was processed all the same."""

import socket
import time
from http.client import IncompleteRead, RemoteDisconnected

import orjson
import pytest

from externalapi.vendors.braze.sandbox.faults import (
    STAGES,
    BadRuleError,
    rules_from_json,
)
from tests.externalapi.vendors.braze.sandbox.people import attributes

BODY = {"attributes": [attributes("ada", plan="gold"), attributes("bob")]}


def send(sandbox, **rule):
    """One request under this rule: the answer, or the error there was instead."""
    sandbox.faults([rule])
    try:
        return sandbox.track(BODY)
    except (OSError, IncompleteRead) as error:
        # urllib wraps what happens while it still sends; that may be a broken pipe.
        error = getattr(error, "reason", error)
        is_cut = isinstance(error, BrokenPipeError)
        return ConnectionResetError() if is_cut else error


def is_stored(sandbox):
    return sandbox.user("ada") is not None


@pytest.mark.parametrize(
    ("kind", "error", "stored"),
    [
        ("reset_on_headers", ConnectionResetError, False),
        ("reset_mid_body", ConnectionResetError, False),
        ("reset_before", ConnectionResetError, False),
        ("reset_after", ConnectionResetError, True),
        ("close_before", RemoteDisconnected, False),
        ("close_after", RemoteDisconnected, True),
        ("hang", RemoteDisconnected, False),
        ("cut_body", IncompleteRead, True),
    ],
)
def test_no_whole_answer(sandbox, kind, error, stored):
    assert type(send(sandbox, kind=kind, seconds=0.01)) is error
    assert is_stored(sandbox) is stored
    (record,) = sandbox.requests()
    assert record["fault"] == kind
    assert record["accepted"] == (2 if stored else 0)
    assert record["status"] == (201 if kind == "cut_body" else None)


@pytest.mark.parametrize(
    ("rule", "status", "body", "stored"),
    [
        (
            {"kind": "status", "status": 503},
            503,
            b"<html><head><title>503</title></head><body><h1>503</h1></body></html>",
            False,
        ),
        (
            {"kind": "status", "status": 429},
            429,
            b'{"message":"Rate Limited"}',
            False,
        ),
        ({"kind": "status", "status": 400, "body": "no"}, 400, b"no", False),
        ({"kind": "redirect", "location": "http://x/"}, 307, b"", False),
        ({"kind": "queued"}, 202, b'{"message":"queued"}', True),
        ({"kind": "missing_message"}, 201, b'{"attributes_processed":2}', True),
        (
            {"kind": "malformed_json"},
            201,
            b'{"attributes_processed":2,"message":"su',
            True,
        ),
        ({"kind": "empty_body"}, 201, b"", True),
        (
            {"kind": "html_200"},
            200,
            b"<html><head><title>OK</title></head><body><h1>OK</h1></body></html>",
            True,
        ),
    ],
)
def test_another_answer(sandbox, rule, status, body, stored):
    answer = send(sandbox, **rule)
    assert (answer.status, answer.body) == (status, body)
    assert is_stored(sandbox) is stored
    assert sandbox.requests()[0]["status"] == status


def test_headers_of_a_status(sandbox):
    headers = {"Retry-After": "5", "Content-Type": "text/html"}
    answer = send(sandbox, kind="status", status=429, headers=headers)
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Content-Type"] == "text/html"


def test_a_redirect_names_its_target(sandbox):
    assert send(sandbox, kind="redirect").headers["Location"].startswith("http://169.")


def test_partial_errors_are_refusals_that_change_nothing(sandbox):
    answer = send(sandbox, kind="partial_errors", indexes=[1], type="no")
    assert answer.json() == {
        "attributes_processed": 1,
        "errors": [{"type": "no", "input_array": "attributes", "index": 1}],
        "message": "success",
    }
    assert is_stored(sandbox)
    assert sandbox.user("bob") is None
    assert sandbox.requests()[0]["refused"] == {"attributes": [1]}


def test_partial_errors_of_all(sandbox):
    answer = send(sandbox, kind="partial_errors", indexes=None)
    assert (answer.status, len(answer.json()["errors"])) == (400, 2)
    assert not is_stored(sandbox)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("error_without_index", {"type": "no"}),
        (
            "unknown_input_array",
            {"type": "no", "input_array": "user_identifiers", "index": 0},
        ),
    ],
)
def test_errors_that_name_no_object(sandbox, kind, error):
    answer = send(sandbox, kind=kind, type="no")
    assert (answer.status, answer.json()["errors"]) == (201, [error])
    assert is_stored(sandbox)


@pytest.mark.parametrize("kind", ["delay_before", "delay_after"])
def test_a_slow_answer(sandbox, kind):
    started = time.monotonic()
    assert send(sandbox, kind=kind, seconds=0.2).status == 201
    assert time.monotonic() - started >= 0.2
    assert is_stored(sandbox)


def test_a_delayed_answer_is_to_a_request_that_is_stored_already(sandbox):
    """A client that gives up waiting has changed Braze all the same."""
    sandbox.faults([{"kind": "delay_after", "seconds": 30}])
    with raw_request(sandbox):
        wait_for(lambda: is_stored(sandbox))
    assert sandbox.requests()[0]["status"] == 201


@pytest.mark.parametrize("kind", ["slow_headers", "slow_body"])
def test_a_slow_drip_is_a_whole_answer_in_the_end(sandbox, kind):
    answer = send(sandbox, kind=kind, seconds=0.001)
    assert (answer.status, answer.json()["message"]) == (201, "success")


def test_a_drip_to_a_client_that_has_gone_ends(sandbox):
    sandbox.faults([{"kind": "slow_headers", "seconds": 0.01}])
    with raw_request(sandbox) as connection:
        assert connection.recv(1) == b"H"
    assert sandbox.track(BODY).status == 201


@pytest.mark.parametrize(("gzip", "on_the_wire"), [(False, 1048576), (True, 10_000)])
def test_a_giant_answer(sandbox, gzip, on_the_wire):
    answer = send(sandbox, kind="giant", size=1048576, gzip=gzip)
    assert answer.status == 201
    assert answer.headers["Content-Encoding"] == ("gzip" if gzip else None)
    assert len(answer.body) <= on_the_wire


def test_rules_are_used_up_in_order(sandbox):
    sandbox.faults(
        [
            {"kind": "pass", "times": 2},
            {"kind": "status", "status": 401},
            {"kind": "status", "status": 500, "times": 2},
        ]
    )
    statuses = [sandbox.track(BODY).status for _ in range(6)]
    assert statuses == [201, 201, 401, 500, 500, 201]


def test_a_rule_may_wait_for_a_person_or_a_text(sandbox):
    sandbox.faults(
        [
            {"kind": "status", "status": 400, "external_id": "ada", "times": None},
            {"kind": "status", "status": 500, "match": "silver"},
        ]
    )
    assert sandbox.track({"attributes": [attributes("ada-2")]}).status == 201
    assert sandbox.track({"attributes": [attributes("x", a="silver")]}).status == 500
    assert [sandbox.track(BODY).status for _ in range(3)] == [400, 400, 400]
    sandbox.clear_faults()
    assert sandbox.track(BODY).status == 201


def test_the_script_can_be_read(sandbox):
    sandbox.faults([{"kind": "queued", "times": 3}])
    sandbox.track(BODY)
    (rule,) = sandbox.call("GET", "/sandbox/faults").json()
    assert (rule["kind"], rule["times"], rule["taken"]) == ("queued", 2, 1)


@pytest.mark.parametrize("kind", STAGES)
def test_every_kind_can_be_asked_for(kind):
    (rule,) = rules_from_json({"kind": kind})
    assert rule.stage is STAGES[kind]


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ([{"kind": "nonsense"}], "Unknown kind 'nonsense'"),
        ([{}], "Unknown kind None"),
        (["status"], "must be an object"),
        ([{"kind": "status", "code": 500}], "Unknown fields: code"),
        ([{"kind": "status", "taken": 5}], "Unknown fields: taken"),
        ([{"kind": "status", "status": "500"}], "'status' has a value of the wrong"),
        ([{"kind": "status", "times": "all"}], "'times' has a value of the wrong"),
    ],
)
def test_a_rule_that_cannot_be_read(sandbox, rules, complaint):
    with pytest.raises(BadRuleError, match=complaint):
        rules_from_json(rules)
    answer = sandbox.call("POST", "/sandbox/faults", rules)
    assert answer.status == 400
    assert complaint in answer.json()["message"]


def raw_request(sandbox):
    """A connection on which the request is sent and nothing is read yet."""
    body = orjson.dumps(BODY)
    connection = socket.create_connection(("127.0.0.1", sandbox.port))
    connection.sendall(
        b"POST /users/track HTTP/1.1\r\nHost: sandbox\r\n"
        b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (sandbox.key.encode(), len(body), body)
    )
    return connection


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "It did not happen."
        time.sleep(0.01)
