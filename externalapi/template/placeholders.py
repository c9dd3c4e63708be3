"""`{{Name of the User}}`: finding placeholders, and filling a tree of JSON with values.

A body is parsed first and filled in as a tree, so a value can never add a name or
break the JSON. Filling is compiled once into closures: constants are made once and
shared by everything that is rendered, so treat what comes out as read-only.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from externalapi.template.parameters import InvalidParameterError, as_text
from externalapi.template.parser import BodyError, check_braces, parse_body
from lemnisk_braze.lib.json_types import JSON

__all__ = [
    "BodyError",
    "check_braces",
    "compile_columns",
    "compile_text",
    "compile_tree",
    "find",
    "find_in_tree",
    "parse_body",
    "split_text",
    "whole_name",
]

Values = Mapping[str, JSON]
# Name → a value for each of some people.
Columns = Mapping[str, Sequence[JSON]]
# A part of a tree, filled for so many people.
FillAll = Callable[[Columns, int], Iterable[Any]]

# Bounded, so that a text full of braces and spaces cannot make it slow.
_PLACEHOLDER = re.compile(r"\{\{(\s{0,99}[^{}\s][^{}]{0,399})\}\}")
_ABSENT: Any = object()


def find(text: str) -> list[str]:
    """Return the names of the placeholders in a text, in order, each once."""
    return list(dict.fromkeys(_names(text)))


def find_in_tree(tree: JSON) -> list[str]:
    """Return the names of the placeholders in a tree's values, in order, each once."""
    return list(dict.fromkeys(_names(tree)))


def split_text(text: str) -> list[tuple[str, bool]]:
    """Return the pieces of a text with whether each is a placeholder's name."""
    pieces = _PLACEHOLDER.split(text)
    marked = [(piece, bool(index % 2)) for index, piece in enumerate(pieces)]
    return [(piece.strip() if name else piece, name) for piece, name in marked if piece]


def whole_name(value: JSON) -> str | None:
    """Return the name where the value is one placeholder and nothing else."""
    if not isinstance(value, str):
        return None
    match = _PLACEHOLDER.fullmatch(value)
    return match[1].strip() if match else None


def compile_tree(tree: JSON) -> Callable[[Values], JSON]:
    """Return a function that fills the tree with values.

    A whole-value placeholder takes the value with its type; one inside a text is
    interpolated. A name without a value drops its key or its element, and is an
    empty text inside a text. An object or list that has lost everything in this way
    is dropped too: sent empty it would overwrite what the other side has. The whole
    tree is then an empty object or list, or None.
    """
    if isinstance(tree, dict):
        return _compile_object(tree, {})
    if isinstance(tree, list):
        return _compile_list(tree, [])
    return _compile_leaf(tree, None)


def compile_text(
    text: str, write: Callable[[JSON], str] = as_text
) -> Callable[[Values], str]:
    """Return a function that fills a text; `write` says how a value reads in it.

    What `write` cannot take raises InvalidParameterError with the parameter's name.
    """
    # Odd parts are names: that is what splitting at a group gives.
    parts = _PLACEHOLDER.split(text)
    constants, names = parts[::2], [name.strip() for name in parts[1::2]]

    def render(values: Values) -> str:
        out = [constants[0]]
        for name, constant in zip(names, constants[1:], strict=True):
            try:
                out.append(write(values.get(name)))
            except ValueError as e:
                raise InvalidParameterError(name, str(e)) from e
            out.append(constant)
        return "".join(out)

    return render if names else lambda values: text


def _compile(tree: JSON) -> Callable[[Values], JSON]:
    """As compile_tree, for a part: what is to be dropped comes out as _ABSENT."""
    if isinstance(tree, dict):
        return _compile_object(tree, _ABSENT)
    if isinstance(tree, list):
        return _compile_list(tree, _ABSENT)
    return _compile_leaf(tree, _ABSENT)


def _compile_leaf(tree: JSON, nothing: Any) -> Callable[[Values], JSON]:
    if not isinstance(tree, str):
        return lambda values: tree
    name = whole_name(tree)
    if name is not None:
        return lambda values: values.get(name, nothing)
    return compile_text(tree)


def _compile_object(tree: dict[str, JSON], nothing: Any) -> Callable[[Values], JSON]:
    """Copy a skeleton (it keeps the order of the keys) and fill in what varies."""
    if not find_in_tree(tree):
        return lambda values: tree
    whole = [(key, name) for key, item in tree.items() if (name := whole_name(item))]
    parts = [
        (key, _compile(item))
        for key, item in tree.items()
        if not whole_name(item) and find_in_tree(item)
    ]

    def render(values: Values) -> JSON:
        out: dict[str, Any] = tree.copy()
        for key, name in whole:
            if (value := values.get(name, _ABSENT)) is _ABSENT:
                del out[key]
            else:
                out[key] = value
        for key, part in parts:
            if (value := part(values)) is _ABSENT:
                del out[key]
            else:
                out[key] = value
        return out or nothing

    return render


def _compile_list(tree: list[JSON], nothing: Any) -> Callable[[Values], JSON]:
    if not find_in_tree(tree):
        return lambda values: tree
    items = [_compile(item) for item in tree]

    def render(values: Values) -> JSON:
        out = [value for item in items if (value := item(values)) is not _ABSENT]
        return out or nothing

    return render


def compile_columns(
    tree: JSON, names: Collection[str]
) -> Callable[[Columns, int], list[JSON]]:
    """Return a function that fills the tree for many people (so many) at once.

    As compile_tree, for people who have all a value for each of the names and for no
    other.
    """
    fill = _compile_column(tree, frozenset(names))
    if fill is None:
        nothing = compile_tree(tree)({})
        return lambda columns, count: [nothing] * count
    return lambda columns, count: list(fill(columns, count))


def _compile_column(tree: JSON, names: frozenset[str]) -> FillAll | None:
    """What a part is for each person; None where it is dropped for all."""
    own = find_in_tree(tree)
    if not own:
        return lambda columns, count: repeat(tree, count)
    if isinstance(tree, dict):
        return _compile_object_column(tree, names)
    if isinstance(tree, list):
        return _compile_list_column(tree, names)
    assert isinstance(tree, str)
    if (name := whole_name(tree)) is not None:
        return (lambda columns, count: columns[name]) if name in names else None
    known = [name for name in own if name in names]
    fill = compile_text(tree)
    return lambda columns, count: [
        fill(dict(zip(known, row, strict=True))) for row in _rows(columns, known, count)
    ]


def _compile_object_column(
    tree: dict[str, JSON], names: frozenset[str]
) -> FillAll | None:
    found = {key: _compile_column(item, names) for key, item in tree.items()}
    parts = {key: part for key, part in found.items() if part is not None}
    if not parts:
        return None
    keys = tuple(parts)
    fills = tuple(parts.values())
    if len(keys) == 1:
        (key,), (only,) = keys, fills
        return lambda columns, count: [{key: v} for v in only(columns, count)]
    # No line of Python for each person: this is half of what rendering takes.
    return lambda columns, count: map(
        dict, map(zip, repeat(keys), _side_by_side(fills, columns, count))
    )


def _compile_list_column(tree: list[JSON], names: frozenset[str]) -> FillAll | None:
    found = [_compile_column(item, names) for item in tree]
    fills = tuple(fill for fill in found if fill is not None)
    if not fills:
        return None
    if len(fills) == 1:
        (only,) = fills
        return lambda columns, count: [[v] for v in only(columns, count)]
    return lambda columns, count: map(list, _side_by_side(fills, columns, count))


def _side_by_side(
    fills: Iterable[FillAll], columns: Columns, count: int
) -> Iterable[tuple[Any, ...]]:
    return zip(*[fill(columns, count) for fill in fills], strict=True)


def _rows(
    columns: Columns, names: Sequence[str], count: int
) -> Iterable[tuple[JSON, ...]]:
    if not names:
        return repeat((), count)
    return zip(*[columns[name] for name in names], strict=True)


def _names(tree: JSON) -> Iterator[str]:
    if isinstance(tree, str):
        yield from (name.strip() for name in _PLACEHOLDER.findall(tree))
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from _names(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _names(item)
