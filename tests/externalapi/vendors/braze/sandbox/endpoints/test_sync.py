"""/users/track/sync: one object, answered when it is stored."""

import pytest

from tests.externalapi.vendors.braze.sandbox.people import attributes, event, purchase

SYNC = "/users/track/sync"
ALIAS = {"alias_name": "a", "alias_label": "web"}


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"attributes": [attributes(a=1)]}, {"custom_attributes": {"a": 1}}),
        (
            {"events": [event()]},
            {
                "custom_events": [
                    {
                        "name": "visited",
                        "first": "2026-01-02T03:04:05.000Z",
                        "last": "2026-01-02T03:04:05.000Z",
                        "count": 1,
                    }
                ]
            },
        ),
        (
            {"purchases": [purchase()]},
            {
                "purchase_events": [
                    {
                        "product_id": "tea",
                        "first": "2026-01-02T03:04:05.000Z",
                        "last": "2026-01-02T03:04:05.000Z",
                        "count": 1,
                    }
                ]
            },
        ),
    ],
)
def test_sync_answers_with_what_is_now_stored(sandbox, body, shown):
    answer = sandbox.track(body, SYNC).json()
    assert answer == {"users": [{"external_id": "ada", **shown}], "message": "success"}


def test_sync_takes_one_object(sandbox):
    two = {"attributes": [attributes()], "events": [event()]}
    assert sandbox.track(two, SYNC).status == 400


def test_sync_of_nobody(sandbox):
    body = {"attributes": [attributes(_update_existing_only=True)]}
    assert sandbox.track(body, SYNC).json() == {
        "users": [],
        "message": "success",
    }


@pytest.mark.parametrize(
    "identifier",
    [
        {"external_id": "ada"},
        {"email": "a@b.example"},
        {"phone": "+442071234567"},
        {"user_alias": ALIAS},
        {"braze_id": True},
    ],
)
def test_the_person_is_named_as_in_the_request(sandbox, identifier):
    person = attributes(email="a@b.example", phone="+442071234567")
    sandbox.track({"attributes": [person]})
    sandbox.track(
        {"user_aliases": [{**ALIAS, "external_id": "ada"}]}, "/users/alias/new"
    )
    if "braze_id" in identifier:
        identifier = {"braze_id": sandbox.user("ada")["braze_id"]}
    answer = sandbox.track({"attributes": [{**identifier, "plan": "gold"}]}, SYNC)
    assert (answer.status, answer.json()["users"]) == (
        201,
        [{**identifier, "custom_attributes": {"plan": "gold"}}],
    )
    assert sandbox.user("ada")["custom_attributes"] == {"plan": "gold"}


def test_a_value_that_breaks_a_rule_leaves_the_old_one(sandbox):
    sandbox.track({"attributes": [attributes(plan="gold", color="red")]}, SYNC)
    sent = attributes(plan="x" * 256, color=None, first_name="Ada")
    (user,) = sandbox.track({"attributes": [sent]}, SYNC).json()["users"]
    assert user["custom_attributes"] == {"plan": "gold"}


def test_what_was_accepted_before_is_applied_first(sandbox):
    sandbox.track({"attributes": [attributes(visits={"inc": 2})]})
    sent = attributes(visits={"inc": 1})
    (user,) = sandbox.track({"attributes": [sent]}, SYNC).json()["users"]
    assert user["custom_attributes"] == {"visits": 3}


def test_a_refused_object_is_a_refused_request(sandbox):
    answer = sandbox.track({"attributes": [attributes(email="ada")]}, SYNC)
    assert answer.status == 400
    assert len(answer.json()["errors"]) == 1
