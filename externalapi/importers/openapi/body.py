"""What the body of a described operation is made of (Request Body, Media Type)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from externalapi.importers.common.http_request import is_secret_field
from externalapi.importers.common.json_reader import object_at, pointer, read_json
from externalapi.importers.common.types import BodyKind, Imported, PasteError, Place
from externalapi.importers.openapi.fields import Value, form_body, json_body
from externalapi.importers.openapi.schema import (
    ABSENT,
    MAX_FIELDS,
    Field,
    Reader,
    Schema,
)
from externalapi.template.parameters import ParameterType
from externalapi.template.spans import path_text
from lemnisk_braze.lib.json_types import JSON

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
# In the order in which one is chosen where there are several.
_KINDS: tuple[tuple[re.Pattern[str], BodyKind], ...] = (
    (re.compile(r"application/json"), BodyKind.JSON),
    (re.compile(r"[\w.]+/([\w.-]+\+)?json|\*/\*"), BodyKind.JSON),
    (re.compile(re.escape(_FORM)), BodyKind.FORM),
    (re.compile(_MULTIPART), BodyKind.FORM),
    (re.compile(r"text/.*|.*[/+]xml"), BodyKind.TEXT),
)
_API_KEY = re.compile(r"(?i)api[-_]?key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The values of a body; `text` where it is a text that stays as it is."""

    kind: BodyKind = BodyKind.NONE
    content_type: str = ""
    values: tuple[Value, ...] = ()
    text: str = ""


def body_of(reader: Reader, keys: JSON, where: str) -> Body:
    """Return what a requestBody describes; raises PasteError for a file alone."""
    request = reader.followed(Schema(keys=object_at(keys, where), where=where))
    at = pointer(request.where, "content")
    content = object_at(request.keys.get("content"), at)
    if not content:
        return Body()
    written, kind = _media_type(content)
    object_at(content[written], pointer(at, written))
    media = request.part(content[written], "content", written)
    content_type = written.partition(";")[0].strip().lower()
    if kind is BodyKind.TEXT:
        return _text_body(reader, media, content_type)
    fields = _fields(reader, media, kind)
    values = tuple(Value(place=Place.BODY, field=one) for one in fields)
    if content_type == _MULTIPART:
        reader.note("The fields are sent as a simple form, not as multipart.")
        content_type = _FORM
    if "*" in content_type:
        content_type = "application/json"
    return Body(kind=kind, content_type=content_type, values=values)


def _media_type(content: Mapping[str, JSON]) -> tuple[str, BodyKind]:
    for pattern, kind in _KINDS:
        for written in content:
            if pattern.fullmatch(written.partition(";")[0].strip().lower()):
                return written, kind
    kinds = ", ".join(content)[:100]
    raise PasteError(f"Its body is {kinds}, which an External API cannot send.")


def _fields(reader: Reader, media: Schema, kind: BodyKind) -> list[Field]:
    schema = media.part(media.keys.get("schema"), "schema")
    example = _parsed(reader.example(media))
    found = reader.fields(schema, (), example, root=())
    kept = list(islice(_sendable(reader, found, kind), MAX_FIELDS + 1))
    if kind is BodyKind.JSON:
        return [_any_body(one) for one in kept]
    # A form is an object of fields: of anything else nothing can be said.
    encoding = media.keys.get("encoding")
    return list(_form_fields(reader, [one for one in kept if one.path], encoding))


def _form_fields(
    reader: Reader, fields: list[Field], encoding: JSON
) -> Iterator[Field]:
    """Encoding Object: of a deepObject, a list has its brackets in its name."""
    said = encoding if isinstance(encoding, dict) else {}
    for one in fields:
        way = said.get(str(one.path[0]))
        is_deep = isinstance(way, dict) and way.get("style") == "deepObject"
        if one.parameter.type is ParameterType.OBJECT:
            name = path_text(one.path)
            reader.note(
                f"“{name}” has fields of any name: add those that you need in the "
                f"form, as {name}[name]."
            )
        elif is_deep and one.parameter.type is ParameterType.LIST:
            yield replace(one, path=(*one.path, ""))
        else:
            yield one


def _parsed(example: JSON) -> JSON:
    """Some documents have their example of JSON as a text."""
    if isinstance(example, str) and example.lstrip()[:1] in ("{", "["):
        with suppress(PasteError):
            return read_json(example)
    return example


def _any_body(one: Field) -> Field:
    is_unknown = not one.path and one.parameter.type is ParameterType.TEXT
    if not is_unknown or one.example is not ABSENT:
        return one
    return replace(one, parameter=replace(one.parameter, type=ParameterType.OBJECT))


def _sendable(
    reader: Reader, fields: Iterator[Field], kind: BodyKind
) -> Iterator[Field]:
    """Leave out files, and keys that belong to the connection."""
    for one in fields:
        name = str(one.path[-1]) if one.path else ""
        is_key = is_secret_field(name) if kind is BodyKind.FORM else False
        if is_key or _API_KEY.fullmatch(name):
            reader.note(f"“{name}” is left out of the body: the connection signs in.")
        elif one.is_binary:
            reader.note(
                f"“{name or 'The body'}” is a file, which an External API cannot send."
            )
        else:
            yield one


def _text_body(reader: Reader, media: Schema, content_type: str) -> Body:
    example = reader.example(media)
    if isinstance(example, str):
        text = f"{example.rstrip()}\n"
        return Body(kind=BodyKind.TEXT, content_type=content_type, text=text)
    whole = reader.value(
        media.part(media.keys.get("schema"), "schema"), (), ABSENT, root=()
    )
    parameter = replace(whole.parameter, type=ParameterType.TEXT, allowed=())
    value = Value(place=Place.BODY, field=replace(whole, parameter=parameter))
    return Body(kind=BodyKind.TEXT, content_type=content_type, values=(value,))


def with_body(found: Imported, body: Body, kept: Sequence[Value]) -> Imported:
    """Return the definition with the kept values in its body, and their type."""
    if body.kind is BodyKind.NONE:
        return found
    values = [one for one in kept if one.place is Place.BODY]
    match body.kind:
        case BodyKind.JSON:
            text = json_body(values)
        case BodyKind.FORM:
            text = form_body(values)
        case _:
            text = body.text or "\n".join(str(one.template) for one in values)
    headers = {"Content-Type": body.content_type, **found.headers}
    return replace(found, body=text, body_kind=body.kind, headers=headers)
