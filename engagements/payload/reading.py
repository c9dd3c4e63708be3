"""A payload as typed: JSON, and in its values what a parameter's value may be.

`{"plan": {{ profile.plan }}}` and `{"plan": "{{ profile.plan }}"}` are the same. Inside of
braces double quotes stand as they are, `{{ profile.plan | default: "free" }}`, in a text
as well: what somebody takes over from a parameter's value or from the guide fits. Names
have no variables, so a value never adds a key.

The reader of bodies does the reading: it is given a likeness of the text, just as long,
in which each variable is a few letters; its places are those of the text.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from externalapi.template.parser import (
    MAX_BYTES,
    MAX_PLACEHOLDERS,
    BodyError,
    parse_body,
)
from externalapi.template.placeholders import find_in_tree
from externalapi.template.spans import Path, Span, spans
from lemnisk_braze.lib.json_types import JSON

NOT_CLOSED = "“{{” is not closed on its line; write {{ profile.first_name }}."
TAG_NOT_CLOSED = "“{%” is not closed on its line by “%}”."
BARE_TAG = "Put double quotes around a value with {% … %} in it."
TOO_LARGE = f"The payload is larger than {MAX_BYTES // 1024} KB."
NO_OBJECT = "A payload is an object: write { … }."
NAME = "A variable cannot be a name, only a value."
ESCAPED = "Write the braces of a variable as they are: {{ profile.first_name }}."
EMPTY = 'Write what is sent, for example {"attributes": [{"external_id": …}]}.'

_MARK = re.compile(r'\\.|["\n]|\{\{|\{%', re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_QUOTE = re.compile(r'\\.|"', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A value with variables: where it stands, and its text as a value's is typed.

    `is_whole`: it is one variable and nothing else, or has tags, and keeps its type.
    """

    path: Path
    source: str
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A payload that was read; in the `tree` a value with variables is its source."""

    likeness: str
    tree: JSON
    leaves: tuple[Leaf, ...]
    where: Mapping[Path, Span]


@dataclass(frozen=True, slots=True)
class Piece:
    """From where to where a variable or a tag goes; `is_in_text`: between quotes."""

    start: int
    end: int
    is_in_text: bool


def read(text: str) -> Reading:
    """Read a payload; raises BodyError with the place of the first mistake."""
    if not text.strip():
        raise BodyError(EMPTY)
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise BodyError(TOO_LARGE)
    pieces = _pieces(text)
    if len(pieces) > MAX_PLACEHOLDERS:
        raise error(
            text, pieces[-1].start, f"There are more than {MAX_PLACEHOLDERS} variables."
        )
    likeness = _likeness(text, pieces)
    tree = parse_body(likeness)
    where = spans(likeness)
    if not isinstance(tree, dict | list):
        raise error(text, where[()].start, NO_OBJECT)
    leaves = tuple(_leaves(text, likeness, pieces, where))
    _check_escaped(text, likeness, tree, where)
    for leaf in leaves:
        tree = put(tree, leaf.path, leaf.source)
    return Reading(likeness=likeness, tree=tree, leaves=leaves, where=where)


def _check_escaped(
    text: str, likeness: str, tree: JSON, where: Mapping[Path, Span]
) -> None:
    """Braces that were written as \\u007b would name a place of the External API."""
    if not find_in_tree(tree):
        return
    for span in where.values():
        value = likeness[span.start : span.end]
        if span.is_leaf and find_in_tree(json.loads(value)):
            raise error(text, span.start, ESCAPED)


def put(tree: JSON, path: Path, value: JSON) -> JSON:
    """Return the tree with another value at a place of it, changed where it stands."""
    if not path:
        return value
    inner = tree
    for part in path[:-1]:
        inner = inner[part]  # type: ignore[index]
    inner[path[-1]] = value  # type: ignore[index]
    return tree


def error(text: str, at: int, message: str) -> BodyError:
    """A mistake at a place of the text."""
    before = text[:at]
    column = len(before) - before.rfind("\n")
    return BodyError(message, line=before.count("\n") + 1, column=column)


def _pieces(text: str) -> list[Piece]:
    found: list[Piece] = []
    at, opened, in_it = 0, -1, 0
    while mark := _MARK.search(text, at):
        start, at = mark.span()
        match mark[0]:
            case '"' if opened < 0:
                opened, in_it = start, len(found)
            case '"':
                if len(found) > in_it and _is_name(text, at):
                    raise error(text, opened, NAME)
                opened = -1
            case "\n" if opened >= 0:
                # A text ends on its line: whoever reads the likeness says so.
                break
            case "{{" | "{%":
                at = _end(text, start)
                if mark[0] == "{%" and opened < 0:
                    raise error(text, start, BARE_TAG)
                if opened < 0 and _is_name(text, at):
                    raise error(text, start, NAME)
                found.append(Piece(start, at, opened >= 0))
    return found


def _is_name(text: str, end: int) -> bool:
    """Whether what ends there has a colon behind it."""
    space = _SPACE.match(text, end)
    return space is not None and text.startswith(":", space.end())


def _end(text: str, start: int) -> int:
    """Where a variable or a tag ends; `{{${name}}}` has a brace of its own in it."""
    line_end = text.find("\n", start)
    line_end = len(text) if line_end < 0 else line_end
    if text.startswith("{%", start):
        end = text.find("%}", start + 2, line_end)
        if end < 0:
            raise error(text, start, TAG_NOT_CLOSED)
        return end + 2
    at = start + 2
    while True:
        end = text.find("}}", at, line_end)
        if end < 0:
            raise error(text, start, NOT_CLOSED)
        own = text.find("${", at, end)
        if own < 0:
            return end + 2
        # The name's own brace is closed first.
        at = text.find("}", own, line_end) + 1


def _likeness(text: str, pieces: Iterable[Piece]) -> str:
    out, at = [], 0
    for piece in pieces:
        letters = "x" * (piece.end - piece.start)
        if not piece.is_in_text:
            letters = f'"{letters[2:]}"'
        out += [text[at : piece.start], letters]
        at = piece.end
    return "".join([*out, text[at:]])


def _leaves(
    text: str, likeness: str, pieces: list[Piece], where: Mapping[Path, Span]
) -> Iterable[Leaf]:
    """The values with variables, in the text's order."""
    at = 0
    for path, span in where.items():
        if (
            not span.is_leaf
            or likeness[span.start : span.end] == (text[span.start : span.end])
        ):
            continue
        while pieces[at].end <= span.start:
            at += 1
        its = []
        while at < len(pieces) and pieces[at].start < span.end:
            its.append(pieces[at])
            at += 1
        source = _source(text, span, its)
        has_tags = any(text.startswith("{%", piece.start) for piece in its)
        room = span.end - span.start - 2 * its[0].is_in_text
        is_one = len(its) == 1 and its[0].end - its[0].start == room
        yield Leaf(path=path, source=source, is_whole=is_one or has_tags)


def _source(text: str, span: Span, pieces: list[Piece]) -> str:
    if not pieces[0].is_in_text:
        return _sendable(text, span, text[span.start : span.end])
    out, at = [], span.start
    for piece in pieces:
        out.append(text[at : piece.start])
        out.append(_QUOTE.sub(_escaped, text[piece.start : piece.end]))
        at = piece.end
    try:
        found = json.loads("".join([*out, text[at : span.end]]))
    except json.JSONDecodeError as e:
        raise error(text, span.start, f"{e.msg.removesuffix('.')}.") from e
    return _sendable(text, span, str(found))


def _escaped(found: re.Match[str]) -> str:
    return r"\"" if found[0] == '"' else found[0]


def _sendable(text: str, span: Span, source: str) -> str:
    if "\0" in source or any("\ud800" <= char <= "\udfff" for char in source):
        raise error(text, span.start, "This text has a character that cannot be sent.")
    return source
