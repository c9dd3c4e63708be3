"""Where a request goes: the path with its query, and the headers, filled with values."""

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl, quote

from externalapi.http.ssrf import DOT_SEGMENT, MAX_HEADER_VALUE, MAX_URL
from externalapi.template.parameters import (
    InvalidParameterError,
    MissingParameterError,
    as_text,
)
from externalapi.template.placeholders import (
    Values,
    compile_text,
    find,
    split_text,
    whole_name,
)
from lemnisk_braze.lib.json_types import JSON

Query = Sequence[tuple[str, str]]

_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")


def compile_target(
    path: str, query: Query, room: int = MAX_URL
) -> Callable[[Values], str]:
    """Return a function that fills the path and its query.

    A value is one piece of the path and one value of the query. A query parameter
    whose whole value is missing is left out; a list gives its name once an item.
    Values that make more than `room` characters, or a way up, raise
    InvalidParameterError: they are one person's, and the address everybody's. A piece of
    the path without a value raises MissingParameterError: what is left is the address of
    something else.
    """
    # The slash ends the host: without it a path could go on as another host.
    fill = compile_text(f"/{path.lstrip('/')}", _in_path)
    pairs = [_compile_pair(name, template) for name, template in query]
    joint = "&" if "?" in path else "?"
    in_path = find(path)
    names = [*in_path, *find("".join(template for _, template in query))]

    def render(values: Values) -> str:
        for name in in_path:
            if name not in values:
                raise MissingParameterError(name)
        filled = fill(values)
        if in_path and DOT_SEGMENT.search(filled.partition("?")[0]):
            raise InvalidParameterError(in_path[-1], "it cannot be a part of the path")
        found = [text for pair in pairs if (text := pair(values))]
        target = filled + joint + "&".join(found) if found else filled
        if names and len(target) > room:
            raise InvalidParameterError(
                _longest(names, values),
                f"the address would be longer than {MAX_URL:,} characters",
            )
        return target

    if not names:
        constant = render({})
        return lambda values: constant
    return render


def compile_headers(
    headers: Mapping[str, str],
) -> Callable[[Values], Mapping[str, str]]:
    """Return a function that fills the headers; a whole value that is missing goes.

    A value that makes its header too long raises InvalidParameterError.
    """
    if not any(find(value) for value in headers.values()):
        return lambda values: headers
    parts = [
        (name, whole_name(text), find(text), compile_text(text, _in_header))
        for name, text in headers.items()
    ]

    def render(values: Values) -> Mapping[str, str]:
        filled = {}
        for header, whole, names, part in parts:
            if whole is not None and whole not in values:
                continue
            filled[header] = part(values)
            if names and len(filled[header]) > MAX_HEADER_VALUE:
                raise InvalidParameterError(
                    _longest(names, values),
                    f"the header {header} would be longer than 8 KB",
                )
        return filled

    return render


def _longest(names: Sequence[str], values: Values) -> str:
    return max(names, key=lambda name: len(as_text(values.get(name))))


def split_target(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Take the query off a path as typed: "/a?b={{c}}" is "/a" with b = {{c}}."""
    path, mark, query = text.partition("?")
    if not mark:
        return path, []
    names = [name for name, is_name in split_text(query) if is_name]
    hidden = _with_marks(query)
    pairs = parse_qsl(hidden, keep_blank_values=True)
    return path, [(_shown(name, names), _shown(value, names)) for name, value in pairs]


def join_target(path: str, query: Query) -> str:
    """Return the path with its query as people read it."""
    if not query:
        return path
    return f"{path}?{'&'.join(f'{name}={template}' for name, template in query)}"


def _compile_pair(name: str, template: str) -> Callable[[Values], str]:
    start = f"{quote(name, safe='')}="
    whole = whole_name(template)
    if whole is None:
        text = compile_text(_quoted_text(template), _in_query)
        return lambda values: start + text(values)

    def render(values: Values) -> str:
        value = values.get(whole)
        items = value if isinstance(value, list) else [value]
        return "&".join(start + _in_query(item) for item in items if item is not None)

    return render


def _quoted_text(template: str) -> str:
    """Quote what is constant; the placeholders stay for the values to come."""
    return "".join(
        f"{{{{{piece}}}}}" if is_name else quote(piece, safe="")
        for piece, is_name in split_text(template)
    )


def _in_query(value: JSON) -> str:
    return quote(as_text(value), safe="")


def _in_path(value: JSON) -> str:
    """A value is one piece of the path: it can neither add a segment nor a query."""
    return quote(as_text(value), safe="")


def _in_header(value: JSON) -> str:
    text = as_text(value)
    if not _HEADER_VALUE.fullmatch(text):
        raise ValueError("it has characters that cannot go into a header")
    return text


def _with_marks(query: str) -> str:
    """Put a mark in each placeholder's place: its name may hold “&”, “=” and “+”."""
    marked = 0
    pieces = []
    for piece, is_name in split_text(query):
        pieces.append(f"\ue000{marked}\ue001" if is_name else piece)
        marked += is_name
    return "".join(pieces)


def _shown(text: str, names: Sequence[str]) -> str:
    return re.sub(
        "\ue000([0-9]+)\ue001", lambda found: f"{{{{{names[int(found[1])]}}}}}", text
    )
