from pathlib import Path

import orjson
import pytest
import yaml

from externalapi.answers import ItemError, Outcome, Verdict, explain, read
from externalapi.client import Answer

NOW = 1_750_000_000.0


def answer(status, body=b"", truncated=False, **headers):
    if not isinstance(body, bytes):
        body = orjson.dumps(body)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=names, body=body, truncated=truncated)


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
        (201, {"message": "partially"}, "accepted_unverified"),
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
        (401, {}, "users.track"),
        (403, {}, "no slash at its end"),
        (404, {}, "REST endpoint of your instance"),
        (302, b"", "redirects are not followed"),
        (410, b"", "(410)"),
        (413, b"", "too large"),
        (500, b"", "problem of its own. Try again in a moment."),
        (502, b"", "nobody knows"),
        (200, b"<html>", "cannot be read"),
    ],
    ids=lambda value: str(value)[:130],
)
def test_an_answer_is_explained_with_what_to_do_next(status, body, words):
    given = answer(status, body)
    assert words in explain(given, read(given))


def test_waiting_is_explained_in_seconds():
    given = answer(429, retry_after="5")
    assert "Try again in 5 seconds." in explain(given, read(given))


def test_a_verdict_is_a_value():
    assert read(answer(201, {"message": "success"})) == Verdict(
        outcome=Outcome.SENT, message="success"
    )


# Real answers of Braze, recorded by the project braze_ruby (its licence is beside them).
RECORDINGS = Path(__file__).parents[1] / "recordings" / "braze_ruby"


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
