"""/users/identify: an external ID for who has only an alias, an address or a number."""

import pytest

from tests.externalapi.vendors.braze.sandbox.people import attributes, event, purchase

ALIAS = {"alias_name": "web-1", "alias_label": "web"}
ADA = {"external_id": "ada", "user_alias": ALIAS}
LATEST = ["unidentified", "most_recently_updated"]


def identified(sandbox, **arrays):
    return sandbox.track(arrays, "/users/identify")


def with_alias(**values):
    return {"user_alias": ALIAS, "_update_existing_only": False, **values}


def test_an_unknown_external_id_is_given_to_the_person(sandbox):
    sandbox.track({"attributes": [with_alias(plan="gold")]})
    answer = identified(sandbox, aliases_to_identify=[ADA])
    assert (answer.status, answer.json()) == (
        201,
        {"aliases_processed": 1, "message": "success"},
    )
    ada = sandbox.user("ada")
    assert ada["custom_attributes"] == {"plan": "gold"}
    assert ada["user_aliases"] == [ALIAS]
    assert sandbox.summary()["users"] == 1


def test_a_known_one_gets_what_it_lacks_and_the_other_goes(sandbox):
    known = attributes(
        first_name="Ada", plan="gold", date_of_first_session="2026-01-02"
    )
    alias_only = with_alias(
        first_name="A.",
        last_name="Lovelace",
        email="ada@example.com",
        email_subscribe="unsubscribed",
        plan="none",
        color="red",
        date_of_first_session="2025-01-01",
        date_of_last_session="2026-03-04",
    )
    sandbox.track({"attributes": [known, alias_only], "events": [event()]})
    anonymous = {"user_alias": ALIAS, "external_id": None}
    sandbox.track(
        {
            "events": [event(**anonymous)],
            "purchases": [purchase(**anonymous)],
        }
    )
    identified(sandbox, aliases_to_identify=[ADA])
    ada = sandbox.user("ada")
    assert (ada["first_name"], ada["last_name"]) == ("Ada", "Lovelace")
    assert ada["custom_attributes"] == {"plan": "gold", "color": "red"}
    assert ada["email_subscribe"] == "subscribed"  # is not in the page's list
    assert ada["date_of_first_session"] == "2025-01-01"
    assert ada["date_of_last_session"] == "2026-03-04"
    assert ada["custom_events"][0]["count"] == 2
    assert ada["purchases"][0]["count"] == 1
    assert ada["user_aliases"] == [ALIAS]
    assert sandbox.summary()["users"] == 1
    found = sandbox.track({"email_address": "ada@example.com"}, "/users/export/ids")
    assert [one["external_id"] for one in found.json()["users"]] == ["ada"]


def test_the_same_label_on_both_keeps_them_apart(sandbox):
    sandbox.track({"attributes": [attributes(), with_alias()]})
    taken = {"external_id": "ada", "alias_name": "x", "alias_label": "web"}
    sandbox.track({"user_aliases": [taken]}, "/users/alias/new")
    assert identified(sandbox, aliases_to_identify=[ADA]).status == 201
    assert sandbox.summary()["users"] == 2


def test_case_counts_and_nobody_is_a_success_too(sandbox):
    sandbox.track({"attributes": [with_alias()]})
    other = {**ADA, "user_alias": {**ALIAS, "alias_name": "WEB-1"}}
    answer = identified(sandbox, aliases_to_identify=[other])
    assert answer.json() == {"aliases_processed": 1, "message": "success"}
    assert sandbox.user("ada") is None


def test_an_email_address_and_a_phone_number(sandbox):
    sandbox.track(
        {"attributes": [{"email": "a@example.com"}, {"phone": "+4420712345"}]}
    )
    by_email = {
        "external_id": "a",
        "email": "A@example.com",
        "prioritization": LATEST,
    }
    by_phone = {"external_id": "p", "phone": "+4420712345", "prioritization": LATEST}
    answer = identified(
        sandbox, emails_to_identify=[by_email], phone_numbers_to_identify=[by_phone]
    )
    assert answer.json() == {
        "aliases_processed": 0,
        "emails_processed": 1,
        "phone_numbers_processed": 1,
        "message": "success",
    }
    assert sandbox.user("a")["email"] == "a@example.com"
    assert sandbox.user("p")["phone"] == "+4420712345"


@pytest.mark.parametrize(
    ("order", "who"),
    [
        (["unidentified"], None),  # two match, so none is meant
        (["unidentified", "most_recently_updated"], "second"),
        (["unidentified", "least_recently_updated"], "first"),
        (["most_recently_updated"], None),  # the latest has an external ID
    ],
)
def test_the_prioritization_chooses(sandbox, order, who):
    email = "shared@example.com"
    for alias in ("first", "second"):
        named = {"alias_name": alias, "alias_label": "web"}
        sandbox.track({"attributes": [with_alias(user_alias=named, email=email)]})
    sandbox.track({"attributes": [attributes("known", email=email)]})
    item = {"external_id": "new", "email": email, "prioritization": order}
    assert identified(sandbox, emails_to_identify=[item]).status == 201
    user = sandbox.user("new")
    names = [one["alias_name"] for one in user["user_aliases"]] if user else [None]
    assert names == [who]


@pytest.mark.parametrize(
    ("array", "item", "sentence"),
    [
        ("aliases_to_identify", {"user_alias": ALIAS}, "'external_id' is required"),
        ("aliases_to_identify", "ada", "'external_id' is required"),
        ("aliases_to_identify", {"external_id": "a"}, "'user_alias' is required"),
        ("emails_to_identify", {"external_id": "a"}, "'email' is required"),
        ("phone_numbers_to_identify", {"external_id": "a"}, "'phone' is required"),
        (
            "emails_to_identify",
            {"external_id": "a", "email": "a@example.com"},
            "'prioritization' is not valid",
        ),
        (
            "emails_to_identify",
            {
                "external_id": "a",
                "email": "a@example.com",
                "prioritization": ["identified", "unidentified"],
            },
            "Request can not contain both of 'identified' and 'unidentified' values in"
            " the 'prioritization' array",
        ),
        (
            "emails_to_identify",
            {
                "external_id": "a",
                "email": "a@example.com",
                "prioritization": ["most_recently_updated", "least_recently_updated"],
            },
            "Request can not contain both of 'most_recently_updated' and"
            " 'least_recently_updated' values in the 'prioritization' array",
        ),
        (
            "emails_to_identify",
            {"external_id": "a", "email": "a@example.com", "prioritization": ["new"]},
            "'prioritization' is not valid",
        ),
    ],
)
def test_nothing_processed_is_a_success_with_errors(sandbox, array, item, sentence):
    answer = identified(sandbox, **{array: [item]})
    counts = {"aliases_processed": 0}
    if array != "aliases_to_identify":
        counts |= {"emails_processed": 0, "phone_numbers_processed": 0}
    assert (answer.status, answer.json()) == (
        201,
        {
            **counts,
            "errors": [
                {"type": sentence, "input_array": "user_identifiers", "index": 0}
            ],
            "message": "success",
        },
    )


def test_somebody_must_be_named_and_fifty_at_most(sandbox):
    assert identified(sandbox).status == 400
    assert identified(sandbox, aliases_to_identify=[]).status == 400
    many = [ADA] * 51
    assert identified(sandbox, aliases_to_identify=many[:50]).status == 201
    too_many = identified(sandbox, aliases_to_identify=many)
    assert too_many.status == 400
    assert "max number of external_ids and aliases" in too_many.json()["message"]
