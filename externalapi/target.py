"""Where a request goes: the path with its query, and the headers, filled with values."""

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl, quote

from externalapi.parameters import JSON, InvalidParameterError, as_text
from externalapi.placeholders import Values, compile_text, find, split_text, whole_name

Query = Sequence[tuple[str, str]]

_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")


def compile_target(path: str, query: Query) -> Callable[[Values], str]:
    """Return a function that fills the path and its query.

    A value is one piece of the path and one value of the query. A query parameter
    whose whole value is missing is left out; a list gives its name once an item.
    """
    # The slash ends the host: without it a path could go on as another host.
    fill = compile_text(f"/{path.lstrip('/')}", _in_path)
    if not query:
        return fill
    pairs = [_compile_pair(name, template) for name, template in query]
    joint = "&" if "?" in path else "?"

    def render(values: Values) -> str:
        found = [text for pair in pairs if (text := pair(values))]
        return fill(values) + joint + "&".join(found) if found else fill(values)

    return render


def compile_headers(
    headers: Mapping[str, str],
) -> Callable[[Values], Mapping[str, str]]:
    """Return a function that fills the headers; a whole value that is missing goes."""
    if not any(find(value) for value in headers.values()):
        return lambda values: headers
    parts = [
        (name, whole_name(text), compile_text(text, _in_header))
        for name, text in headers.items()
    ]
    return lambda values: {
        name: part(values)
        for name, whole, part in parts
        if whole is None or whole in values
    }


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
        items = value if isinstance(value, list) else [] if value is None else [value]
        return "&".join(start + _in_query(item) for item in items)

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
    text = as_text(value)
    if text in (".", ".."):
        raise InvalidParameterError(text[:40], "it cannot be a part of the path")
    return quote(text, safe="")


def _in_header(value: JSON) -> str:
    text = as_text(value)
    if not _HEADER_VALUE.fullmatch(text):
        raise InvalidParameterError(
            text[:40], "it has characters that cannot go into a header"
        )
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
