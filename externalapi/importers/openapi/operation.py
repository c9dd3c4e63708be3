"""One operation of an OpenAPI 3 document as a definition."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from externalapi.importers.common.http_request import (
    Credential,
    PastedRequest,
    definition_of,
    is_secret_field,
    is_secret_header,
)
from externalapi.importers.common.json_reader import (
    list_at,
    object_at,
    pointer,
    text_at,
)
from externalapi.importers.common.types import Imported, Operation, Place, Understood
from externalapi.importers.openapi.body import body_of, with_body
from externalapi.importers.openapi.fields import Value, chosen, named, offered
from externalapi.importers.openapi.schema import (
    MAX_FIELDS,
    Field,
    Reader,
    Schema,
    description_of,
)
from externalapi.importers.openapi.security import Scheme, scheme_of
from externalapi.template.parameters import ParameterType, as_text
from externalapi.template.spans import Path
from lemnisk_braze.lib.json_types import JSON

# Parameter object: a parameter of these names "SHALL be ignored".
_IGNORED = frozenset({"accept", "content-type"})
_PIECE = re.compile(r"\{([^{}]*)\}")
_GAP = "{{Key}}"
_PLACES = {"path": Place.PATH, "query": Place.QUERY, "header": Place.HEADERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An operation: its own keys, and those of the path item around it."""

    operation: Operation
    item: Schema
    keys: Mapping[str, JSON]
    where: str
    reader: Reader


def understand(
    one: Described, picked: Collection[str] | None, known: Collection[str]
) -> Understood:
    """Return the operation as a definition; see Document.understand."""
    reader = one.reader
    scheme = scheme_of(reader, one.keys, one.where)
    parameters = _parameters(one)
    body = body_of(reader, one.keys.get("requestBody"), f"{one.where}/requestBody")
    values = [*_values(one, parameters), *body.values]
    if len(values) > MAX_FIELDS:
        reader.note(f"The first {MAX_FIELDS} values are taken.")
    values = named(values[:MAX_FIELDS])
    kept = chosen(values, picked)
    found = _request(one, scheme, parameters, kept, known)
    found = with_body(found, body, kept)
    notes = tuple(dict.fromkeys((*found.notes, *reader.notes)))
    return Understood(
        found=replace(
            found, notes=notes, parameters=tuple(v.parameter for v in kept if v.name)
        ),
        offered=offered(values),
        picked=frozenset(value.name for value in kept if value.name),
    )


# Parameters


def _parameters(one: Described) -> list[tuple[str, str, Schema]]:
    """Return (place, name, keys); the operation's own win over the path's."""
    found: dict[tuple[str, str], Schema] = {}
    for keys, where in ((one.item.keys, one.item.where), (one.keys, one.where)):
        where = pointer(where, "parameters")
        for index, part in enumerate(list_at(keys.get("parameters"), where)):
            at = pointer(where, index)
            schema = Schema(keys=object_at(part, at), where=at)
            schema = one.reader.followed(schema)
            name = text_at(schema.keys.get("name"), pointer(schema.where, "name"))
            place = text_at(schema.keys.get("in"), pointer(schema.where, "in"))
            found[place, name] = schema
    for name in _PIECE.findall(one.operation.path):
        found.setdefault(("path", name), Schema(keys={}, where=one.where))
    return [(place, name, schema) for (place, name), schema in found.items()]


def _values(
    one: Described, parameters: Sequence[tuple[str, str, Schema]]
) -> Iterator[Value]:
    for place, name, schema in parameters:
        for field in _fields(one, place, name, schema):
            said = description_of(schema.keys) or field.parameter.description
            field = replace(field, parameter=replace(field.parameter, description=said))
            yield Value(place=_PLACES[place], field=field)


def _fields(one: Described, place: str, name: str, schema: Schema) -> Iterator[Field]:
    if place == "cookie":
        one.reader.note(f"The cookie “{name}” is left out.")
    if _is_left_out(one, place, name):
        return
    inner = _schema_of(schema)
    example = one.reader.example(schema)
    needed = place == "path" or schema.keys.get("required") is True
    root: Path = () if needed else (name,)
    if place == "query" and schema.keys.get("style") == "deepObject":
        yield from one.reader.fields(inner, (name,), example, root=root)
        return
    value = one.reader.value(inner, (name,), example, root=root)
    is_object = value.parameter.type is ParameterType.OBJECT
    if place == "query" and is_object and "content" not in schema.keys:
        # Each of its properties is a parameter of its own ("style: form, explode").
        yield from (
            found
            for found in one.reader.fields(inner, (), example, root=root)
            if found.path
        )
        return
    if place != "query" or schema.keys.get("explode") is False:
        value = _as_one_text(value)
    yield value


def _is_left_out(one: Described, place: str, name: str) -> bool:
    """What is no parameter: a key, what the client sets, what has no place."""
    match place:
        case "path":
            return f"{{{name}}}" not in one.operation.path
        case "query":
            return not name or "{{" in name or is_secret_field(name)
        case "header":
            return is_secret_header(name) or name.lower() in _IGNORED
    return True


def _schema_of(parameter: Schema) -> Schema:
    """A parameter has a schema, or a content of one media type that has."""
    if "schema" in parameter.keys or "content" not in parameter.keys:
        return parameter.part(parameter.keys.get("schema"), "schema")
    at = pointer(parameter.where, "content")
    content = object_at(parameter.keys["content"], at)
    for kind, media in content.items():
        keys = object_at(media, pointer(at, kind))
        return parameter.part(keys.get("schema"), "content", kind, "schema")
    return parameter.part(None, "content")


def _as_one_text(value: Field) -> Field:
    """A list has no way into a path or header but as one text, with its commas."""
    if value.parameter.type is not ParameterType.LIST:
        return value
    parameter = replace(
        value.parameter, type=ParameterType.TEXT, allowed=(), default="", example=""
    )
    return replace(value, parameter=parameter)


# The request


def _request(
    one: Described,
    scheme: Scheme | None,
    parameters: Sequence[tuple[str, str, Schema]],
    kept: Sequence[Value],
    known: Collection[str],
) -> Imported:
    # A key that is described as a parameter is one where nothing else is.
    keys = [] if scheme else [(place, name) for place, name, _ in parameters]
    request = PastedRequest(
        method=one.operation.method,
        url=_server(one, known),
        query=[f"{n}={_GAP}" for p, n in keys if p == "query" and is_secret_field(n)],
        headers=[*_secret_headers(keys), *_pairs(kept, Place.HEADERS)],
        credential=scheme.credential if scheme else Credential(),
    )
    found = definition_of(request)
    said = description_of(one.keys)
    return replace(
        found,
        name=one.operation.title[:255],
        description="" if said == one.operation.title else said,
        path=found.path.rstrip("/") + _path(one.operation.path, kept),
        query=tuple(_pairs(kept, Place.QUERY)),
        token_url=scheme.token_url if scheme else "",
        scope=scheme.scope if scheme else "",
    )


def _secret_headers(keys: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        (name, f"Bearer {_GAP}" if name.lower() == "authorization" else _GAP)
        for place, name in keys
        if place == "header" and is_secret_header(name)
    ]


def _pairs(kept: Sequence[Value], place: Place) -> list[tuple[str, str]]:
    return [
        (value.wire_name, as_text(value.template))
        for value in kept
        if value.place is place
    ]


def _path(path: str, kept: Sequence[Value]) -> str:
    path = path.partition("#")[0]
    templates = {
        value.field.path[0]: as_text(value.template)
        for value in kept
        if value.place is Place.PATH
    }
    filled = _PIECE.sub(lambda found: templates.get(found[1], found[0]), path)
    return filled if path.startswith("/") else f"/{filled}"


def _server(one: Described, known: Collection[str]) -> str:
    """Return the server that a connection leads to, else the first."""
    for keys, where in (
        (one.keys, one.where),
        (one.item.keys, one.item.where),
        (one.reader.root, "#"),
    ):
        where = pointer(where, "servers")
        servers = [
            _server_url(part, pointer(where, index))
            for index, part in enumerate(list_at(keys.get("servers"), where))
        ]
        if servers:
            break
    servers = [url for url in servers if url]
    first = next((url for url in servers if _leads_to(url, known)), None)
    chosen_url = first or (servers[0] if servers else "/")
    if len(set(servers)) > 1:
        one.reader.note(
            f"There are {len(set(servers))} servers; {chosen_url[:100]} is taken."
        )
    # One without a host is relative to where the document was found.
    return chosen_url if "://" in chosen_url else f"https:///{chosen_url.lstrip('/')}"


def _leads_to(url: str, known: Collection[str]) -> bool:
    return any(f"{url}/".startswith(f"{base.rstrip('/')}/") for base in known)


def _server_url(server: JSON, where: str) -> str:
    """Return a server's address with the defaults of its variables."""
    keys = object_at(server, where)
    at = pointer(where, "variables")
    variables = object_at(keys.get("variables"), at)

    def default(found: re.Match[str]) -> str:
        variable = object_at(variables.get(found[1]), pointer(at, found[1]))
        return str(variable.get("default") or "{{" + found[1] + "}}")

    url = text_at(keys.get("url"), pointer(where, "url")).strip()
    return _PIECE.sub(default, url)
