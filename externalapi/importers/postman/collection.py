"""A Postman collection and its requests.

Source: https://schema.postman.com/collection/json/v2.1.0 and v2.0.0.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from externalapi.importers.common.http_request import METHODS
from externalapi.importers.common.json_reader import (
    list_at,
    object_at,
    pointer,
    text_at,
)
from externalapi.importers.common.suggestions import accept, suggest
from externalapi.importers.common.types import Operation, PasteError, Understood
from externalapi.importers.openapi.document import MAX_OPERATIONS
from externalapi.importers.postman.request import Item, Variables, definition, target
from externalapi.importers.postman.secrets import without_keys
from lemnisk_braze.lib.json_types import JSON

_KEYS_ARE_OUT = (
    "The keys and passwords in the collection are taken out: connections sign in."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostmanDocument:
    """See externalapi.importers.common.types.Document; no key is in `root` any more."""

    root: Mapping[str, JSON]
    title: str
    operations: tuple[Operation, ...]
    notes: tuple[str, ...] = ()
    kind: str = "Postman collection"

    def understand(
        self, key: str, picked: Collection[str] | None, known: Collection[str]
    ) -> Understood:
        items = dict(_items(self.root))
        if key not in items:
            raise PasteError("Choose one of the requests.")
        found = definition(items[key])
        offered = suggest(found)
        if picked is None:
            picked = {one.name for one in offered if one.is_gap or one.is_identifier}
        found = accept(found, picked)
        return Understood(found=found, offered=offered, picked=frozenset(picked))

    def shortened(self) -> Mapping[str, JSON]:
        return self.root


def read_postman(root: Mapping[str, JSON]) -> PostmanDocument:
    """Return a collection with its requests and without its keys."""
    cleaned, had_keys = without_keys(dict(root))
    root = object_at(cleaned, "#")
    items = list(islice(_items(root), MAX_OPERATIONS + 1))
    operations = [_operation(key, item) for key, item in items[:MAX_OPERATIONS]]
    notes = [_KEYS_ARE_OUT] if had_keys else []
    if len(items) > MAX_OPERATIONS:
        notes.append(f"The first {MAX_OPERATIONS:,} requests are listed.")
    known = [one for one in operations if one.method in METHODS]
    if not known:
        raise PasteError("There is no request below “#/item”.")
    if others := {one.method for one in operations} - set(METHODS):
        notes.append(f"Requests with {', '.join(sorted(others))[:100]} are left out.")
    info = object_at(root.get("info"), "#/info")
    return PostmanDocument(
        root=root,
        title=text_at(info.get("name"), "#/info/name").strip(),
        operations=tuple(known),
        notes=tuple(notes),
    )


def _variables_of(keys: Mapping[str, JSON], where: str) -> Variables:
    """Return the variables of a collection or a folder by name, as they are on."""
    where = pointer(where, "variable")
    found: dict[str, Mapping[str, JSON]] = {}
    for index, one in enumerate(list_at(keys.get("variable"), where)):
        variable = object_at(one, pointer(where, index))
        if variable.get("disabled") is not True:
            found[str(variable.get("key") or variable.get("id") or "")] = variable
    return found


def _items(root: Mapping[str, JSON]) -> Iterator[tuple[str, Item]]:
    """Yield the requests with their keys (0.3.1), and what their folders give them."""
    variables = _variables_of(root, "#")
    top = Item(keys=root, where="#", auth=root.get("auth"), variables=variables)
    yield from _below(top, ())


def _below(folder: Item, way: tuple[int, ...]) -> Iterator[tuple[str, Item]]:
    where = pointer(folder.where, "item")
    for index, one in enumerate(list_at(folder.keys.get("item"), where)):
        at = pointer(where, index)
        keys = object_at(one, at)
        item = replace(folder, keys=keys, where=at, auth=keys.get("auth", folder.auth))
        if "item" in keys:
            name = text_at(keys.get("name"), pointer(at, "name"))
            inner = replace(
                item,
                folders=(*folder.folders, name),
                variables={**folder.variables, **_variables_of(keys, at)},
            )
            yield from _below(inner, (*way, index))
        elif "request" in keys:
            yield ".".join(map(str, (*way, index))), item


def _operation(key: str, item: Item) -> Operation:
    name = text_at(item.keys.get("name"), pointer(item.where, "name"))
    return Operation(
        key=key,
        method=item.method,
        path=target(item),
        title=" ".join(name.split()),
        group=" / ".join(item.folders),
    )
