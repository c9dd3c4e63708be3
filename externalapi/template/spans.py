"""Where things stand in the text of a body, and how the text is laid out.

Both work on the author's own words: a number keeps its digits, a placeholder its
quotes or their absence. The text has been read by `parse_body` before.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from externalapi.template.parser import parse_body

Path: TypeAlias = tuple[str | int, ...]

INDENT = "  "

_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|\{\{[^{}\n]*\}\}|[{}\[\],:]|[^\s,:{}\[\]"]+', re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From where to where a value's text goes; `key` is where its name begins."""

    start: int
    end: int
    key: int
    is_leaf: bool


def spans(text: str) -> dict[Path, Span]:
    """Return where each value of a body stands, by its path; () is the whole.

    Raises BodyError where the text is no body.
    """
    parse_body(text)
    found: dict[Path, Span] = {}
    tokens = _Tokens(text)
    _walk(tokens, (), tokens.peek().start(), found)
    return found


def path_text(path: Path) -> str:
    """Return a path as people write it: attributes[0].email."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def formatted(text: str, written: str = "") -> str:
    """Return a body with one value a line, indented by two; raises BodyError.

    `written`: what was typed, where `text` is only as long and stands for it.
    """
    parse_body(text)
    written = written or text
    out: list[str] = []
    depth = 0
    previous = ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in ("}", "]"):
            depth -= 1
            # An empty object or list stays on its line.
            if previous not in ("{", "["):
                out.append(_new_line(depth))
        elif previous in ("{", "[", ","):
            out.append(_new_line(depth))
        is_mark = token == ":"
        out.append(": " if is_mark else written[match.start() : match.end()])
        depth += token in ("{", "[")
        previous = token
    return "".join(out) + "\n"


def _new_line(depth: int) -> str:
    return "\n" + INDENT * depth


class _Tokens:
    """The pieces of a text that is known to be a body."""

    def __init__(self, text: str) -> None:
        self._rest: Iterator[re.Match[str]] = _TOKEN.finditer(text)
        self._next: re.Match[str] | None = None

    def peek(self) -> re.Match[str]:
        self._next = self._next or next(self._rest)
        return self._next

    def take(self) -> re.Match[str]:
        token, self._next = self.peek(), None
        return token


def _walk(tokens: _Tokens, path: Path, key: int, found: dict[Path, Span]) -> None:
    first = tokens.take()
    opening = first[0]
    end = first.end()
    if opening in ("{", "["):
        # The container stands before what is in it.
        found[path] = Span(start=first.start(), end=end, key=key, is_leaf=False)
        end = _walk_inside(tokens, path, opening == "{", found)
    found[path] = Span(
        start=first.start(), end=end, key=key, is_leaf=opening not in ("{", "[")
    )


def _walk_inside(
    tokens: _Tokens, path: Path, is_object: bool, found: dict[Path, Span]
) -> int:
    index = 0
    while tokens.peek()[0] not in ("}", "]"):
        key = tokens.peek().start()
        part: str | int = index
        if is_object:
            part = json.loads(tokens.take()[0])
            tokens.take()
        _walk(tokens, (*path, part), key, found)
        if tokens.peek()[0] == ",":
            tokens.take()
        index += 1
    return tokens.take().end()
