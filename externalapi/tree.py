"""A body as nodes that a page can show: each parameter's input once, in its place."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from externalapi.parameters import JSON
from externalapi.placeholders import find, split_text


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
    path: str, headers: Mapping[str, str], body: JSON
) -> tuple[Node | None, Node | None, Node | None]:
    """Return path, headers and body as nodes; None where there is nothing to fill in.

    The body is shown in any case when there is one.
    """
    seen: set[str] = set()
    in_path = _node("Path", path, seen)
    filled = {name: text for name, text in headers.items() if find(text)}
    in_headers = _node("Headers", dict(filled), seen)
    in_body = _node("Body", body, seen)
    return (
        in_path if any(part.name for part in in_path.parts) else None,
        in_headers if filled else None,
        None if body is None else in_body,
    )


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
