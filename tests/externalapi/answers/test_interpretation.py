from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import yaml

from externalapi.answers.interpretation import (
    ItemError,
    Outcome,
    Verdict,
    explain,
    read,
)
from externalapi.http.answer_rules import BRAZE, GENERIC, AnswerRules
from externalapi.http.client import Answer

NOW = 1_750_000_000.0


def answer(status, body=b"", truncated=False, **headers):
    if not isinstance(body, bytes):
        body = orjson.dumps(body)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=names, body=body, truncated=truncated)


def by(rules, given):
    """The answer, to a request of an External API with these rules."""
    return replace(given, rules=rules)


ERROR = {"type": "'name' is required", "input_array": "events", "index": 1}


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (201, {"message": "success", "attributes_processed": 1}, "sent"),
        (200, {"message": "Success"}, "sent"),
        (202, {"message": "queued"}, "sent"),
        (201, {"message": "success", "errors": []}, "sent"),
        (201, {"message": "success", "errors": [ERROR]}, "sent"),
        # An error that names no object: of whom is it?
        (
            201,
            {"message": "success", "errors": [{"type": "bad"}]},
            "accepted_unverified",
        ),
        (201, {"message": "success", "errors": [ERROR, "bad"]}, "accepted_unverified"),
        (201, {"message": "success", "errors": "bad"}, "accepted_unverified"),
        (
            201,
            {"message": "success", "errors": [{**ERROR, "index": -1}]},
            "accepted_unverified",
        ),
        (
            201,
            {"message": "success", "errors": [{**ERROR, "index": True}]},
            "accepted_unverified",
        ),
        (201, {"message": "partially"}, "refused"),
        (200, {"message": "failure"}, "refused"),
        (200, {"error": "no such campaign"}, "refused"),
        (200, {"error": {"code": 3}}, "refused"),
        (200, {"error": False}, "accepted_unverified"),
        (200, {"message": {"text": "failure"}}, "refused"),
        (200, {"message": ["failure"]}, "refused"),
        (201, {"message": None}, "accepted_unverified"),
        (201, {}, "accepted_unverified"),
        (201, b"", "accepted_unverified"),
        (201, b'{"message": "succ', "accepted_unverified"),
        (201, b"\xff\xfe", "accepted_unverified"),
        (200, b"<html>OK</html>", "accepted_unverified"),
        (200, [1], "accepted_unverified"),
        (204, b"", "accepted_unverified"),
        (400, {"message": "Valid data must be provided", "errors": [ERROR]}, "refused"),
        (400, {"error": "Error while parsing request body."}, "refused"),
        (400, b"<html>", "refused"),
        (422, {}, "refused"),
        (409, {}, "refused"),
        (400, {"message": "Max Input Length Exceeded"}, "too_big"),
        (413, b"", "too_big"),
        (401, {"message": "Invalid API key: x"}, "blocked"),
        (403, {}, "blocked"),
        (404, {"message": "Invalid URL"}, "blocked"),
        (405, {}, "blocked"),
        (415, {}, "blocked"),
        (301, b"", "blocked"),
        (302, b"", "blocked"),
        (304, b"", "blocked"),
        (307, b"", "blocked"),
        (429, {}, "rate_limited"),
        (408, b"", "not_sent"),
        (500, b"<html>", "not_sent"),
        (503, b"", "not_sent"),
        (522, b"", "not_sent"),
        (599, b"", "not_sent"),
        (502, b"<html>", "ambiguous"),
        (504, b"", "ambiguous"),
        (524, b"", "ambiguous"),
        (103, b"", "ambiguous"),
    ],
    ids=lambda value: str(value)[:130],
)
def test_each_answer_means_one_thing(status, body, outcome):
    verdict = read(answer(status, body), NOW)
    assert verdict.outcome == outcome
    assert explain(answer(status, body), verdict)


def test_a_success_that_was_cut_off_is_not_taken_on_trust():
    body = {"message": "success"}
    assert (
        read(answer(201, body, truncated=True)).outcome is Outcome.ACCEPTED_UNVERIFIED
    )


def test_errors_keep_their_array_and_index():
    body = {"message": "success", "errors": [ERROR, {**ERROR, "index": 0}]}
    assert read(answer(201, body)).errors == (
        ItemError(array="events", index=1, message="'name' is required"),
        ItemError(array="events", index=0, message="'name' is required"),
    )


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "5"}, 5),
        ({"retry_after": "2.5"}, 2.5),
        ({"x_ratelimit_retry_after": "7"}, 7),
        ({"x_ratelimit_reset": "30"}, 30),
        ({"x_ratelimit_reset": str(int(NOW) + 60)}, 60),
        ({"x_ratelimit_reset": str(int(NOW) - 60)}, 0),
        ({"retry_after": "5", "x_ratelimit_reset": "30"}, 5),
        ({"retry_after": "soon", "x_ratelimit_retry_after": "4"}, 4),
        ({"retry_after": "Sun, 15 Jun 2025 15:07:00 GMT"}, 20),
        ({"retry_after": "99999"}, 900),
        ({"retry_after": "-5"}, None),
        ({"retry_after": ""}, None),
        ({"x_ratelimit_reset": ""}, None),
        ({"retry_after": "1e9"}, None),
        ({"retry_after": "9" * 400}, None),
        ({"retry_after": "Sun, 99 Jun 99999 99:99:99 GMT"}, None),
        ({}, None),
    ],
    ids=repr,
)
def test_the_wish_to_wait_is_read_in_all_its_forms(headers, seconds):
    assert read(answer(429, **headers), NOW).wait_seconds == seconds


def test_the_other_sides_clock_counts_where_it_is_shown():
    headers = {
        "x_ratelimit_reset": str(int(NOW) + 60),
        "date": "Sun, 15 Jun 2025 15:07:00 GMT",
    }
    assert read(answer(429, **headers), NOW + 10_000).wait_seconds == 40


def test_a_server_error_waits_only_for_its_own_header():
    assert read(answer(503, retry_after="9"), NOW).wait_seconds == 9
    assert read(answer(503, x_ratelimit_reset="9"), NOW).wait_seconds is None


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (201, {"message": "success"}, "Accepted."),
        (
            201,
            {"message": "success", "errors": [ERROR]},
            "events[1]: 'name' is required",
        ),
        (400, {"message": "No valid data"}, "No valid data. Correct this"),
        (400, {"message": "x", "errors": [ERROR] * 7}, "and 2 more"),
        (400, b"", "No reason was given"),
        (401, {}, "has the permission “users.track”."),
        (403, {}, "no slash at its end"),
        (404, {}, "REST endpoint of your instance"),
        (302, b"", "redirects are not followed"),
        (410, b"", "(410)"),
        (413, b"", "too large"),
        (500, b"", "problem of its own. Try again in a moment."),
        (502, b"", "nobody knows"),
        (200, b"<html>", "nobody can tell what was taken"),
        (200, {"message": "failure"}, "does not say that it is a success. failure."),
        (
            201,
            {"message": "success", "errors": [ERROR, "odd"]},
            "Refused are events[1]: 'name' is required. The status is 201, a success,"
            " but nobody can tell what was taken: odd.",
        ),
        (401, {"errors": ["e-mail is not confirmed"]}, "about the data"),
        (401, {"message": "Invalid API key: x"}, "The key was not accepted."),
    ],
    ids=lambda value: str(value)[:130],
)
def test_an_answer_is_explained_with_what_to_do_next(status, body, words):
    given = by(replace(BRAZE, permission="users.track"), answer(status, body))
    assert words in explain(given, read(given))


def test_waiting_is_explained_in_seconds():
    given = answer(429, retry_after="5")
    assert "Try again in 5 seconds." in explain(given, read(given))


def test_a_verdict_is_a_value():
    assert read(answer(201, {"message": "success"})) == Verdict(
        outcome=Outcome.SENT, message="success"
    )


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b"", "sent"),
        (204, b"", "sent"),
        (201, b"<html>OK</html>", "sent"),
        (200, {"message": "whatever", "errors": [ERROR]}, "sent"),
        (202, [1, 2], "sent"),
        (400, {}, "refused"),
        (429, b"", "rate_limited"),
        (500, b"", "not_sent"),
        (404, b"", "blocked"),
    ],
    ids=lambda value: str(value)[:80],
)
def test_plain_http_takes_the_status_at_its_word(status, body, outcome):
    verdict = read(by(GENERIC, answer(status, body)))
    assert verdict.outcome == outcome
    assert verdict.errors == ()


@pytest.mark.parametrize(
    ("rules", "status", "body", "outcome"),
    [
        ({"success_statuses": "202"}, 202, {"message": "success"}, "sent"),
        # A 2xx that this API does not use for success.
        (
            {"success_statuses": "202"},
            200,
            {"message": "success"},
            "accepted_unverified",
        ),
        (
            {"success_path": "data.0.state", "success_values": ["OK"]},
            200,
            {"data": [{"state": "ok"}]},
            "sent",
        ),
        (
            {"success_path": "data.0.state", "success_values": ["ok"]},
            200,
            {"data": []},
            "accepted_unverified",
        ),
        (
            {"success_path": "ok", "success_values": ["true"]},
            200,
            {"ok": True},
            "sent",
        ),
        (
            {"success_path": "ok", "success_values": ["true"]},
            200,
            {"ok": False},
            "refused",
        ),
        (
            {"success_statuses": "202"},
            200,
            {"message": "failure"},
            "refused",
        ),
        # Any word will do where none is named.
        ({"success_path": "id", "success_values": []}, 200, {"id": 7}, "sent"),
        (
            {"success_path": "id", "success_values": []},
            200,
            {},
            "accepted_unverified",
        ),
        ({"refused_statuses": "404, 409-410"}, 404, b"", "refused"),
        ({"refused_statuses": "404, 409-410"}, 410, b"", "refused"),
        ({"retry_statuses": "404"}, 404, b"", "not_sent"),
        ({"retry_statuses": "409"}, 409, b"", "not_sent"),
        ({"success_statuses": "200-299 404"}, 404, {"message": "success"}, "sent"),
    ],
    ids=lambda value: str(value)[:80],
)
def test_an_api_brings_rules_of_its_own(rules, status, body, outcome):
    given = by(AnswerRules.from_dict(rules), answer(status, body))
    assert read(given).outcome == outcome


def test_partial_errors_are_found_where_the_rules_say():
    rules = AnswerRules.from_dict(
        {
            "errors_path": "result.failures",
            "errors_array": "list",
            "errors_index": "position",
            "errors_message": "reason",
        }
    )
    failure = {"list": "leads", "position": 3, "reason": "no phone"}
    body = {"message": "success", "result": {"failures": [failure]}}
    assert read(by(rules, answer(200, body))).errors == (
        ItemError(array="leads", index=3, message="no phone"),
    )


@pytest.mark.parametrize(
    ("items", "array"),
    [({"items": 3}, "items"), ({"items": 3, "others": 0}, "items")],
)
def test_errors_without_an_array_mean_the_only_one_there_is(items, array):
    body = {"message": "success", "errors": [{"index": 2, "type": "bad"}]}
    given = replace(answer(200, body), items=items)
    assert read(given).errors == (ItemError(array=array, index=2, message="bad"),)


@pytest.mark.parametrize("items", [{}, {"items": 2}, {"items": 3, "others": 3}])
def test_errors_without_an_array_mean_nobody_where_there_is_no_such_place(items):
    body = {"message": "success", "errors": [{"index": 2, "type": "bad"}]}
    verdict = read(replace(answer(200, body), items=items))
    assert (verdict.errors, verdict.doubt) == ((), "[2]: bad")
    assert verdict.outcome is Outcome.ACCEPTED_UNVERIFIED


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ({"events_processed": 3}, ""),
        ({}, ""),
        ({"events_processed": "3"}, ""),
        ({"events_processed": 1}, "events_processed is 1 where 3 were sent."),
        ({"events_processed": 0}, "events_processed is 0 where 3 were sent."),
        ({"events_processed": 4}, "events_processed is 4 where 3 were sent."),
        ({"events_processed": 3, "error": "half of it"}, "half of it"),
        ({"events_processed": 3, "error": False}, ""),
        # Whom an error names is not counted.
        ({"events_processed": 2, "errors": [ERROR]}, ""),
        ({"events_processed": 2, "errors": [ERROR, ERROR]}, ""),
        (
            {"events_processed": 3, "errors": [ERROR]},
            "events_processed is 3 where 2 were sent.",
        ),
        # What the request had not is nobody's business.
        ({"attributes_processed": 1}, ""),
        ({"notice": "The Canvas is paused."}, "The Canvas is paused."),
    ],
    ids=str,
)
def test_what_is_odd_about_a_success_is_noted(body, note):
    given = replace(answer(201, {"message": "success", **body}), items={"events": 3})
    verdict = read(given)
    assert (verdict.outcome, verdict.note) == (Outcome.SENT, note)


def test_the_wish_to_wait_is_read_from_the_headers_that_the_rules_name():
    rules = AnswerRules.from_dict({"wait_headers": ["X-Backoff"]})
    given = answer(429, x_backoff="3", retry_after="9")
    assert read(by(rules, given)).wait_seconds == 3


@pytest.mark.parametrize(
    "rules",
    [
        BRAZE,
        GENERIC,
        AnswerRules(retry=frozenset({404, 500, 501, 502}), permission="p"),
    ],
)
def test_rules_survive_being_stored(rules):
    assert AnswerRules.from_dict(orjson.loads(orjson.dumps(rules.to_dict()))) == rules


def test_without_rules_an_answer_is_braze_s():
    assert AnswerRules.from_dict({}) == BRAZE


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"success_statuses": "2xx"}, "“2xx” is not a status"),
        ({"success_statuses": "200-"}, "is not a status"),
        ({"success_statuses": "700"}, "is not a status"),
        ({"retry_statuses": "299-200"}, "begins with its larger number"),
        ({"success_path": "a..b"}, "is not a path"),
        ({"errors_path": "a b"}, "is not a path"),
        ({"permission": "x" * 300}, "cannot be a name"),
        ({"wait_headers": ["Retry After"]}, "cannot be the name of a header"),
        ({"success_values": ["x"] * 51}, "more than 50"),
    ],
    ids=repr,
)
def test_rules_that_cannot_be_are_refused_in_a_sentence(rules, words):
    with pytest.raises(ValueError, match=words):
        AnswerRules.from_dict(rules)


# Real answers of Braze, recorded by the project braze_ruby (its licence is beside them).
RECORDINGS = Path(__file__).parents[2] / "recordings" / "braze_ruby"


@pytest.mark.parametrize(
    "file",
    sorted(RECORDINGS.rglob("*.yml")),
    ids=lambda file: str(file.relative_to(RECORDINGS)),
)
def test_recorded_answers_of_braze_are_understood(file):
    for exchange in yaml.safe_load(file.read_text())["http_interactions"]:
        recorded = exchange["response"]
        headers = {
            name.lower(): texts[0] for name, texts in recorded["headers"].items()
        }
        body = recorded["body"]["string"]
        given = Answer(
            status=recorded["status"]["code"],
            headers=headers,
            body=body if isinstance(body, bytes) else body.encode(),
        )
        verdict = read(given)
        assert verdict.outcome == expected_outcome(given)
        assert explain(given, verdict)


def expected_outcome(given):
    if given.status == 401:
        return Outcome.BLOCKED
    if given.status >= 400:
        return Outcome.REFUSED
    is_success = b'"message":"success"' in given.body
    return Outcome.SENT if is_success else Outcome.ACCEPTED_UNVERIFIED
