"""Catalog items: many at once (asynchronous) and one by its ID (synchronous)."""

import pytest

from externalapi.vendors.braze.facts import catalogs as braze
from tests.externalapi.vendors.braze.sandbox.catalogs import asked, created

MANY = "/catalogs/shops/items"


def send(sandbox, method, *items):
    return asked(sandbox, method, MANY, {"items": list(items)})


def send_one(sandbox, method, item_id, *items):
    return asked(sandbox, method, f"{MANY}/{item_id}", {"items": list(items)})


def items(sandbox):
    found = asked(sandbox, "GET", MANY).json()["items"]
    return {item.pop("id"): item for item in found}


def errors(answer):
    return [(one["id"], one["parameter_values"]) for one in answer.json()["errors"]]


@pytest.fixture
def shops(sandbox):
    assert created(sandbox).status == 201
    return sandbox


def test_many_items(shops):
    answer = send(shops, "POST", {"id": "a", "Name": "A"}, {"id": "b", "Rating": 1})
    assert (answer.status, answer.json()) == (202, {"message": "success"})
    send(shops, "POST", {"id": "a", "Name": "again"}, {"id": "c"})
    assert items(shops) == {"a": {"Name": "A"}, "b": {"Rating": 1}, "c": {}}

    send(shops, "PATCH", {"id": "a", "Rating": 5}, {"id": "nothing", "Name": "N"})
    send(shops, "PUT", {"id": "b", "Name": "B"}, {"id": "d", "Name": "D"})
    assert items(shops) == {
        "a": {"Name": "A", "Rating": 5},
        "b": {"Name": "B"},
        "c": {},
        "d": {"Name": "D"},
    }

    answer = send(shops, "DELETE", {"id": "a"}, {"id": "d"}, {"id": "nothing"})
    assert (answer.status, answer.json()) == (202, {"message": "success"})
    assert items(shops).keys() == {"b", "c"}


def test_one_item(shops):
    assert send_one(shops, "POST", "a", {"Name": "A"}).status == 201
    assert send_one(shops, "PATCH", "a", {"Rating": 5}).status == 200
    details = asked(shops, "GET", f"{MANY}/a")
    assert (details.status, details.json()) == (
        200,
        {"items": [{"id": "a", "Name": "A", "Rating": 5}], "message": "success"},
    )
    assert send_one(shops, "PUT", "a", {"Name": "B"}).status == 200
    assert send_one(shops, "PUT", "b", {"Name": "C"}).status == 200
    assert items(shops) == {"a": {"Name": "B"}, "b": {"Name": "C"}}
    deleted = asked(shops, "DELETE", f"{MANY}/a")
    assert (deleted.status, deleted.json()) == (202, {"message": "success"})
    assert items(shops).keys() == {"b"}


@pytest.mark.parametrize(
    ("method", "status", "error"),
    [
        ("GET", 404, "item-not-found"),
        ("PATCH", 404, "item-not-found"),
        ("DELETE", 400, "item-not-found"),
    ],
)
def test_an_item_that_does_not_exist(shops, method, status, error):
    answer = send_one(shops, method, "a", {"Name": "A"})
    assert (answer.status, errors(answer)) == (status, [(error, ["a"])])


def test_an_item_that_exists_is_not_created(shops):
    send_one(shops, "POST", "a", {"Name": "A"})
    answer = send_one(shops, "POST", "a", {"Name": "B"})
    assert (answer.status, errors(answer)) == (400, [("item-already-exists", ["a"])])


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE"])
def test_a_catalog_has_to_exist(sandbox, method):
    for answer in (
        send(sandbox, method, {"id": "a"}),
        send_one(sandbox, method, "a", {"Name": "A"}),
    ):
        assert answer.status == 404
        assert errors(answer) == [("catalog-not-found", ["shops"])]


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ([], (braze.ITEM_ARRAY_NOT_VALID.id, [])),
        (["a"], (braze.ITEM_ARRAY_NOT_VALID.id, [])),
        ([{"id": "a"}, {}], (braze.IDS_MISSING.id, [])),
        ([{"id": 5}], (braze.IDS_NOT_STRINGS.id, [5])),
        ([{"id": "a" * 251}], (braze.IDS_TOO_LARGE.id, ["a" * 251])),
        ([{"id": "a b"}], (braze.IDS_NOT_VALID.id, ["a b"])),
        ([{"id": "a"}, {"id": "a"}], (braze.IDS_NOT_UNIQUE.id, ["a"])),
        ([{"id": f"i{n}"} for n in range(51)], (braze.TOO_MANY_ITEMS.id, [])),
    ],
)
def test_wrong_ids_refuse_all(shops, method, sent, error):
    answer = send(shops, method, *sent)
    assert (answer.status, errors(answer)) == (400, [error])
    assert items(shops) == {}


def test_the_missing_ids_are_counted(shops):
    (error,) = send(shops, "DELETE", {"id": "a"}, {}).json()["errors"]
    assert error["message"] == "There are 1 item(s) that do not have ids"
    assert error["parameters"] == []


def nested(levels):
    return {"a": nested(levels - 1)} if levels else 1


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"City": "Rome"}, braze.UNKNOWN_FIELDS),
        ({"Place": {"a.b": 1}}, braze.KEYS_NOT_VALID),
        ({"Place": {"a": [{"$b": 1}]}}, braze.KEYS_NOT_VALID),
        ({"Place": nested(51)}, braze.TOO_DEEP),
        ({"Place": nested(200)}, braze.TOO_DEEP),
        ({"Name": "a" * 5000}, braze.ITEMS_TOO_LARGE),
        ({"Name": ["a"]}, braze.NOT_COERCIBLE),
        ({"Rating": "many"}, braze.NOT_COERCIBLE),
        ({"Rating": True}, braze.NOT_COERCIBLE),
        ({"Rating": {}}, braze.NOT_COERCIBLE),
        ({"Open": "yes"}, braze.NOT_COERCIBLE),
        ({"Open": 1}, braze.NOT_COERCIBLE),
        ({"Since": "yesterday"}, braze.NOT_COERCIBLE),
        ({"Place": "Rome"}, braze.NOT_COERCIBLE),
        ({"Tags": "a"}, braze.NOT_COERCIBLE),
    ],
)
def test_wrong_values_refuse_all(shops, method, values, error):
    answer = send(shops, method, {"id": "good"}, {"id": "bad", **values})
    assert (answer.status, errors(answer)) == (400, [(error.id, ["bad"])])
    assert items(shops) == {}


def test_values_get_the_types_of_their_fields(shops):
    sent = {"Name": 5, "Rating": "4.5", "Open": "TRUE", "Since": "2026-01-02"}
    send(shops, "POST", {"id": "a", **sent, "Place": nested(50), "Tags": None})
    assert items(shops)["a"] == {
        "Name": "5",
        "Rating": 4.5,
        "Open": True,
        "Since": "2026-01-02",
        "Place": nested(50),
        "Tags": None,
    }
    send(shops, "PUT", {"id": "a", "Name": True, "Rating": "-3"})
    assert items(shops)["a"] == {"Name": "true", "Rating": -3}


def test_only_an_edit_changes_arrays(shops):
    send(shops, "POST", {"id": "a", "Tags": ["x", "y"]})
    change = {"id": "a", "Tags": {"$add": ["z"], "$remove": ["x"]}}
    assert send(shops, "PATCH", change).status == 202
    assert items(shops)["a"]["Tags"] == ["y", "z"]
    for method in ("POST", "PUT"):
        answer = send(shops, method, change)
        assert errors(answer) == [("invalid-keys-in-value-object", ["a"])]
    no_array = {"id": "a", "Place": {"$add": ["z"]}}
    assert errors(send(shops, "PATCH", no_array))[0][0] == braze.KEYS_NOT_VALID.id


@pytest.mark.parametrize(
    ("item_id", "sent", "error"),
    [
        ("a", [], braze.ITEM_ARRAY_NOT_VALID),
        ("a", ["a"], braze.ITEM_ARRAY_NOT_VALID),
        ("a", [{}, {}], braze.TOO_MANY_ITEMS),
        ("a", [{"id": "a"}], braze.ID_IN_BODY),
        ("a" * 251, [{}], braze.IDS_TOO_LARGE),
        ("a%20b", [{}], braze.IDS_NOT_VALID),
        ("a", [{"City": "Rome"}], braze.UNKNOWN_FIELDS),
    ],
)
def test_what_a_single_item_refuses(shops, item_id, sent, error):
    for method in ("POST", "PUT"):
        answer = send_one(shops, method, item_id, *sent)
        assert answer.status == 400
        assert [one for one, _ in errors(answer)] == [error.id]


def test_fifty_items_a_page(shops):
    for start in (0, 50, 100):
        send(shops, "POST", *({"id": f"i{n:03}"} for n in range(start, start + 45)))
    first = asked(shops, "GET", MANY)
    assert len(first.json()["items"]) == 50
    assert first.headers["Link"] == f'<{MANY}?cursor=c2tpcDo1MA==>; rel="next"'
    second = asked(shops, "GET", f"{MANY}?cursor=c2tpcDo1MA==")
    assert second.headers["Link"] == (
        f'<{MANY}?cursor=c2tpcDow>; rel="prev",<{MANY}?cursor=c2tpcDoxMDA=>; rel="next"'
    )
    last = asked(shops, "GET", f"{MANY}?cursor=c2tpcDoxMDA=")
    assert len(last.json()["items"]) == 35
    assert "next" not in last.headers["Link"]
    for wrong in ("x", "c2tpcA=="):
        answer = asked(shops, "GET", f"{MANY}?cursor={wrong}")
        assert (answer.status, errors(answer)) == (400, [("invalid-cursor", [wrong])])
