"""A body by its kind: JSON, a form, text, or none; as a template and filled."""

from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from externalapi.template.parameters import as_text
from externalapi.template.parser import (
    MAX_BYTES,
    MAX_PLACEHOLDERS,
    BodyError,
    check_braces,
)
from externalapi.template.parser import parse_body as parse_json
from externalapi.template.placeholders import (
    Values,
    compile_text,
    compile_tree,
    find_in_tree,
)
from lemnisk_braze.lib.json_types import JSON

# A form's fields in order; a field may come more than once.
Pairs: TypeAlias = list[tuple[str, JSON]]

CONTENT_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
}


def parse(kind: str, text: str) -> JSON:
    """Return a typed body as a tree: a form as a list of [name, template].

    None where there is no body. Raises BodyError.
    """
    if kind == "none" or not text.strip():
        return None
    if kind == "json":
        return parse_json(text)
    if len(text.encode()) > MAX_BYTES:
        raise BodyError(f"The body is longer than {MAX_BYTES // 1024} KB.")
    if kind == "form":
        return [[name, value] for name, value in _form(text)]
    _check_text(text, 1)
    return text


def compile_body(
    kind: str, tree: JSON, content_type: str = ""
) -> Callable[[Values], JSON]:
    """Return a function that fills a parsed body: JSON as a tree, the others as text.

    In a form, a field whose whole value is missing is left out, and a list gives its
    field once an item. In a text, values are escaped as its content type asks.
    """
    if kind == "form" and isinstance(tree, list):
        return _compile_form(tree)
    if kind == "text" and isinstance(tree, str):
        return compile_text(tree, _writer(content_type))
    return compile_tree(tree)


def content_type(kind: str, headers: Mapping[str, str]) -> str:
    """Return the body's content type: what a header says, else that of its kind."""
    for name, value in headers.items():
        if name.lower() == "content-type":
            return value
    return CONTENT_TYPES.get(kind, "")


def kind_of(media_type: str) -> str:
    """Return the kind of body that a media type can only be, empty for any text."""
    subtype = media_type.partition("/")[2]
    if "json" in subtype:
        return "json"
    return "form" if media_type == CONTENT_TYPES["form"] else ""


def _form(text: str) -> Pairs:
    if text.lstrip().startswith("{") and not text.lstrip().startswith("{{"):
        tree = parse_json(text)
        if not isinstance(tree, dict):
            raise BodyError("A form is an object of names and values.")
        return _object_pairs(tree)
    pairs = [
        _line_pair(line, number)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    if len(find_in_tree([value for _, value in pairs])) > MAX_PLACEHOLDERS:
        raise BodyError(f"There are more than {MAX_PLACEHOLDERS} placeholders.")
    return pairs


def _object_pairs(tree: dict[str, JSON]) -> Pairs:
    pairs: Pairs = []
    for name, value in tree.items():
        for item in value if isinstance(value, list) else [value]:
            if item is None or isinstance(item, dict | list):
                raise BodyError(f"“{name}” is not a text or number; a form has no more")
            pairs.append((name, item))
    return pairs


def _line_pair(line: str, number: int) -> tuple[str, JSON]:
    name, mark, value = line.partition("=")
    if not mark or not name.strip():
        raise BodyError("Write a form's field as name = value.", line=number)
    if "{{" in name:
        raise BodyError("A placeholder cannot be a name, only a value.", line=number)
    _check_text(value, number)
    return name.strip(), value.strip()


def _check_text(text: str, first_line: int) -> None:
    for number, line in enumerate(text.split("\n"), start=first_line):
        try:
            check_braces(line)
        except ValueError as e:
            message = str(e)
            raise BodyError(f"{message[:1].upper()}{message[1:]}.", number) from e
    if "\0" in text:
        raise BodyError("This text has a character that cannot be sent.")
    if text.count("{{") > MAX_PLACEHOLDERS:
        raise BodyError(f"There are more than {MAX_PLACEHOLDERS} placeholders.")


def _compile_form(tree: list[JSON]) -> Callable[[Values], JSON]:
    pairs = [
        (quote_plus(str(pair[0])), compile_tree([pair[1]]))
        for pair in tree
        if isinstance(pair, list)
    ]

    def render(values: Values) -> JSON:
        return "&".join(
            f"{name}={quote_plus(as_text(item))}"
            for name, fill in pairs
            for item in _items(fill(values))
        )

    return render


def _items(filled: JSON) -> list[JSON]:
    """A list parameter gives its field once an item; a null is none."""
    assert isinstance(filled, list)
    is_list = len(filled) == 1 and isinstance(filled[0], list)
    items = filled[0] if is_list else filled
    assert isinstance(items, list)
    return [item for item in items if item is not None]


def _writer(content_type: str) -> Callable[[JSON], str]:
    """A value must not become markup of the text that it stands in."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("json", "javascript")):
        raise BodyError(
            "This text is JSON: choose the JSON body, which keeps it valid."
        )
    if "xml" in kind or "html" in kind:
        return lambda value: escape(as_text(value), {'"': "&quot;", "'": "&apos;"})
    if kind == CONTENT_TYPES["form"]:
        return lambda value: quote_plus(as_text(value))
    return as_text
