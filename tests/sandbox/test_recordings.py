"""The sandbox answers recorded requests as Braze did when they were recorded.

The recordings are those of the project braze_ruby (its licence is beside them).
"""

from pathlib import Path

import orjson
import pytest
import yaml

RECORDINGS = Path(__file__).parents[1] / "recordings" / "braze_ruby"
RATE_HEADERS = ("X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset")


def recorded(name):
    (exchange,) = yaml.safe_load((RECORDINGS / name).read_text())["http_interactions"]
    return exchange["request"], exchange["response"]


def replayed(sandbox, request):
    key = request["headers"]["Authorization"][0]
    headers = {
        "Authorization": key.replace("<BRAZE_REST_API_KEY>", sandbox.key),
        "Content-Type": request["headers"]["Content-Type"][0],
    }
    path = request["uri"].removeprefix("<BRAZE_REST_URL>")
    return sandbox.call("POST", path, request["body"]["string"].encode(), headers)


@pytest.mark.parametrize(
    "name",
    [
        "track_users/with_success/responds_with_created.yml",
        "track_users/with_success/responds_with_success_message.yml",
        "track_users/unauthorized/responds_with_unauthorized.yml",
    ],
)
def test_track_users(sandbox, name):
    request, response = recorded(name)
    answer = replayed(sandbox, request)
    assert answer.status == response["status"]["code"]
    assert answer.json() == orjson.loads(response["body"]["string"])
    assert answer.headers["Content-Type"] == response["headers"]["Content-Type"][0]
    for header in RATE_HEADERS:
        recorded_value = response["headers"][header][0]
        assert bool(answer.headers[header]) is bool(recorded_value)
    assert answer.headers["X-Request-Id"]


def test_export_by_ids_has_the_recorded_shape(sandbox):
    request, response = recorded(
        "export_users/by_ids/with_success/responds_with_created.yml"
    )
    expected = orjson.loads(response["body"]["string"])
    (user,) = expected["users"]
    names = ("external_id", "first_name", "last_name", "email")
    sent = {name: user[name] for name in names} | user["custom_attributes"]
    sandbox.track({"attributes": [sent]})

    answer = replayed(sandbox, request)

    assert answer.status == response["status"]["code"]
    assert answer.json()["message"] == expected["message"]
    (found,) = answer.json()["users"]
    for name in (*names, "custom_attributes", "user_aliases"):
        assert found[name] == user[name]
    # What the sandbox does not have: another name of braze_id, a bucket, campaigns.
    missing = user.keys() - found.keys()
    assert missing == {"appboy_id", "random_bucket", "campaigns_received"}
    assert {type(found[name]) for name in ("created_at", "braze_id")} == {str}


def test_what_the_sandbox_does_not_offer_is_an_invalid_url(sandbox):
    request, _ = recorded(
        "export_users/by_segment/with_success/responds_with_created.yml"
    )
    assert replayed(sandbox, request).status == 404
