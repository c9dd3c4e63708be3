"""/catalogs: list, create and delete (catalog_management/synchronous).

The answers have the shape of recorded ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import orjson

from externalapi.vendors.braze.facts import catalogs as braze
from externalapi.vendors.braze.facts.catalogs import CatalogError
from externalapi.vendors.braze.sandbox.rules.catalogs import Catalog
from externalapi.vendors.braze.sandbox.rules.verdicts import Arrays, JsonObject, Verdict
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.store import Store

_ARRAY = "catalogs"
NAME = "catalog_name"


def refused(error: CatalogError, *values: object) -> Verdict:
    """A refusal for one reason; `values` are what is at fault."""
    return refused_for({error: values})


def refused_for(errors: Mapping[CatalogError, Iterable[object]]) -> Verdict:
    listed = [_error(error, [*values]) for error, values in errors.items()]
    status = max(error.status for error in errors)
    answer: JsonObject = {"errors": listed, "message": "Invalid Request"}
    return Verdict(status=status, answer=answer)


def _error(error: CatalogError, values: list[object]) -> JsonObject:
    named = error is not braze.IDS_MISSING
    return {
        "id": error.id,
        "message": error.message.format(count=len(values)),
        "parameters": [error.parameter] if named else [],
        "parameter_values": values if named else [],
    }


def read(body: object, params: Params) -> Arrays:
    found = body.get(_ARRAY) if isinstance(body, dict) else None
    return {_ARRAY: found} if isinstance(found, list) else {}


def read_name(body: object, params: Params) -> Arrays:
    return {_ARRAY: [{"name": params[NAME]}]}


def read_nothing(body: object, params: Params) -> Arrays:
    return {}


def judge_list(asked: Asked, workspace: Workspace) -> Verdict:
    found = [_shown(one) for one in workspace.store.catalogs.values()]
    return Verdict(status=200, answer={"catalogs": found, "message": "success"})


def judge_new(asked: Asked, workspace: Workspace) -> Verdict:
    items = asked.arrays.get(_ARRAY)
    if not items or any(not isinstance(item, dict) for item in items):
        return refused(braze.CATALOG_ARRAY_NOT_VALID)
    if len(items) > 1:
        return refused(braze.TOO_MANY_CATALOGS)
    (item,) = items
    error = _error_in(item)
    if error is not None:
        return refused(error, item.get(error.parameter))
    if item["name"] in workspace.store.catalogs:
        return refused(braze.CATALOG_EXISTS, item["name"])
    shown = _shown(_made(item, datetime.fromtimestamp(asked.at, UTC)))
    answer: JsonObject = {"catalogs": [shown], "message": "success"}
    return Verdict(status=201, answer=answer, accepted={_ARRAY: items})


def judge_deletion(asked: Asked, workspace: Workspace) -> Verdict:
    name = asked.params[NAME]
    if name not in workspace.store.catalogs:
        return refused(braze.CATALOG_NOT_FOUND, name)
    return Verdict(status=200, answer={"message": "success"}, accepted=asked.arrays)


def _error_in(item: JsonObject) -> CatalogError | None:
    name, description = item.get("name"), item.get("description", "")
    if not isinstance(name, str) or not braze.NAME.fullmatch(name):
        return braze.CATALOG_NAME_NOT_VALID
    if len(name) > braze.MAX_NAME_CHARS:
        return braze.CATALOG_NAME_TOO_LARGE
    if len(str(description)) > braze.MAX_DESCRIPTION_CHARS:
        return braze.DESCRIPTION_TOO_LONG
    fields = item.get("fields")
    if not isinstance(fields, list) or not all(map(_is_field, fields)):
        return braze.FIELDS_NOT_VALID
    return fields_error([(one["name"], one["type"]) for one in fields])


def _is_field(one: object) -> bool:
    return isinstance(one, dict) and all(
        isinstance(one.get(key), str) for key in ("name", "type")
    )


def fields_error(fields: Sequence[tuple[str, str]]) -> CatalogError | None:
    """What is wrong with these names and types."""
    names = [name for name, _ in fields]
    if len(fields) > braze.MAX_FIELDS:
        return braze.TOO_MANY_FIELDS
    if not fields or fields[0] != ("id", "string"):
        return braze.ID_NOT_FIRST
    if len(set(names)) < len(names):
        return braze.FIELD_NAMES_NOT_UNIQUE
    if any(len(name) > braze.MAX_NAME_CHARS for name in names):
        return braze.FIELD_NAMES_TOO_LARGE
    if not all(map(braze.NAME.fullmatch, names)):
        return braze.FIELD_NAMES_NOT_VALID
    are_known = all(kind in braze.FIELD_TYPES for _, kind in fields)
    return None if are_known else braze.FIELD_TYPES_NOT_VALID


def _made(item: JsonObject, at: datetime) -> Catalog:
    fields = item["fields"]
    assert isinstance(fields, list)
    return Catalog(
        name=str(item["name"]),
        description=str(item.get("description", "")),
        fields={one["name"]: one["type"] for one in fields},
        updated_at=at,
    )


def _shown(catalog: Catalog) -> JsonObject:
    """As recorded; the tokens of the fields count from -1, which is `id`."""
    fields = [
        {"name": name, "token": str(number), "type": kind}
        for number, (name, kind) in enumerate(catalog.fields.items(), start=-1)
    ]
    return {
        "description": catalog.description,
        "fields": fields,
        "name": catalog.name,
        "source": "Braze",
        "num_items": len(catalog.items),
        "storage_size": sum(len(orjson.dumps(one)) for one in catalog.items.values()),
        "selections_size": 0,
        "updated_at": catalog.updated_at.isoformat(timespec="milliseconds"),
        "selections": [],
    }


def apply_new(store: Store, arrived: Arrived) -> None:
    for item in arrived.arrays[_ARRAY]:
        catalog = _made(item, arrived.at)
        store.catalogs.setdefault(catalog.name, catalog)


def apply_deletion(store: Store, arrived: Arrived) -> None:
    store.catalogs.pop(arrived.params[NAME], None)
