"""/users/delete and the two endpoints that change external IDs."""

import pytest

from tests.externalapi.vendors.braze.sandbox.people import attributes

ALIAS = {"alias_name": "a", "alias_label": "web"}
LATEST = ["unidentified", "most_recently_updated"]


def deleted(sandbox, **body):
    return sandbox.track(body, "/users/delete")


@pytest.fixture
def ada(sandbox):
    person = attributes(email="ada@example.com", phone="+442071234567")
    sandbox.track({"attributes": [person]})
    sandbox.track(
        {"user_aliases": [{**ALIAS, "external_id": "ada"}]}, "/users/alias/new"
    )
    return sandbox.user("ada")


@pytest.mark.parametrize(
    "identifiers",
    [
        {"external_ids": ["ada"]},
        {"user_aliases": [ALIAS]},
        {"braze_ids": True},
        {
            "email_addresses": [
                {"email": "ada@example.com", "prioritization": ["identified"]}
            ]
        },
        {
            "phone_numbers": [
                {"phone": "+442071234567", "prioritization": ["identified"]}
            ]
        },
    ],
)
def test_a_person_goes_by_any_identifier(sandbox, ada, identifiers):
    if "braze_ids" in identifiers:
        identifiers = {"braze_ids": [ada["braze_id"]]}
    answer = deleted(sandbox, **identifiers)
    assert (answer.status, answer.json()) == (201, {"deleted": 1, "message": "success"})
    assert sandbox.user("ada") is None
    for wanted in (
        {"external_ids": ["ada"]},
        {"user_aliases": [ALIAS]},
        {"email_address": "ada@example.com"},
        {"phone": "+442071234567"},
        {"braze_id": ada["braze_id"]},
    ):
        assert sandbox.track(wanted, "/users/export/ids").json()["users"] == []


def test_a_new_person_with_the_old_external_id_is_another_one(sandbox, ada):
    deleted(sandbox, external_ids=["ada"])
    sandbox.track({"attributes": [attributes("bob"), attributes("ada")]})
    assert sandbox.user("ada")["braze_id"] != ada["braze_id"]
    assert "email" not in sandbox.user("ada")


def test_others_keep_their_braze_ids(sandbox):
    names = [f"p{n}" for n in range(5)]
    sandbox.track({"attributes": [attributes(name) for name in names]})
    ids = {name: sandbox.user(name)["braze_id"] for name in names}
    deleted(sandbox, external_ids=["p1", "p3"])
    for name in ("p0", "p2", "p4"):
        wanted = {"braze_id": ids[name]}
        (user,) = sandbox.track(wanted, "/users/export/ids").json()["users"]
        assert user["external_id"] == name


def test_more_than_one_match_deletes_nobody(sandbox):
    email = "shared@example.com"
    sandbox.track({"attributes": [attributes(name, email=email) for name in "ab"]})
    wanted = {"email": email, "prioritization": ["identified"]}
    assert deleted(sandbox, email_addresses=[wanted]).json()["deleted"] == 1
    assert sandbox.summary()["users"] == 2


def test_one_kind_at_a_time_and_fifty_at_most(sandbox, ada):
    for body in ({}, {"external_ids": []}, {"external_ids": "ada"}):
        assert deleted(sandbox, **body).status == 400
    two = deleted(sandbox, external_ids=["ada"], braze_ids=["x"])
    assert two.status == 400
    assert two.json()["message"].startswith("Only one of 'external_ids'")
    many = [f"p{n}" for n in range(51)]
    assert deleted(sandbox, external_ids=many[:50]).json()["deleted"] == 50
    too_many = deleted(sandbox, external_ids=many)
    assert (too_many.status, too_many.json()) == (
        400,
        {"message": "The max number of ids per request was exceeded"},
    )
    assert sandbox.user("ada") is not None


@pytest.mark.parametrize(
    "identifiers",
    [
        {"external_ids": [""]},
        {"external_ids": [None]},
        {"user_aliases": ["a"]},
        {"braze_ids": [5]},
        {"email_addresses": ["ada@example.com"]},  # without a prioritization
        {"email_addresses": [{"email": "", "prioritization": LATEST}]},
        {
            "email_addresses": [
                {
                    "email": "ada@example.com",
                    "prioritization": ["least_recently_updated"],
                }
            ]
        },
    ],
)
def test_a_wrong_identifier_deletes_nobody(sandbox, ada, identifiers):
    answer = deleted(sandbox, **identifiers)
    assert answer.status == 400
    assert len(answer.json()["errors"]) == 1
    assert sandbox.user("ada") is not None


# --- External IDs ---------------------------------------------------------------------


def renamed(sandbox, *pairs):
    renames = [
        {"current_external_id": old, "new_external_id": new} for old, new in pairs
    ]
    body = {"external_id_renames": renames}
    return sandbox.track(body, "/users/external_ids/rename")


def removed(sandbox, *external_ids):
    body = {"external_ids": list(external_ids)}
    return sandbox.track(body, "/users/external_ids/remove")


def test_both_external_ids_find_a_renamed_person(sandbox, ada):
    answer = renamed(sandbox, ("ada", "ada-2"))
    assert (answer.status, answer.json()) == (
        201,
        {
            "rename_errors": [],
            "external_ids": [
                {"current_external_id": "ada", "new_external_id": "ada-2"}
            ],
            "message": "success",
        },
    )
    for name in ("ada", "ada-2"):
        assert sandbox.user(name)["external_id"] == "ada-2"
    answer = removed(sandbox, "ada")
    assert answer.json() == {
        "removed_ids": ["ada"],
        "removal_errors": [],
        "message": "success",
    }
    assert sandbox.user("ada") is None
    assert sandbox.user("ada-2")["braze_id"] == ada["braze_id"]


def test_deleting_by_a_deprecated_id_deletes_the_person(sandbox, ada):
    renamed(sandbox, ("ada", "ada-2"))
    deleted(sandbox, external_ids=["ada"])
    assert sandbox.summary()["users"] == 0


def test_what_cannot_be_renamed_or_removed(sandbox):
    sandbox.track({"attributes": [attributes(name) for name in "abc"]})
    renamed(sandbox, ("a", "z"))
    answer = renamed(
        sandbox,
        ("nobody", "x"),
        ("b", "b"),
        ("b", "c"),  # taken by a primary ID
        ("b", "a"),  # taken by a deprecated ID
        ("a", "x"),  # deprecated
        ("b", None),
        ("b", "good"),
        ("c", "good"),  # taken in this request
        ("b", "again"),
    )
    body = answer.json()
    assert (answer.status, body["message"]) == (201, "success")
    assert [index for index, _ in body["rename_errors"]] == [0, 1, 2, 3, 4, 5, 7, 8]
    assert [one["new_external_id"] for one in body["external_ids"]] == ["good"]
    answer = removed(sandbox, "z", "nobody", "a")
    assert answer.json()["removed_ids"] == ["a"]
    assert [index for index, _ in answer.json()["removal_errors"]] == [0, 1]


def test_more_in_a_rename_is_ignored(sandbox, ada):
    rename = {"current_external_id": "ada", "new_external_id": "b", "tags": ["x"]}
    body = {"external_id_renames": [rename]}
    answer = sandbox.track(body, "/users/external_ids/rename")
    assert answer.json()["rename_errors"] == []


@pytest.mark.parametrize("change", [renamed, removed])
def test_none_and_more_than_fifty_are_refused(sandbox, change):
    pairs = [(f"a{n}", f"b{n}") for n in range(51)]
    items = pairs if change is renamed else [old for old, _ in pairs]
    assert change(sandbox, *items[:50]).status == 201
    assert change(sandbox, *items).status == 400
    assert change(sandbox).status == 400
