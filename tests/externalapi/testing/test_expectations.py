import pytest

from externalapi.models import TestCase
from externalapi.testing.expectations import find, problem_of, read_path

OK = {"outcome": "sent", "status": 201, "explanation": "Accepted."}
BODY = b'{"message": "success", "count": 3, "errors": [{"type": "bad time"}]}'


def case(**fields):
    return TestCase(name="c", **fields)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("message", ("message",)),
        ("errors.0.type", ("errors", "0", "type")),
        ("errors[0].type", ("errors", "0", "type")),
        ("$.errors[0].type", ("errors", "0", "type")),
        ("$[0].a b", ("0", "a b")),
    ],
)
def test_a_path_is_read(path, parts):
    assert read_path(path) == parts


@pytest.mark.parametrize("path", ["", "$", ".", "a..b", "a.", "a[x]", "a[0", "[]"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match="dots between"):
        read_path(path)


@pytest.mark.parametrize("path", ["x", "errors.1", "errors.x", "message.x", "count.0"])
def test_a_path_that_leads_nowhere_finds_nothing(path):
    tree = {"message": "success", "count": 3, "errors": [{}]}
    with pytest.raises(LookupError):
        find(tree, read_path(path))


@pytest.mark.parametrize(
    ("fields", "response", "problem"),
    [
        ({}, OK, ""),
        ({}, OK | {"has_errors": True}, "It was not accepted."),
        ({}, OK | {"outcome": "refused"}, "It was not accepted."),
        ({"outcome": "refused"}, OK | {"outcome": "refused"}, ""),
        ({"outcome": "refused"}, OK | {"outcome": "blocked"}, ""),
        # Some of it was taken, but not what the case is about.
        ({"outcome": "refused"}, OK | {"has_errors": True}, ""),
        ({"outcome": "refused"}, OK, "It was accepted, and should have been refused."),
        # A server in trouble says nothing of the request.
        ({"outcome": "refused"}, OK | {"outcome": "not_sent"}, "neither accepted nor"),
        ({"outcome": "refused"}, OK | {"outcome": "rate_limited"}, "neither accepted"),
        ({"status": 201}, OK, ""),
        ({"status": 202}, OK, "The status is 201, not 202."),
        ({"answer_path": "message", "answer_value": "success"}, OK, ""),
        ({"answer_path": "count", "answer_value": "3"}, OK, ""),
        ({"answer_path": "errors", "answer_value": '[{"type":"bad time"}]'}, OK, ""),
        (
            {"answer_path": "message", "answer_value": "queued"},
            OK,
            "At “message” is “success”, not “queued”.",
        ),
        (
            {"answer_path": "errors.5.type", "answer_value": "x"},
            OK,
            "The answer has nothing at “errors.5.type”.",
        ),
    ],
)
def test_what_is_expected_is_compared(fields, response, problem):
    found = problem_of(case(**fields), response, BODY)
    assert problem in found
    assert bool(found) == bool(problem)


def test_an_answer_that_is_not_json_has_nothing_anywhere():
    found = problem_of(case(answer_path="a", answer_value="b"), OK, b"<html>")
    assert found == "The answer has nothing at “a”."


def test_no_answer_is_a_problem_whatever_is_expected():
    found = problem_of(case(outcome="refused"), {"explanation": "Refused."}, None)
    assert found == "No answer came. Refused."
