"""/users/merge: one person becomes part of another."""

import pytest

from externalapi.vendors.braze.facts import refusals
from tests.externalapi.vendors.braze.sandbox.people import attributes, event

ADA, BOB = {"external_id": "ada"}, {"external_id": "bob"}
ALIAS = {"alias_name": "a", "alias_label": "web"}
TOKEN = {"app_id": "app", "token": "abc"}


def merged(sandbox, *pairs):
    updates = [
        {"identifier_to_merge": gone, "identifier_to_keep": kept}
        for gone, kept in pairs
    ]
    return sandbox.track({"merge_updates": updates}, "/users/merge")


def test_what_is_merged_and_what_is_not(sandbox):
    group = {
        "subscription_group_id": "6f2e1c3a-52b4-4c7e-9a39-0a1b2c3d4e5f",
        "subscription_state": "subscribed",
    }
    gone = attributes(
        "ada",
        first_name="Ada",
        home_city="London",
        push_tokens=[TOKEN],
        subscription_groups=[group],
        image_url="https://example.com/a.png",
        plan="gold",
        color="red",
    )
    sandbox.track(
        {
            "attributes": [gone, attributes("bob", first_name="Bob", plan="free")],
            "events": [event("ada", time="2026-01-01T00:00:00Z"), event("bob")],
        }
    )
    sandbox.track({"user_aliases": [{**ALIAS, **ADA}]}, "/users/alias/new")
    answer = merged(sandbox, (ADA, BOB))
    assert (answer.status, answer.json()) == (202, {"message": "success"})
    assert sandbox.user("ada") is None
    bob = sandbox.user("bob")
    assert bob["first_name"] == "Bob"
    assert bob["home_city"] == "London"
    assert bob["push_tokens"] == [TOKEN]
    assert bob["custom_attributes"] == {"plan": "free", "color": "red"}
    assert bob["custom_events"][0]["count"] == 2
    assert bob["custom_events"][0]["first"] == "2026-01-01T00:00:00.000Z"
    assert {"subscription_groups", "image_url"}.isdisjoint(bob)
    assert bob["user_aliases"] == []
    assert sandbox.summary()["users"] == 1


def test_the_addresses_find_who_was_kept(sandbox):
    gone = attributes("ada", email="a@example.com", phone="+442071234567")
    sandbox.track({"attributes": [gone, attributes("bob")]})
    merged(sandbox, (ADA, BOB))
    for wanted in ({"email_address": "a@example.com"}, {"phone": "+442071234567"}):
        (user,) = sandbox.track(wanted, "/users/export/ids").json()["users"]
        assert user["external_id"] == "bob"


def test_by_email_with_a_prioritization(sandbox):
    email = {"email": "a@example.com"}
    sandbox.track({"attributes": [{**email, "color": "red"}]})
    sandbox.track({"attributes": [attributes("bob", **email)]})
    merged(
        sandbox,
        (
            {**email, "prioritization": ["unidentified", "most_recently_updated"]},
            {**email, "prioritization": ["identified", "most_recently_updated"]},
        ),
    )
    assert sandbox.user("bob")["custom_attributes"] == {"color": "red"}
    assert sandbox.summary()["users"] == 1


def test_two_invalid_phone_numbers_keep_people_apart(sandbox):
    people = [attributes(name, phone="call me") for name in ("ada", "bob")]
    sandbox.track({"attributes": people})
    assert merged(sandbox, (ADA, BOB)).status == 202
    assert sandbox.summary()["users"] == 2


def test_nobody_or_oneself_is_a_success_that_changes_nothing(sandbox):
    sandbox.track({"attributes": [attributes("ada")]})
    assert merged(sandbox, (ADA, BOB), (BOB, ADA), (ADA, ADA)).status == 202
    assert sandbox.summary()["users"] == 1


@pytest.mark.parametrize(
    ("updates", "refusal"),
    [
        (None, refusals.NO_MERGES),
        ([], refusals.NO_MERGES),
        ("ada", refusals.NO_MERGES),
        (["ada"], refusals.NO_MERGES),
        ([{"identifier_to_merge": ADA}], refusals.MERGE_KEYS_NOT_VALID),
        (
            [{"identifier_to_merge": ADA, "identifier_to_keep": BOB, "more": 1}],
            refusals.MERGE_KEYS_NOT_VALID,
        ),
        (
            [{"identifier_to_merge": ADA, "identifier_to_keep": BOB}] * 51,
            refusals.TOO_MANY_MERGES,
        ),
        *(
            (
                [{"identifier_to_merge": wrong, "identifier_to_keep": BOB}],
                refusals.MERGE_IDENTIFIER_NOT_VALID,
            )
            for wrong in (
                "ada",
                {},
                {"external_id": 5},
                {"user_alias": "a"},
                {"braze_id": "x"},
                {**ADA, "email": "a@example.com"},
            )
        ),
        (
            [
                {
                    "identifier_to_merge": {"email": "a@example.com"},
                    "identifier_to_keep": BOB,
                }
            ],
            refusals.MERGE_PRIORITIZATION_NOT_VALID,
        ),
    ],
)
def test_a_wrong_update_refuses_the_request(sandbox, updates, refusal):
    sandbox.track({"attributes": [attributes("ada"), attributes("bob")]})
    answer = sandbox.track({"merge_updates": updates}, "/users/merge")
    assert (answer.status, answer.json()) == (400, {"message": refusal.text})
    assert sandbox.summary()["users"] == 2


def test_an_alias_names_a_person_too(sandbox):
    sandbox.track({"user_aliases": [ALIAS]}, "/users/alias/new")
    sandbox.track({"attributes": [attributes("bob")]})
    assert merged(sandbox, ({"user_alias": ALIAS}, BOB)).status == 202
    assert sandbox.summary()["users"] == 1
