"""An OpenAPI 3 document and its operations.

Source: https://spec.openapis.org/oas/v3.0.3 and /v3.1.0.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import unquote

from externalapi.importers.common.http_request import METHODS
from externalapi.importers.common.json_reader import (
    list_at,
    object_at,
    pointer,
    text_at,
)
from externalapi.importers.common.types import Operation, PasteError, Understood
from externalapi.importers.openapi.operation import Described, understand
from externalapi.importers.openapi.schema import Reader, Schema
from lemnisk_braze.lib.json_types import JSON

MAX_OPERATIONS = 2_000
# What of a document no request needs: the greater part of most.
_ANSWERS = frozenset({"responses", "callbacks", "links", "headers"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAPIDocument:
    """See externalapi.importers.common.types.Document."""

    root: Mapping[str, JSON]
    title: str
    kind: str
    operations: tuple[Operation, ...]
    notes: tuple[str, ...] = ()

    def understand(
        self, key: str, picked: Collection[str] | None, known: Collection[str]
    ) -> Understood:
        operation = next((one for one in self.operations if one.key == key), None)
        if operation is None:
            raise PasteError("Choose one of the operations.")
        reader = Reader(root=self.root)
        item = _path_item(reader, operation.path)
        where = pointer(item.where, operation.method.lower())
        keys = object_at(item.keys[operation.method.lower()], where)
        described = Described(
            operation=operation, item=item, keys=keys, where=where, reader=reader
        )
        return understand(described, picked, known)

    def shortened(self) -> Mapping[str, JSON]:
        """Return the document without what describes answers alone."""
        paths = object_at(self.root.get("paths"), "#/paths")
        parts = object_at(self.root.get("components"), "#/components")
        asked = {path: _without_answers(item) for path, item in paths.items()}
        used = _used(asked, parts)
        return {
            **self.root,
            "paths": asked,
            "components": {
                kind: {
                    name: one
                    for name, one in named.items()
                    if kind == "securitySchemes" or (kind, name) in used
                }
                for kind, named in parts.items()
                if isinstance(named, dict) and kind not in _ANSWERS
            },
        }


def read_openapi(root: Mapping[str, JSON]) -> OpenAPIDocument:
    """Return an OpenAPI 3 document with its operations; raises PasteError."""
    info = object_at(root.get("info"), "#/info")
    operations = list(islice(_operations(root), MAX_OPERATIONS + 1))
    if not operations:
        raise PasteError("There are no operations below “#/paths”.")
    notes = []
    if len(operations) > MAX_OPERATIONS:
        notes.append(f"The first {MAX_OPERATIONS:,} operations are listed.")
    return OpenAPIDocument(
        root=root,
        title=text_at(info.get("title"), "#/info/title").strip(),
        kind=f"OpenAPI {root['openapi']} document",
        operations=tuple(operations[:MAX_OPERATIONS]),
        notes=tuple(notes),
    )


def _operations(root: Mapping[str, JSON]) -> Iterator[Operation]:
    reader = Reader(root=root)
    for path in object_at(root.get("paths"), "#/paths"):
        item = _path_item(reader, path)
        for method in METHODS:
            at = pointer(item.where, method.lower())
            if (keys := item.keys.get(method.lower())) is not None:
                yield _operation(path, method, object_at(keys, at), at)


def _path_item(reader: Reader, path: str) -> Schema:
    """Return what stands at a path; it may be a reference, too."""
    where = pointer("#/paths", path)
    paths = object_at(reader.root.get("paths"), "#/paths")
    item = Schema(keys=object_at(paths[path], where), where=where)
    return reader.followed(item, is_path_item=True)


def _operation(
    path: str, method: str, keys: Mapping[str, JSON], where: str
) -> Operation:
    tags = list_at(keys.get("tags"), pointer(where, "tags"))
    summary = text_at(keys.get("summary"), pointer(where, "summary"))
    own_id = text_at(keys.get("operationId"), pointer(where, "operationId"))
    return Operation(
        key=f"{method} {path}",
        method=method,
        path=path,
        title=" ".join((summary or own_id).split()),
        group=tags[0] if tags and isinstance(tags[0], str) else "",
    )


def _used(tree: JSON, parts: Mapping[str, JSON]) -> set[tuple[str, str]]:
    """Return the components, by kind and name, that a tree leads to."""
    used: set[tuple[str, str]] = set()
    rest: list[JSON] = [tree]
    while rest:
        one = rest.pop()
        if isinstance(one, list):
            rest += one
        elif isinstance(one, dict):
            rest += one.values()
            way = str(one.get("$ref", "")).split("/")
            if way[:2] != ["#", "components"] or len(way) < 4:
                continue
            kind, name = way[2], unquote(way[3]).replace("~1", "/").replace("~0", "~")
            named = parts.get(kind)
            if (kind, name) not in used and isinstance(named, dict):
                used.add((kind, name))
                rest.append(named.get(name))
    return used


def _without_answers(item: JSON) -> JSON:
    if not isinstance(item, dict):
        return item
    return {
        key: {k: v for k, v in one.items() if k not in _ANSWERS}
        if isinstance(one, dict)
        else one
        for key, one in item.items()
    }
