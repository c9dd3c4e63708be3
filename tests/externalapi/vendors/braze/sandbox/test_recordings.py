"""The sandbox answers recorded requests as Braze did when they were recorded.

The recordings are those of the project braze_ruby (its licence is beside them): all of
them are here, and those whose endpoint the sandbox does not have are named.
"""

from pathlib import Path

import orjson
import pytest
import yaml

from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests.externalapi.vendors.braze.sandbox.people import attributes

RECORDINGS = Path(__file__).parents[4] / "recordings" / "braze_ruby"
NAMES = sorted(
    path.relative_to(RECORDINGS).as_posix() for path in RECORDINGS.rglob("*.yml")
)
RATE_HEADERS = ("X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset")
# Folders with requests to endpoints that the sandbox does not have.
NOT_OFFERED = (
    "canvas/details/",
    "email_sync/",
    "export_users/by_segment/",
    "list_segments/",
    "remove_email_addresses_from_spam/",
    "schedule_messages/",
)
# Compared in its shape only: the person has more than a test can set up.
EXPORT = "export_users/by_ids/with_success/responds_with_created.yml"
OFFERED = [name for name in NAMES if not name.startswith(NOT_OFFERED)]
GROUP = "ed06e19a-69b1-4f9b-a452-2db2c4e303a8:test-subscription-group:email"
# What differs from one answer to the next, and is there all the same.
VOLATILE = {"dispatch_id", "updated_at", "storage_size"}


@pytest.fixture(scope="module")
def recorded_process():
    """With the subscription group that the recordings name."""
    with SandboxProcess("--subscription-group", GROUP) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(recorded_process):
    recorded_process.reset()
    return recorded_process


def exchanges(name):
    recorded = yaml.safe_load((RECORDINGS / name).read_text())["http_interactions"]
    return [(one["request"], one["response"]) for one in recorded]


def replayed(sandbox, request):
    key = request["headers"]["Authorization"][0]
    headers = {"Authorization": key.replace("<BRAZE_REST_API_KEY>", sandbox.key)}
    if "Content-Type" in request["headers"]:
        headers["Content-Type"] = request["headers"]["Content-Type"][0]
    path = request["uri"].removeprefix("<BRAZE_REST_URL>")
    body = request["body"]["string"].encode() or None
    return sandbox.call(request["method"].upper(), path, body, headers)


def stable(value):
    if isinstance(value, list):
        return [stable(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: type(one) if key in VOLATILE else stable(one) for key, one in value.items()
    }


def prepare_rename(sandbox):
    sandbox.track({"attributes": [attributes("abc")]})


def prepare_removal(sandbox):
    prepare_rename(sandbox)
    renames = [{"current_external_id": "abc", "new_external_id": "foo"}]
    sandbox.track({"external_id_renames": renames}, "/users/external_ids/rename")


def prepare_subscribers(sandbox):
    names = [f"test-user-{n}" for n in (1, 2, 3)]
    people = [attributes(name, email=f"{name}@test.com") for name in names]
    sandbox.track({"attributes": people})


def prepare_catalog(sandbox):
    """Some recordings create it, the others need it."""
    folder = "catalogs/create_catalogs/with_success"
    name = f"{folder}/responds_with_created_and_success_message.yml"
    ((request, _),) = exchanges(name)
    replayed(sandbox, request)


PREPARED = {
    "catalogs/create_catalogs/with_success/responds_with_success_m": prepare_catalog,
    "catalogs/create_catalog_items/": prepare_catalog,
    "catalogs/delete_catalog": prepare_catalog,
    "catalogs/edit_catalog_items/": prepare_catalog,
    "catalogs/list_catalogs/": prepare_catalog,
    "catalogs/update_catalog_items/": prepare_catalog,
    "subscription/": prepare_subscribers,
    "rename_external_ids/": prepare_rename,
    "remove_external_ids/": prepare_removal,
}


def test_every_recording_is_here_and_most_are_answered():
    assert len(NAMES) == 58
    assert all(any(one.startswith(part) for one in NAMES) for part in NOT_OFFERED)


@pytest.mark.parametrize("name", [name for name in OFFERED if name != EXPORT])
def test_the_answer_is_the_recorded_one(sandbox, name):
    for folder, prepare in PREPARED.items():
        if name.startswith(folder):
            prepare(sandbox)
    for request, response in exchanges(name):
        answer = replayed(sandbox, request)
        assert answer.status == response["status"]["code"]
        assert stable(answer.json()) == stable(orjson.loads(response["body"]["string"]))
        assert_same_headers(answer, response["headers"])


def assert_same_headers(answer, recorded):
    content_type = recorded["Content-Type"][0].partition(";")[0]
    assert answer.headers["Content-Type"] == content_type
    for header in RATE_HEADERS:
        assert bool(answer.headers[header]) is bool(recorded[header][0])
    assert answer.headers["X-Request-Id"]


def test_export_by_ids_has_the_recorded_shape(sandbox):
    ((request, response),) = exchanges(EXPORT)
    expected = orjson.loads(response["body"]["string"])
    (user,) = expected["users"]
    names = ("external_id", "first_name", "last_name", "email")
    sent = {name: user[name] for name in names} | user["custom_attributes"]
    sandbox.track({"attributes": [sent]})
    ((trigger, _),) = exchanges("campaigns/trigger_send/sends_an_email.yml")
    replayed(sandbox, trigger)

    answer = replayed(sandbox, request)

    assert answer.status == response["status"]["code"]
    assert answer.json()["message"] == expected["message"]
    (found,) = answer.json()["users"]
    for name in (*names, "custom_attributes", "user_aliases"):
        assert found[name] == user[name]
    assert found.keys() == user.keys()
    assert found["appboy_id"] == found["braze_id"]
    assert found["random_bucket"] in range(10_000)
    (campaign,), (recorded,) = found["campaigns_received"], user["campaigns_received"]
    assert campaign["api_campaign_id"] == recorded["api_campaign_id"]
    assert campaign.keys() < recorded.keys()
    assert {type(found[name]) for name in ("created_at", "braze_id")} == {str}


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.startswith(NOT_OFFERED)]
)
def test_what_the_sandbox_does_not_offer_is_an_invalid_url(sandbox, name):
    assert {replayed(sandbox, one).status for one, _ in exchanges(name)} == {404}
