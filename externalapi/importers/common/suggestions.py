"""Which values of a pasted request may become parameters; the person picks them.

A value that reads like a gap (`<user_id>`, `{item_id}`, `$EMAIL`, `YOUR_APP_ID`) is
marked as one. Nothing is replaced that was not picked.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, count
from urllib.parse import quote, unquote

from externalapi.importers.common.types import BodyKind, Imported, Place, Suggestion
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.parser import BodyError
from externalapi.template.placeholders import find
from externalapi.template.spans import Path, spans
from externalapi.template.stand_ins import gaps
from lemnisk_braze.lib.json_types import JSON

MAX_SUGGESTIONS = 100

_COLON = re.compile(r":(?P<colon>[A-Za-z_]\w{0,60})")
# Ids in a path: a number, a hexadecimal text, a UUID.
_ID = re.compile(
    r"\d+|[0-9a-fA-F]{8,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NOISE = frozenset({"your", "my", "insert", "here"})
_CAPITALS = frozenset({"id", "url", "sms", "crm", "api", "http", "uuid", "ip", "sku"})
_SAYS_NOTHING = frozenset({"value", "string", "text", "number", "identifier", "data"})
IDENTIFIERS = frozenset({"external_id", "external_user_id", "user_id", "userid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """One value and where it stands; `text` is the part that would be replaced."""

    place: Place
    path: Path
    text: str
    whole: JSON
    gap: str = ""


def suggest(found: Imported) -> tuple[Suggestion, ...]:
    """Return what may become a parameter, gaps first, in order of appearance."""
    groups = list(_named(found))[:MAX_SUGGESTIONS]
    suggestions = [_suggestion(name, values) for name, values in groups]
    return tuple(sorted(suggestions, key=lambda one: not one.is_gap))


def accept(found: Imported, names: Collection[str]) -> Imported:
    """Return the definition with the picked values as parameters, by their names."""
    chosen = [(name, values) for name, values in _named(found) if name in names]
    parameters = []
    for name, values in chosen:
        for value in values:
            found = _replaced(found, value, "{{" + name + "}}")
        parameters.append(_parameter(_suggestion(name, values)))
    body = _body_with(found, chosen)
    return replace(found, body=body, parameters=(*found.parameters, *parameters))


def title(text: str) -> str:
    """Return a technical name as people read it: external_id is External ID."""
    words = [word for word in _WORDS.findall(text) if word.lower() not in _NOISE]
    return " ".join(
        word.upper() if word.lower() in _CAPITALS else word.capitalize()
        for word in words
    )


def type_of(value: JSON) -> ParameterType:
    """Return the type that a parameter in this value's place would have."""
    match value:
        case bool():
            return ParameterType.BOOLEAN
        case int():
            return ParameterType.INTEGER
        case float():
            return ParameterType.NUMBER
        case list():
            return ParameterType.LIST
        case dict():
            return ParameterType.OBJECT
        case str() if _is_time(value):
            return ParameterType.DATETIME
    return ParameterType.TEXT


def _is_time(text: str) -> bool:
    if len(text) < 16 or "T" not in text:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _named(found: Imported) -> Iterator[tuple[str, list[_Value]]]:
    """Yield each value once under a name of its own, with all its places."""
    groups: dict[tuple[str, str], list[_Value]] = {}
    for value in _values(found):
        groups.setdefault((_name(value), value.text), []).append(value)
    taken = {parameter.name for parameter in found.parameters}
    taken |= set(find(found.path)) | set(find(found.body))
    for (name, _), values in groups.items():
        unique = unique_name(name, values[0].path, taken)
        taken.add(unique)
        yield unique, values


def unique_name(name: str, path: Path, taken: Collection[str]) -> str:
    """Return a name that is not taken: with its parent's before it, or a number."""
    if name not in taken:
        return name
    parents = [part for part in path[:-1] if isinstance(part, str)]
    parent = _singular(title(parents[-1])) if parents else ""
    longer = f"{parent} {name}".strip()
    numbered = (f"{name} {number}" for number in count(2))
    return next(one for one in chain([longer], numbered) if one not in taken)


def _singular(word: str) -> str:
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _name(value: _Value) -> str:
    keys = [part for part in value.path if isinstance(part, str)]
    own = title(keys[-1]) if keys else ""
    said = title(value.gap)
    says_much = said and said.lower() not in _SAYS_NOTHING
    return (said if says_much else own) or own or "Value"


def _suggestion(name: str, values: list[_Value]) -> Suggestion:
    first = values[0]
    is_whole = first.text == first.whole or not isinstance(first.whole, str)
    keys = [part for part in first.path if isinstance(part, str)]
    return Suggestion(
        name=name,
        text=first.text,
        places=tuple(dict.fromkeys(value.place for value in values)),
        type=type_of(first.whole) if is_whole else ParameterType.TEXT,
        is_gap=bool(first.gap),
        is_identifier=bool(keys) and keys[-1].lower() in IDENTIFIERS and is_whole,
    )


def _parameter(suggestion: Suggestion) -> Parameter:
    level = Level.IDENTIFIER if suggestion.is_identifier else Level.ENGAGEMENT
    return Parameter(name=suggestion.name, type=suggestion.type, level=level)


# Where values stand


def _values(found: Imported) -> Iterator[_Value]:
    yield from _in_path(found.path)
    for index, (name, text) in enumerate(found.query):
        yield from _in_text(Place.QUERY, (name, index), text, always=True)
    for name, text in found.headers.items():
        yield from _in_text(Place.HEADERS, (name,), text, always=False)
    yield from _in_body(found)


def _in_path(path: str) -> Iterator[_Value]:
    before = ""
    for index, segment in enumerate(path.split("/")):
        text = unquote(segment)
        found = list(_gaps(Place.PATH, (before, index), text))
        colon = _COLON.fullmatch(text)
        if found:
            yield from found
        elif colon or _ID.fullmatch(text):
            yield _Value(
                place=Place.PATH,
                path=(f"{_singular(before)}_id", index),
                text=text,
                whole=text,
                gap=colon["colon"] if colon else "",
            )
        before = text


def _in_text(place: Place, path: Path, text: str, *, always: bool) -> Iterator[_Value]:
    found = list(_gaps(place, path, text))
    yield from found
    if always and not found and text and "{{" not in text:
        yield _Value(place=place, path=path, text=text, whole=text)


def _gaps(place: Place, path: Path, text: str) -> Iterator[_Value]:
    for found in gaps(text):
        yield _Value(
            place=place,
            path=path,
            text=found[0],
            whole=text,
            gap=next(filter(None, found.groups()), ""),
        )


def _in_body(found: Imported) -> Iterator[_Value]:
    for path, start, end in _leaves(found):
        written = found.body[start:end]
        if written.startswith("{{") or written == "null":
            continue
        value = json.loads(written)
        if isinstance(value, str):
            yield from _in_text(Place.BODY, path, value, always=True)
        else:
            yield _Value(place=Place.BODY, path=path, text=written, whole=value)


def _leaves(found: Imported) -> Iterable[tuple[Path, int, int]]:
    if found.body_kind not in (BodyKind.JSON, BodyKind.FORM):
        return []
    try:
        located = spans(found.body)
    except BodyError:
        return []
    return [(path, one.start, one.end) for path, one in located.items() if one.is_leaf]


# Putting placeholders in


def _replaced(found: Imported, value: _Value, placeholder: str) -> Imported:
    """Replace one value outside the body."""
    match value.place:
        case Place.PATH:
            segments = found.path.split("/")
            index = _index(value)
            for text in (value.text, quote(value.text, safe="")):
                segments[index] = segments[index].replace(text, placeholder)
            return replace(found, path="/".join(segments))
        case Place.QUERY:
            query = list(found.query)
            name, text = query[_index(value)]
            query[_index(value)] = (name, text.replace(value.text, placeholder))
            return replace(found, query=tuple(query))
        case Place.HEADERS:
            name = str(value.path[0])
            text = found.headers[name].replace(value.text, placeholder)
            return replace(found, headers={**found.headers, name: text})
    return found


def _index(value: _Value) -> int:
    index = value.path[-1]
    assert isinstance(index, int)
    return index


def _body_with(found: Imported, chosen: list[tuple[str, list[_Value]]]) -> str:
    """Put the placeholders into the body from its end, so that places stay true."""
    by_path: dict[Path, list[tuple[str, str]]] = {}
    for name, values in chosen:
        for value in values:
            if value.place is Place.BODY:
                by_path.setdefault(value.path, []).append((name, value.text))
    body = found.body
    for path, start, end in reversed(list(_leaves(found))):
        if path in by_path:
            body = body[:start] + _filled(body[start:end], by_path[path]) + body[end:]
    return body


def _filled(written: str, parts: list[tuple[str, str]]) -> str:
    value = json.loads(written)
    name, text = parts[0]
    if not isinstance(value, str) or value == text:
        return "{{" + name + "}}"
    for name, text in parts:
        value = value.replace(text, "{{" + name + "}}")
    return json.dumps(value, ensure_ascii=False)
