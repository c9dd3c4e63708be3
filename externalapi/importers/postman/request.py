"""One request of a Postman collection as a definition."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from urllib.parse import quote_plus

import orjson

from externalapi.importers.common.body import with_body
from externalapi.importers.common.http_request import (
    PastedRequest,
    definition_of,
    is_gap,
)
from externalapi.importers.common.json_reader import (
    list_at,
    object_at,
    pointer,
    text_at,
)
from externalapi.importers.common.redaction import HIDDEN
from externalapi.importers.common.suggestions import (
    IDENTIFIERS,
    title,
    type_of,
    unique_name,
)
from externalapi.importers.common.types import BodyKind, Imported, PasteError, short
from externalapi.importers.openapi.schema import description_of
from externalapi.importers.postman.auth import sign_in
from externalapi.template.parameters import Level, Parameter, ParameterType, as_text
from lemnisk_braze.lib.json_types import JSON

# By their names: what the collection says of each.
Variables: TypeAlias = Mapping[str, Mapping[str, JSON]]

_VARIABLE = re.compile(r"\{\{([^{}]{1,400})\}\}")
# Scheme, host and port; a variable's name may hold any character.
_ORIGIN = re.compile(
    r"((?:[A-Za-z][A-Za-z0-9+.-]*|\{\{[^{}]{1,400}\}\})://)?"
    r"(?:\{\{[^{}]{1,400}\}\}|[^/?#{}]|[{}])*"
)
_PIECE = r"(?<=/):([A-Za-z_][\w-]*)"
# In a JSON body: a text, or a variable that stands for a value of any type.
_TEXT_OR_BARE = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|\{\{(?P<bare>[^{}]{1,400})\}\}', re.DOTALL
)
# A variable's value may name others, which may name others.
_MOST_STEPS = 5
# What Postman makes up that is no text where it stands without quotes.
_MADE_UP = {
    "$timestamp": ParameterType.INTEGER,
    "$randomInt": ParameterType.INTEGER,
    "$randomPrice": ParameterType.NUMBER,
    "$randomBoolean": ParameterType.BOOLEAN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item with its place, and what the folders around it say."""

    keys: Mapping[str, JSON]
    where: str
    auth: JSON = None
    variables: Variables = field(default_factory=dict)
    folders: tuple[str, ...] = ()

    @property
    def at(self) -> str:
        return pointer(self.where, "request")

    @property
    def request(self) -> Mapping[str, JSON]:
        """The request; one that is a text is its address alone."""
        request = self.keys.get("request")
        if isinstance(request, str):
            return {"url": request}
        return object_at(request, self.at)

    @property
    def method(self) -> str:
        method = text_at(self.request.get("method"), pointer(self.at, "method"))
        return method.upper() or "GET"

    @property
    def url(self) -> Mapping[str, JSON]:
        url = self.request.get("url")
        if isinstance(url, str):
            return {"raw": url}
        return object_at(url, pointer(self.at, "url"))


def target(item: Item) -> str:
    """Return where a request goes, as it is listed: without host and query."""
    rest = _ORIGIN.sub("", _address(item), count=1)
    return re.split(r"[?#]", rest)[0] or "/"


def definition(item: Item) -> Imported:
    """Return the request as a definition; raises PasteError."""
    keys = item.request
    variables = item.variables
    notes: list[str] = []
    scheme = sign_in(keys.get("auth", item.auth), notes, item.at)
    request = PastedRequest(
        method=item.method,
        url=_hosted(_address(item), variables, notes),
        query=_query(item),
        headers=_headers(item),
        credential=scheme.credential,
        notes=notes,
    )
    found = definition_of(request)
    said = keys.get("description") or item.keys.get("description")
    inner = said.get("content") if isinstance(said, dict) else said
    found = replace(
        found,
        name=str(item.keys.get("name") or "")[:255],
        description=description_of({"description": inner}),
        token_url=_known(scheme.token_url),
        client_id=_known(scheme.client_id),
        scope=_known(scheme.scope),
    )
    found = _with_body(found, item)
    return _Named(variables).renamed(found, _path_variables(item))


def _known(text: str) -> str:
    """A variable's name is no value for a connection."""
    return "" if is_gap(text) or "{{" in text else text


# The address


def _address(item: Item) -> str:
    """Return the address as it is written, or put together from its parts."""
    url = item.url
    at = pointer(item.at, "url")
    if raw := text_at(url.get("raw"), pointer(at, "raw")).strip():
        return raw
    host, path = (_joined(url.get(key), mark) for key, mark in _PARTS)
    protocol = text_at(url.get("protocol"), pointer(at, "protocol"))
    protocol = protocol.removesuffix("://").removesuffix(":")
    if not protocol and not isinstance(url.get("host"), list) and "://" in host:
        protocol, _, host = host.partition("://")
    port = as_text(url.get("port"))
    host = f"{host}:{port}" if port else host
    return f"{protocol or 'https'}://{host.rstrip('/')}/{path.lstrip('/')}"


_PARTS = (("host", "."), ("path", "/"))
MAX_ORIGIN = 2048


def _joined(parts: JSON, mark: str) -> str:
    if not isinstance(parts, list):
        return parts if isinstance(parts, str) else ""
    texts = (one.get("value") if isinstance(one, dict) else one for one in parts)
    return mark.join(as_text(text) for text in texts)


def _hosted(url: str, variables: Variables, notes: list[str]) -> str:
    """Put the collection's own address in, where variables hold it or parts of it."""
    found = _ORIGIN.match(url)
    origin = found[0] if found else ""
    if "{{" not in origin:
        return url
    rest = url[len(origin) :]
    known = _filled(origin, variables)
    scheme, mark, host = known.rpartition("://")
    if "{{" in scheme:
        notes.append(f"“{short(scheme)}” has no value here: https is taken.")
        scheme = "https"
    host, slash, path = host.partition("/")
    is_host = "." in host or host.startswith("[")
    if "{{" in host or is_gap(host) or not is_host:
        # What was written says which connection is meant.
        host = origin.rpartition("://")[2]
    path = f"{slash}{path}".rstrip("/") if rest.startswith("/") else f"{slash}{path}"
    return f"{scheme if mark else 'https'}://{host}{path}{rest}"


def _filled(text: str, variables: Variables) -> str:
    """Return the text with the values of its variables, as far as there are any."""
    for _ in range(_MOST_STEPS):
        before, text = text, _VARIABLE.sub(lambda f: _value(f, variables), text)
        if text == before or len(text) > MAX_ORIGIN:
            break
    return text[:MAX_ORIGIN]


def _value(found: re.Match[str], variables: Variables) -> str:
    value = as_text(variables.get(found[1].strip(), {}).get("value")).strip()
    is_other = bool(_VARIABLE.fullmatch(value))
    return found[0] if (is_gap(value) and not is_other) or HIDDEN in value else value


def _query(item: Item) -> list[str]:
    """Return what the address does not have: it is written there when it counts."""
    if "?" in _address(item):
        return []
    where = pointer(item.at, "url", "query")
    return [
        f"{name}={value}".replace("&", "%26")
        for name, value in _entries(item.url.get("query"), where)
    ]


def _entries(tree: JSON, where: str) -> list[tuple[str, str]]:
    """Return names and values of what is not switched off."""
    found = []
    for index, one in enumerate(list_at(tree, where)):
        keys = object_at(one, pointer(where, index))
        name = as_text(keys.get("key"))
        if name and keys.get("disabled") is not True:
            found.append((name, as_text(keys.get("value"))))
    return found


def _headers(item: Item) -> list[tuple[str, str]]:
    headers = item.request.get("header")
    if isinstance(headers, str):
        lines = (line.partition(":") for line in headers.splitlines())
        pairs = [(name.strip(), value.strip()) for name, _, value in lines]
    else:
        pairs = _entries(headers, pointer(item.at, "header"))
    return [(name, " ".join(value.split())) for name, value in pairs if name and value]


# The body


def _with_body(found: Imported, item: Item) -> Imported:
    where = pointer(item.at, "body")
    body = object_at(item.request.get("body"), where)
    mode = body.get("mode")
    if not mode or body.get("disabled") is True:
        return found
    match mode:
        case "raw":
            return _with_raw(found, body, where)
        case "urlencoded":
            pairs = _entries(body.get("urlencoded"), pointer(where, "urlencoded"))
            return _with_form(found, pairs)
        case "formdata":
            return _with_form_data(found, body.get("formdata"), where)
        case "graphql":
            asked = object_at(body.get("graphql"), pointer(where, "graphql"))
            return with_body(found, _graphql(asked), is_json=True)
    raise PasteError(f"Its body is “{short(as_text(mode))}”, which cannot be sent.")


def _with_raw(found: Imported, body: Mapping[str, JSON], where: str) -> Imported:
    text = text_at(body.get("raw"), pointer(where, "raw"))
    if not text.strip():
        return found
    options = object_at(body.get("options"), pointer(where, "options"))
    raw = object_at(options.get("raw"), pointer(where, "options", "raw"))
    return with_body(found, text, is_json=raw.get("language") == "json")


def _with_form(found: Imported, pairs: list[tuple[str, str]]) -> Imported:
    if not pairs:
        return found
    others = {n: v for n, v in found.headers.items() if n.lower() != "content-type"}
    written = "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in pairs)
    return with_body(replace(found, headers=others), written)


def _with_form_data(found: Imported, fields: JSON, where: str) -> Imported:
    where = pointer(where, "formdata")
    texts, notes = [], list(found.notes)
    for index, one in enumerate(list_at(fields, where)):
        keys = object_at(one, pointer(where, index))
        if keys.get("type") == "file":
            name = short(as_text(keys.get("key")))
            notes.append(f"“{name}” is a file, which an External API cannot send.")
        else:
            texts.append(one)
    found = replace(found, notes=tuple(notes))
    pairs = _entries(texts, where)
    return with_body(found, "", pairs) if pairs else found


def _graphql(asked: Mapping[str, JSON]) -> str:
    query = json.dumps(as_text(asked.get("query")), ensure_ascii=False)
    variables = asked.get("variables")
    written = variables if isinstance(variables, str) else json.dumps(variables)
    return f'{{"query": {query}, "variables": {written.strip() or "{}"}}}'


# Variables


def _path_variables(item: Item) -> Variables:
    where = pointer(item.at, "url", "variable")
    found = {}
    for index, one in enumerate(list_at(item.url.get("variable"), where)):
        keys = object_at(one, pointer(where, index))
        found[as_text(keys.get("key") or keys.get("id"))] = keys
    return found


class _Named:
    """Makes parameters of variables, by names that people read."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        # By what they are read from, and of which type.
        self.by_variable: dict[tuple[str, ParameterType], Parameter] = {}

    def renamed(self, found: Imported, in_path: Variables) -> Imported:
        """Return the definition with parameters for `{{variables}}` and `/:pieces`."""
        found = replace(
            found,
            path=self.text(self._path(found.path, in_path)),
            query=tuple((name, self.text(text)) for name, text in found.query),
            headers={name: self.text(text) for name, text in found.headers.items()},
            body=self._body(found),
        )
        made_up = dict.fromkeys(
            name for name, _ in self.by_variable if name.startswith("$")
        )
        notes = [
            f"Postman makes up “{name}” by itself; here it is a parameter."
            for name in made_up
        ]
        return replace(
            found,
            parameters=tuple(self.by_variable.values()),
            notes=(*found.notes, *notes),
        )

    def _path(self, path: str, listed: Variables) -> str:
        """`:name` is a piece, or its begin (`:id.json`); listed ones stand anywhere."""
        names = "|".join(
            re.escape(name) for name in sorted(listed, key=len, reverse=True) if name
        )
        pattern = rf"(?<=/):({names})(?!\w)|{_PIECE}|:({names})(?!\w)"
        return re.sub(
            pattern if names else _PIECE,
            lambda found: self.placeholder(next(filter(None, found.groups())), listed),
            path,
        )

    def _body(self, found: Imported) -> str:
        """A variable without quotes is a number where its value is one."""
        if found.body_kind is not BodyKind.JSON:
            return self.text(found.body)
        return _TEXT_OR_BARE.sub(
            lambda one: self.text(one["text"]) if one["text"] else self._bare(one),
            found.body,
        )

    def _bare(self, found: re.Match[str]) -> str:
        name = found["bare"].strip()
        return self._variable(name, self._type(name))

    def _type(self, name: str) -> ParameterType:
        value = self.variables.get(name, {}).get("value")
        if isinstance(value, str):
            try:
                value = orjson.loads(_filled(value, self.variables))
            except orjson.JSONDecodeError:
                value = None
        if value is None:
            return _MADE_UP.get(name, ParameterType.TEXT)
        kind = type_of(value)
        # A time is a text to JSON.
        return ParameterType.TEXT if isinstance(value, str) else kind

    def text(self, text: str) -> str:
        return _VARIABLE.sub(lambda one: self._variable(one[1].strip()), text)

    def _variable(self, name: str, kind: ParameterType = ParameterType.TEXT) -> str:
        is_named = any(name == one.name for one in self.by_variable.values())
        return "{{" + name + "}}" if is_named else self.placeholder(name, {}, kind)

    def placeholder(
        self,
        variable: str,
        own: Variables,
        kind: ParameterType = ParameterType.TEXT,
    ) -> str:
        key = (variable, kind)
        if key not in self.by_variable:
            keys = own.get(variable) or self.variables.get(variable, {})
            self.by_variable[key] = self._parameter(variable, keys, kind)
        return "{{" + self.by_variable[key].name + "}}"

    def _parameter(
        self, variable: str, keys: Mapping[str, JSON], kind: ParameterType
    ) -> Parameter:
        taken = {one.name for one in self.by_variable.values()}
        plain = "".join(one for one in variable if one.isalnum() or one in " -_")
        value = as_text(keys.get("value"))
        is_shown = not is_gap(value) and HIDDEN not in value and len(value) <= 255
        is_person = variable.lower() in IDENTIFIERS
        return Parameter(
            name=unique_name(title(variable) or plain.strip() or "Value", (), taken),
            type=kind,
            level=Level.IDENTIFIER if is_person else Level.ENGAGEMENT,
            description=description_of(_described(keys)),
            example=value if is_shown else "",
        )


def _described(keys: Mapping[str, JSON]) -> Mapping[str, JSON]:
    said = keys.get("description")
    return {"description": said.get("content") if isinstance(said, dict) else said}
