"""Judges the items of a catalog and gives their values the types of its fields.

Pure. The errors are those that the pages of the catalog items list.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import orjson

from externalapi.vendors.braze.facts import catalogs as braze
from externalapi.vendors.braze.facts.catalogs import CatalogError
from externalapi.vendors.braze.sandbox.rules.catalogs import (
    NOT_COERCIBLE,
    Catalog,
    changed_array,
    coerced,
    has_bad_key,
    is_array_change,
    is_deeper,
)
from externalapi.vendors.braze.sandbox.rules.verdicts import JsonObject

Errors = dict[CatalogError, list[object]]
IsChange = Callable[[object], bool]


def never(value: object) -> bool:
    """No value is a change of an array: only an edit knows $add and $remove."""
    return False


def id_errors(ids: Sequence[object]) -> Errors:
    """What is wrong with the IDs of the items of one request, with those at fault."""
    missing: list[object] = [one for one in ids if one is None or one == ""]
    if missing:
        return {braze.IDS_MISSING: missing}
    wrong: list[object] = [one for one in ids if not isinstance(one, str)]
    if wrong:
        return {braze.IDS_NOT_STRINGS: wrong}
    names = Counter(map(str, ids))
    found: Errors = {
        braze.IDS_TOO_LARGE: [one for one in names if len(one) > braze.MAX_ID_CHARS],
        braze.IDS_NOT_VALID: [one for one in names if not braze.NAME.fullmatch(one)],
        braze.IDS_NOT_UNIQUE: [one for one, count in names.items() if count > 1],
    }
    return {error: at_fault for error, at_fault in found.items() if at_fault}


def value_errors(
    catalog: Catalog, items: Sequence[JsonObject], is_change: IsChange
) -> Errors:
    """What is wrong with the values, each with the IDs of the items at fault."""
    found: Errors = {}
    for item in items:
        for error in _errors_in(catalog, item, is_change):
            found.setdefault(error, []).append(item["id"])
    return found


def _errors_in(
    catalog: Catalog, item: JsonObject, is_change: IsChange
) -> Iterator[CatalogError]:
    if is_deeper([*item.values()], braze.MAX_DEPTH + 1):
        yield braze.TOO_DEEP
        return
    if not item.keys() <= catalog.fields.keys():
        yield braze.UNKNOWN_FIELDS
    if len(orjson.dumps(item).decode()) > braze.MAX_ITEM_CHARS:
        yield braze.ITEMS_TOO_LARGE
    plain = {
        name: value
        for name, value in item.items()
        if catalog.fields.get(name) != "array" or not is_change(value)
    }
    if any(map(has_bad_key, plain.values())):
        yield braze.KEYS_NOT_VALID
    elif any(
        coerced(catalog.fields[name], value) is NOT_COERCIBLE
        for name, value in plain.items()
        if name in catalog.fields
    ):
        yield braze.NOT_COERCIBLE


def with_types(catalog: Catalog, item: JsonObject, old: JsonObject) -> JsonObject:
    """The values as they are stored; a change of an array is made to the old one."""
    values: JsonObject = {}
    for name, value in item.items():
        kind = catalog.fields.get(name, "string")
        if kind == "array" and isinstance(value, dict) and is_array_change(value):
            values[name] = changed_array(old.get(name), value)
        else:
            values[name] = coerced(kind, value)
    return values
