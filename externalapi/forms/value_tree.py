"""A body as nodes that a page can show: each parameter's input once, in its place."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from externalapi.template.placeholders import find, split_text
from lemnisk_braze.lib.json_types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a value: plain text, or a parameter that is asked for here or above."""

    text: str = ""
    name: str = ""
    is_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """`kind` is object, list, text, number, boolean or null."""

    key: str
    kind: str
    parts: tuple[Part, ...] = ()
    children: tuple["Node", ...] = ()

    @property
    def is_open(self) -> bool:
        return self.kind in ("object", "list")


def nodes(
    path: str,
    query: Sequence[Sequence[str]],
    headers: Mapping[str, str],
    body: JSON,
    body_kind: str = "json",
) -> list[Node]:
    """Return path, query, headers and body as nodes, where there is something to see.

    Of the headers only those that are filled in; query and body are shown whole.
    """
    seen: set[str] = set()
    found = []
    if find(path):
        found.append(_node("Path", path, seen))
    if query:
        found.append(_pairs("Query", query, seen))
    if filled := {name: text for name, text in headers.items() if find(text)}:
        found.append(_node("Headers", dict(filled), seen))
    if body_kind == "form" and isinstance(body, list):
        found.append(_pairs("Body", [p for p in body if isinstance(p, list)], seen))
    elif body is not None:
        found.append(_node("Body", body, seen))
    return found


def _pairs(key: str, pairs: Sequence[Sequence[JSON]], seen: set[str]) -> Node:
    """Names that may come twice, as in a query or a form."""
    children = tuple(_node(str(name), value, seen) for name, value in pairs)
    return Node(key=key, kind="object", children=children)


def _node(key: str, value: JSON, seen: set[str]) -> Node:
    if isinstance(value, dict):
        children = tuple(_node(name, item, seen) for name, item in value.items())
        return Node(key=key, kind="object", children=children)
    if isinstance(value, list):
        items = tuple(_node(str(i), item, seen) for i, item in enumerate(value))
        return Node(key=key, kind="list", children=items)
    if isinstance(value, str):
        return Node(key=key, kind="text", parts=_parts(value, seen))
    text = json.dumps(value)
    kind = "null" if value is None else "number"
    return Node(
        key=key,
        kind="boolean" if isinstance(value, bool) else kind,
        parts=(Part(text=text),),
    )


def _parts(text: str, seen: set[str]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for piece, is_name in split_text(text):
        if is_name:
            parts.append(Part(name=piece, is_first=piece not in seen))
            seen.add(piece)
        else:
            parts.append(Part(text=piece))
    return tuple(parts) or (Part(text=""),)
