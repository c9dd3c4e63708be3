"""/catalogs: which exist, and what a wrong one is told."""

import pytest

from externalapi.vendors.braze.facts import catalogs as braze
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from externalapi.vendors.braze.sandbox.runtime.options import (
    BadOptionError,
    parse_catalogs,
)
from tests.externalapi.vendors.braze.sandbox.catalogs import FIELDS, asked, created

ID = {"name": "id", "type": "string"}


def error_of(answer):
    (error,) = answer.json()["errors"]
    assert answer.json()["message"] == "Invalid Request"
    return error["id"]


def test_a_catalog_is_created_listed_and_deleted(sandbox):
    answer = created(sandbox)
    (catalog,) = answer.json()["catalogs"]
    assert (answer.status, answer.json()["message"]) == (201, "success")
    assert catalog["name"] == "shops"
    assert [one["name"] for one in catalog["fields"]] == [*FIELDS]
    assert catalog["num_items"] == 0
    listed = asked(sandbox, "GET", "/catalogs")
    assert (listed.status, listed.json()["catalogs"]) == (200, [catalog])
    deleted = asked(sandbox, "DELETE", "/catalogs/shops")
    assert (deleted.status, deleted.json()) == (200, {"message": "success"})
    assert asked(sandbox, "GET", "/catalogs").json()["catalogs"] == []


def test_an_unknown_catalog_is_not_found(sandbox):
    answer = asked(sandbox, "DELETE", "/catalogs/shops")
    assert (answer.status, answer.json()) == (
        404,
        {
            "errors": [
                {
                    "id": "catalog-not-found",
                    "message": "Could not find catalog",
                    "parameters": ["catalog_name"],
                    "parameter_values": ["shops"],
                }
            ],
            "message": "Invalid Request",
        },
    )
    assert sandbox.requests()[0]["reasons"] == ["Could not find catalog"]


@pytest.mark.parametrize(
    ("catalog", "error"),
    [
        ({"name": None}, braze.CATALOG_NAME_NOT_VALID),
        ({"name": "my shops"}, braze.CATALOG_NAME_NOT_VALID),
        ({"name": "a" * 251}, braze.CATALOG_NAME_TOO_LARGE),
        ({"description": "a" * 251}, braze.DESCRIPTION_TOO_LONG),
        ({"fields": None}, braze.FIELDS_NOT_VALID),
        ({"fields": ["id"]}, braze.FIELDS_NOT_VALID),
        ({"fields": []}, braze.ID_NOT_FIRST),
        ({"fields": [{"name": "Name", "type": "string"}, ID]}, braze.ID_NOT_FIRST),
        ({"fields": [{"name": "id", "type": "number"}]}, braze.ID_NOT_FIRST),
        ({"fields": [ID, ID]}, braze.FIELD_NAMES_NOT_UNIQUE),
        (
            {"fields": [ID, {"name": "a" * 251, "type": "string"}]},
            braze.FIELD_NAMES_TOO_LARGE,
        ),
        (
            {"fields": [ID, {"name": "my name", "type": "string"}]},
            braze.FIELD_NAMES_NOT_VALID,
        ),
        (
            {"fields": [ID, {"name": "n", "type": "integer"}]},
            braze.FIELD_TYPES_NOT_VALID,
        ),
        (
            {
                "fields": [
                    ID,
                    *({"name": f"f{n}", "type": "string"} for n in range(500)),
                ]
            },
            braze.TOO_MANY_FIELDS,
        ),
    ],
)
def test_a_wrong_catalog_is_refused(sandbox, catalog, error):
    answer = created(sandbox, **catalog)
    assert (answer.status, error_of(answer)) == (400, error.id)
    assert asked(sandbox, "GET", "/catalogs").json()["catalogs"] == []


def test_one_catalog_a_request_and_one_of_a_name(sandbox):
    created(sandbox)
    assert error_of(created(sandbox)) == "catalog-name-already-exists"
    for wrong, error in (
        ({}, braze.CATALOG_ARRAY_NOT_VALID),
        ({"catalogs": ["shops"]}, braze.CATALOG_ARRAY_NOT_VALID),
        ({"catalogs": [{}, {}]}, braze.TOO_MANY_CATALOGS),
    ):
        assert error_of(asked(sandbox, "POST", "/catalogs", wrong)) == error.id


def test_catalogs_that_exist_from_the_start():
    with SandboxProcess("--catalog", "shops:Name,Rating=number") as sandbox:
        path = "/catalogs/shops/items/s1"
        body = {"items": [{"Name": "One", "Rating": 5}]}
        assert asked(sandbox, "POST", path, body).status == 201
        sandbox.reset()
        (catalog,) = asked(sandbox, "GET", "/catalogs").json()["catalogs"]
        assert (catalog["name"], catalog["num_items"]) == ("shops", 0)


@pytest.mark.parametrize("given", ["my shops", "shops:my name", "shops:Rating=integer"])
def test_a_catalog_that_cannot_be_read(given):
    with pytest.raises(BadOptionError):
        parse_catalogs([given])


def test_a_catalog_survives_a_restart(tmp_path):
    with SandboxProcess("--journal", str(tmp_path / "journal")) as sandbox:
        created(sandbox)
        created(sandbox, name="gone")
        asked(sandbox, "DELETE", "/catalogs/gone")
        body = {"items": [{"Name": "One"}]}
        for name in ("s1", "s2"):
            asked(sandbox, "POST", f"/catalogs/shops/items/{name}", body)
        asked(sandbox, "DELETE", "/catalogs/shops/items/s2")
        before = asked(sandbox, "GET", "/catalogs").json()
        sandbox.restart()
        assert asked(sandbox, "GET", "/catalogs").json() == before
        items = asked(sandbox, "GET", "/catalogs/shops/items").json()["items"]
        assert items == [{"id": "s1", "Name": "One"}]


def test_the_pages(sandbox):
    def text(path):
        return sandbox.call("GET", path).body.decode()

    assert "No catalog yet" in text("/sandbox/catalogs")
    created(sandbox, description="All of them")
    assert "All of them" in text("/sandbox/catalogs")
    assert "No item yet" in text("/sandbox/catalogs/shops")
    item = {"Name": "<b>One</b>", "Rating": 5, "Tags": ["a"]}
    asked(sandbox, "POST", "/catalogs/shops/items/s1", {"items": [item]})
    page = text("/sandbox/catalogs/shops")
    assert "&lt;b&gt;One&lt;/b&gt;" in page
    assert "<code>5</code>" in page
    assert sandbox.call("GET", "/sandbox/catalogs/nothing").status == 404
