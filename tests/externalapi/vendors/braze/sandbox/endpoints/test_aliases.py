"""/users/alias/new and /users/alias/update."""

import pytest

from tests.externalapi.vendors.braze.sandbox.people import attributes

ALIAS = {"alias_name": "ada-1", "alias_label": "crm"}


def created(sandbox, *aliases):
    return sandbox.track({"user_aliases": list(aliases)}, "/users/alias/new")


def updated(sandbox, *updates):
    return sandbox.track({"alias_updates": list(updates)}, "/users/alias/update")


def exported(sandbox, alias):
    body = {"user_aliases": [alias]}
    return sandbox.track(body, "/users/export/ids").json()["users"]


def test_an_alias_for_who_has_an_external_id(sandbox):
    sandbox.track({"attributes": [attributes()]})
    answer = created(sandbox, {**ALIAS, "external_id": "ada"})
    assert (answer.status, answer.json()) == (
        201,
        {"aliases_processed": 1, "message": "success"},
    )
    assert sandbox.user("ada")["user_aliases"] == [ALIAS]


def test_without_an_external_id_there_is_a_new_person(sandbox):
    created(sandbox, ALIAS)
    created(sandbox, ALIAS)
    assert sandbox.summary()["users"] == 1
    (user,) = exported(sandbox, ALIAS)
    assert user["user_aliases"] == [ALIAS]
    assert "external_id" not in user


def test_an_external_id_that_nobody_has_gives_the_alias_to_nobody(sandbox):
    answer = created(sandbox, {**ALIAS, "external_id": "nobody"})
    assert answer.json()["aliases_processed"] == 1
    assert sandbox.summary()["users"] == 0


def test_a_taken_alias_and_a_second_name_for_a_label_change_nothing(sandbox):
    sandbox.track({"attributes": [attributes("ada"), attributes("bob")]})
    created(sandbox, {**ALIAS, "external_id": "ada"})
    created(
        sandbox,
        {**ALIAS, "external_id": "bob"},
        {**ALIAS, "alias_name": "ada-2", "external_id": "ada"},
    )
    assert sandbox.user("ada")["user_aliases"] == [ALIAS]
    assert sandbox.user("bob")["user_aliases"] == []


@pytest.mark.parametrize(
    "alias",
    [
        {"alias_name": "a"},
        {"alias_label": "a"},
        {"alias_name": "", "alias_label": "b"},
        {"alias_name": "a" * 237, "alias_label": "b"},
        {"alias_name": 5, "alias_label": "b"},
        "a",
        {**ALIAS, "external_id": "a" * 988},
    ],
)
def test_a_wrong_alias_is_named_and_the_good_one_goes_through(sandbox, alias):
    answer = created(sandbox, alias, ALIAS)
    assert answer.status == 201
    assert answer.json()["aliases_processed"] == 1
    (error,) = answer.json()["errors"]
    assert (error["input_array"], error["index"]) == ("user_aliases", 0)
    assert len(exported(sandbox, ALIAS)) == 1


@pytest.mark.parametrize("path", ["/users/alias/new", "/users/alias/update"])
def test_fifty_are_allowed_and_none_is_refused(sandbox, path):
    array = "user_aliases" if path.endswith("new") else "alias_updates"
    update = {"old_alias_name": "a", "new_alias_name": "b"}
    items = [{**ALIAS, **update, "alias_name": f"a{n}"} for n in range(51)]
    assert sandbox.track({array: items[:50]}, path).status == 201
    too_many = sandbox.track({array: items}, path)
    assert (too_many.status, too_many.json()) == (
        400,
        {
            "message": "The max number of external_ids and aliases per request was "
            "exceeded"
        },
    )
    for body in ({}, {array: []}, {array: "a"}):
        empty = sandbox.track(body, path)
        assert (empty.status, empty.json()) == (
            400,
            {"message": f"'{array}' must be an array of objects"},
        )


def test_an_alias_gets_another_name(sandbox):
    created(sandbox, ALIAS)
    change = {
        "alias_label": "crm",
        "old_alias_name": "ada-1",
        "new_alias_name": "ada-2",
    }
    answer = updated(sandbox, change)
    assert (answer.status, answer.json()) == (201, {"message": "success"})
    assert exported(sandbox, ALIAS) == []
    assert len(exported(sandbox, {**ALIAS, "alias_name": "ada-2"})) == 1


def test_an_update_of_nobody_or_to_a_taken_name_changes_nothing(sandbox):
    other = {**ALIAS, "alias_name": "bob"}
    created(sandbox, ALIAS, other)
    for old, new in (("nobody", "x"), ("ada-1", "bob")):
        names = {"old_alias_name": old, "new_alias_name": new}
        assert updated(sandbox, {"alias_label": "crm", **names}).status == 201
    assert len(exported(sandbox, ALIAS)) == len(exported(sandbox, other)) == 1


def test_a_wrong_update_is_named(sandbox):
    answer = updated(sandbox, {"alias_label": "crm", "old_alias_name": "a"})
    (error,) = answer.json()["errors"]
    assert (error["input_array"], error["index"]) == ("alias_updates", 0)
