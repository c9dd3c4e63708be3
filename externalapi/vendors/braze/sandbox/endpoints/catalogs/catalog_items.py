"""/catalogs/{catalog_name}/items: up to fifty items of a catalog.

catalog_items/asynchronous, and the list of catalog_items/synchronous. Success is 202:
accepted, and done later. That items which exist are not created again, and that those
which do not are neither edited nor deleted, is inferred, as it is that fields may be
left out.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64Error
from collections.abc import Iterator
from itertools import islice

from externalapi.vendors.braze.facts import catalogs as braze
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
    with_types,
)
from externalapi.vendors.braze.sandbox.rules.catalogs import Catalog, is_array_change
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    Counting,
    JsonObject,
    Verdict,
    counted,
)
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.store import Store

ARRAY = "items"
_CURSOR = re.compile(rb"skip:(\d+)")


def read_many(body: object, params: Params) -> Arrays:
    found = body.get(ARRAY) if isinstance(body, dict) else None
    return {ARRAY: found} if isinstance(found, list) else {}


def judge_added(asked: Asked, workspace: Workspace) -> Verdict:
    return _judged(asked, workspace, never)


def judge_updated(asked: Asked, workspace: Workspace) -> Verdict:
    return _judged(asked, workspace, is_array_change)


def judge_replaced(asked: Asked, workspace: Workspace) -> Verdict:
    return _judged(asked, workspace, never)


def judge_deleted(asked: Asked, workspace: Workspace) -> Verdict:
    catalog = workspace.store.catalogs.get(asked.params[NAME])
    if catalog is None:
        return refused(braze.CATALOG_NOT_FOUND, asked.params[NAME])
    return _refusal(asked) or _accepted(asked)


def _judged(asked: Asked, workspace: Workspace, is_change: IsChange) -> Verdict:
    catalog = workspace.store.catalogs.get(asked.params[NAME])
    if catalog is None:
        return refused(braze.CATALOG_NOT_FOUND, asked.params[NAME])
    refusal = _refusal(asked)
    if refusal is not None:
        return refusal
    errors = value_errors(catalog, asked.arrays[ARRAY], is_change)
    return refused_for(errors) if errors else _accepted(asked)


def _refusal(asked: Asked) -> Verdict | None:
    """No items, too many, or a wrong ID."""
    items = asked.arrays.get(ARRAY)
    if not items or any(not isinstance(item, dict) for item in items):
        return refused(braze.ITEM_ARRAY_NOT_VALID)
    if len(items) > braze.MAX_ITEMS:
        return refused(braze.TOO_MANY_ITEMS)
    errors = id_errors([item.get("id") for item in items])
    return refused_for(errors) if errors else None


def _accepted(asked: Asked) -> Verdict:
    return counted({ARRAY: asked.arrays[ARRAY]}, [], Counting(status=202))


# --- What happens later -------------------------------------------------------------


def apply_added(store: Store, arrived: Arrived) -> None:
    for catalog, item in _items(store, arrived):
        catalog.items.setdefault(str(item["id"]), with_types(catalog, item, {}))


def apply_updated(store: Store, arrived: Arrived) -> None:
    for catalog, item in _items(store, arrived):
        old = catalog.items.get(str(item["id"]))
        if old is not None:
            old |= with_types(catalog, item, old)


def apply_replaced(store: Store, arrived: Arrived) -> None:
    for catalog, item in _items(store, arrived):
        catalog.items[str(item["id"])] = with_types(catalog, item, {})


def apply_deleted(store: Store, arrived: Arrived) -> None:
    for catalog, item in _items(store, arrived):
        catalog.items.pop(str(item["id"]), None)


def _items(store: Store, arrived: Arrived) -> Iterator[tuple[Catalog, JsonObject]]:
    """The items with their catalog, which a request in between may have deleted."""
    catalog = store.catalogs.get(arrived.params[NAME])
    if catalog is not None:
        catalog.updated_at = arrived.at
        yield from ((catalog, item) for item in arrived.arrays[ARRAY])


# --- Reading ------------------------------------------------------------------------


def judge_list(asked: Asked, workspace: Workspace) -> Verdict:
    """Fifty at a time; the header Link has the cursors of the pages beside this one."""
    catalog = workspace.store.catalogs.get(asked.params[NAME])
    if catalog is None:
        return refused(braze.CATALOG_NOT_FOUND, asked.params[NAME])
    cursor = dict(asked.query).get("cursor")
    start = 0 if cursor is None else _start_of(cursor)
    if start is None:
        return refused(braze.CURSOR_NOT_VALID, cursor)
    end = start + braze.ITEMS_PER_PAGE
    items = [*islice(catalog.items.values(), start, end)]
    links = []
    if cursor is not None:
        before = max(0, start - braze.ITEMS_PER_PAGE)
        links.append(_link(catalog.name, before, "prev"))
    if end < len(catalog.items):
        links.append(_link(catalog.name, end, "next"))
    return Verdict(
        status=200,
        answer={"items": items, "message": "success"},
        headers={"Link": ",".join(links)} if links else {},
    )


def _start_of(cursor: str) -> int | None:
    try:
        match = _CURSOR.fullmatch(b64decode(cursor, validate=True))
    except NotBase64Error:
        return None
    return int(match[1]) if match else None


def _link(name: str, start: int, rel: str) -> str:
    cursor = b64encode(b"skip:%d" % start).decode()
    return f'</catalogs/{name}/items?cursor={cursor}>; rel="{rel}"'
