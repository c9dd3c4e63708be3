"""/catalogs/{catalog_name}/items/{item_id}: one item, done when it is answered.

catalog_items/synchronous. The item's ID stands in the path and not in the body.
"""

from collections.abc import Callable

from externalapi.vendors.braze.facts import catalogs as braze
from externalapi.vendors.braze.sandbox.endpoints.catalogs.catalog_items import ARRAY
from externalapi.vendors.braze.sandbox.endpoints.catalogs.catalogs import (
    NAME,
    refused,
    refused_for,
)
from externalapi.vendors.braze.sandbox.rules.catalog_items import (
    IsChange,
    id_errors,
    never,
    value_errors,
)
from externalapi.vendors.braze.sandbox.rules.catalogs import Catalog, is_array_change
from externalapi.vendors.braze.sandbox.rules.verdicts import Arrays, Verdict
from externalapi.vendors.braze.sandbox.runtime.route import Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace

_ID = "item_id"
# What a method asks of the item: that it exists, that it does not, or nothing.
Exists = Callable[[Catalog, str], Verdict | None]


def read(body: object, params: Params) -> Arrays:
    """The item with the ID of the path; one with an ID of its own keeps it."""
    found = body.get(ARRAY) if isinstance(body, dict) else None
    if not isinstance(found, list):
        return {}
    return {
        ARRAY: [
            {"id": params[_ID], **item} if isinstance(item, dict) else item
            for item in found
        ]
    }


def read_id(body: object, params: Params) -> Arrays:
    return {ARRAY: [{"id": params[_ID]}]}


def judge_created(asked: Asked, workspace: Workspace) -> Verdict:
    return _judged(asked, workspace, (_is_new, never, 201))


def judge_updated(asked: Asked, workspace: Workspace) -> Verdict:
    return _judged(asked, workspace, (_is_there, is_array_change, 200))


def judge_replaced(asked: Asked, workspace: Workspace) -> Verdict:
    return _judged(asked, workspace, (_is_either, never, 200))


def judge_details(asked: Asked, workspace: Workspace) -> Verdict:
    catalog = workspace.store.catalogs.get(asked.params[NAME])
    if catalog is None:
        return refused(braze.CATALOG_NOT_FOUND, asked.params[NAME])
    item = catalog.items.get(asked.params[_ID])
    if item is None:
        return refused(braze.ITEM_NOT_FOUND, asked.params[_ID])
    return Verdict(status=200, answer={"items": [item], "message": "success"})


def judge_deleted(asked: Asked, workspace: Workspace) -> Verdict:
    """Who is not there is a 400 here and a 404 elsewhere, as the pages say."""
    verdict = judge_details(asked, workspace)
    if verdict.status == 200:
        answer: dict[str, object] = {"message": "success"}
        return Verdict(status=202, answer=answer, accepted=asked.arrays)
    is_unknown = asked.params[NAME] not in workspace.store.catalogs
    status = verdict.status if is_unknown else 400
    return Verdict(status=status, answer=verdict.answer)


def _judged(
    asked: Asked, workspace: Workspace, rules: tuple[Exists, IsChange, int]
) -> Verdict:
    exists, is_change, status = rules
    catalog = workspace.store.catalogs.get(asked.params[NAME])
    if catalog is None:
        return refused(braze.CATALOG_NOT_FOUND, asked.params[NAME])
    refusal = _refusal(asked) or exists(catalog, asked.params[_ID])
    if refusal is not None:
        return refusal
    items = asked.arrays[ARRAY]
    errors = value_errors(catalog, items, is_change)
    if errors:
        return refused_for(errors)
    answer: dict[str, object] = {"message": "success"}
    return Verdict(status=status, answer=answer, accepted={ARRAY: items})


def _refusal(asked: Asked) -> Verdict | None:
    items = asked.body.get(ARRAY) if isinstance(asked.body, dict) else None
    if not isinstance(items, list) or not items:
        return refused(braze.ITEM_ARRAY_NOT_VALID)
    if any(not isinstance(item, dict) for item in items):
        return refused(braze.ITEM_ARRAY_NOT_VALID)
    if len(items) > 1:
        return refused(braze.TOO_MANY_ITEMS)
    if "id" in items[0]:
        return refused(braze.ID_IN_BODY, items[0]["id"])
    errors = id_errors([asked.params[_ID]])
    return refused_for(errors) if errors else None


def _is_new(catalog: Catalog, item_id: str) -> Verdict | None:
    is_known = item_id in catalog.items
    return refused(braze.ITEM_EXISTS, item_id) if is_known else None


def _is_there(catalog: Catalog, item_id: str) -> Verdict | None:
    is_known = item_id in catalog.items
    return None if is_known else refused(braze.ITEM_NOT_FOUND, item_id)


def _is_either(catalog: Catalog, item_id: str) -> Verdict | None:
    return None
