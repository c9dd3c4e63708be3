"""The JSON body of an External API as typed: JSON whose values may be placeholders.

`{"price": {{Price}}}` and `{"price": "{{Price}}"}` are the same body. The reader is
stricter than JSON where a mistake would send something else than what was meant:
it refuses a name that is given twice, numbers that JSON has not, and a placeholder
in a name.
"""

import json
import re
from math import isfinite

from externalapi.template.parameters import MAX_DEPTH
from lemnisk_braze.lib.json_types import JSON

MAX_BYTES = 64 * 1024
MAX_PLACEHOLDERS = 500
MAX_NAME = 255

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[^\s,:{}\[\]\"]+")
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_WHOLE = range(-(2**63), 2**63)
_STRINGS = json.JSONDecoder()


class BodyError(ValueError):
    """The body is not JSON; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"Line {self.line}, column {self.column}: {self.message}"


def parse_body(text: str) -> JSON:
    """Return the tree of a body; a placeholder is the text `{{its name}}` in it.

    Raises BodyError at the first mistake.
    """
    return _Reader(text).read()


def check_braces(text: str) -> None:
    """Raise ValueError where `{{` and `}}` do not name placeholders."""
    rest = text
    while "{{" in rest:
        name, closed, rest = rest.partition("{{")[2].partition("}}")
        if not closed:
            raise ValueError("“{{” is not closed; write {{Name}}")
        check_name(name.strip())


def check_name(name: str) -> None:
    """Raise ValueError where a placeholder's name cannot be one."""
    if not name:
        raise ValueError("a placeholder has no name; write {{Name}}")
    if len(name) > MAX_NAME:
        raise ValueError(f"a placeholder's name is longer than {MAX_NAME} characters")
    if "{" in name or "}" in name or not name.isprintable():
        raise ValueError(f"“{name[:40]}” cannot be a placeholder's name")
    if "|" in name:
        raise ValueError(
            f"“{name[:40]}” looks like an expression; only a name goes here, "
            "the expression belongs to the engagement"
        )


class _Reader:
    """One pass over the text, by recursive descent."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.placeholders = 0

    def read(self) -> JSON:
        if len(self.text.encode(errors="replace")) > MAX_BYTES:
            raise self.error(f"The body is larger than {MAX_BYTES // 1024} KB.")
        tree = self.value(MAX_DEPTH)
        if self.peek():
            raise self.error("There is more text after the end of the JSON.")
        return tree

    def value(self, depth: int) -> JSON:
        char = self.peek()
        if (
            char in ("{", "[")
            and depth == 0
            and not self.text.startswith("{{", self.at)
        ):
            raise self.error(f"The body is nested more than {MAX_DEPTH} levels deep.")
        if self.text.startswith("{{", self.at):
            return self.bare_placeholder()
        if char == "{":
            return self.object(depth - 1)
        if char == "[":
            return self.list(depth - 1)
        if char == '"':
            return self.string()
        return self.scalar()

    def object(self, depth: int) -> JSON:
        self.at += 1
        found: dict[str, JSON] = {}
        if self.took("}"):
            return found
        while True:
            key = self.key(found)
            self.expect(":", "after the name")
            found[key] = self.value(depth)
            if self.took("}"):
                return found
            self.expect(",", "or “}” after the value")

    def key(self, found: dict[str, JSON]) -> str:
        if self.peek() != '"':
            raise self.error("A name in double quotes is expected here.")
        start = self.at
        key = self.raw_string()
        if "{{" in key:
            raise self.error("A placeholder cannot be a name, only a value.", start)
        if key in found:
            raise self.error(f"The name “{key}” is given twice.", start)
        return key

    def list(self, depth: int) -> JSON:
        self.at += 1
        found: list[JSON] = []
        if self.took("]"):
            return found
        while True:
            found.append(self.value(depth))
            if self.took("]"):
                return found
            self.expect(",", "or “]” after the value")

    def string(self) -> str:
        start = self.at
        text = self.raw_string()
        try:
            check_braces(text)
        except ValueError as e:
            raise self.error(_sentence(str(e)), start) from e
        self.count(text.count("{{"), start)
        return text

    def raw_string(self) -> str:
        try:
            text, self.at = _STRINGS.raw_decode(self.text, self.at)
        except json.JSONDecodeError as e:
            raise self.error(_sentence(e.msg), min(e.pos, len(self.text))) from e
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise self.error("This text has a character that cannot be sent.")
        return str(text)

    def bare_placeholder(self) -> str:
        start = self.at
        name, closed, _ = self.text[start + 2 :].partition("}}")
        try:
            if not closed or "\n" in name:
                raise ValueError("“{{” is not closed; write {{Name}}")
            check_name(name.strip())
        except ValueError as e:
            raise self.error(_sentence(str(e)), start) from e
        self.count(1, start)
        self.at += len(name) + 4
        return "{{" + name.strip() + "}}"

    def scalar(self) -> JSON:
        word = _WORD.match(self.text, self.at)
        if word is None:
            raise self.error("A value is expected here.")
        if word[0] in _LITERALS:
            self.at = word.end()
            return _LITERALS[word[0]]
        number = _NUMBER.fullmatch(word[0])
        if number is None:
            raise self.error(
                f"“{word[0][:40]}” is not JSON; a text needs double quotes."
            )
        value = float(word[0]) if number[1] or number[2] else self.whole(word[0])
        if not isfinite(value) or (isinstance(value, int) and value not in _WHOLE):
            raise self.error("This number is too large.")
        self.at = word.end()
        return value

    def whole(self, digits: str) -> int:
        return int(digits) if len(digits) < 25 else _WHOLE.stop

    def count(self, more: int, at: int) -> None:
        self.placeholders += more
        if self.placeholders > MAX_PLACEHOLDERS:
            raise self.error(
                f"There are more than {MAX_PLACEHOLDERS} placeholders.", at
            )

    def peek(self) -> str:
        """Return the next character that is not space; empty at the end."""
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        return self.text[self.at : self.at + 1]

    def took(self, char: str) -> bool:
        if self.peek() != char:
            return False
        self.at += 1
        return True

    def expect(self, char: str, where: str) -> None:
        if not self.took(char):
            raise self.error(f"“{char}” {where} is expected here.")

    def error(self, message: str, at: int | None = None) -> BodyError:
        before = self.text[: self.at if at is None else at]
        return BodyError(
            message,
            line=before.count("\n") + 1,
            column=len(before) - before.rfind("\n"),
        )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
