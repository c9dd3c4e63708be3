"""An External API version, compiled: values in, a request out."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from externalapi.batching import PLANS, BatchPlan, Packed, pack, people_per_request
from externalapi.body import parse_body
from externalapi.client import Request
from externalapi.models import ExternalAPIVersion
from externalapi.parameters import JSON, Level, Parameter, ParameterType, as_text
from externalapi.placeholders import (
    compile_text,
    compile_tree,
    find,
    find_in_tree,
    whole_name,
)

_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
_OPERATORS = frozenset({"inc", "add", "remove", "$add", "$remove", "$update"})


class MissingParameterError(ValueError):
    """A required parameter has no value for this person."""

    def __init__(self, name: str) -> None:
        super().__init__(f"“{name}” has no value")
        self.name = name


class InvalidParameterError(ValueError):
    """A parameter's value is not of its type, or cannot go where it is used."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"“{name}”: {message}")
        self.name = name
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What one person's values make of a definition. Read-only: parts are shared."""

    path: str
    headers: Mapping[str, str]
    body: JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledDefinition:
    """What an External API version says, ready to be filled for many people."""

    parameters: tuple[Parameter, ...]
    plan: BatchPlan
    people_per_request: int
    arrays_used: tuple[str, ...]
    # Whether sending the same request twice may change more than sending it once.
    has_side_effects: bool
    method: str
    base_url: str
    has_body: bool
    _readers: tuple["_Reader", ...]
    _path: Callable[[Mapping[str, JSON]], str]
    _headers: Callable[[Mapping[str, JSON]], Mapping[str, str]]
    _body: Callable[[Mapping[str, JSON]], JSON]

    @property
    def engagement_parameters(self) -> tuple[Parameter, ...]:
        return self._at(Level.ENGAGEMENT)

    @property
    def identifier_parameters(self) -> tuple[Parameter, ...]:
        return self._at(Level.IDENTIFIER)

    def _at(self, level: Level) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.level == level)

    def render(self, values: Mapping[str, JSON]) -> Rendered:
        """Fill in one person's values, by parameter name.

        None and the empty text count as no value: the default takes their place, else
        an optional parameter's key is left out. Raises MissingParameterError and
        InvalidParameterError.
        """
        read: dict[str, JSON] = {}
        for reader in self._readers:
            value = reader.read(values)
            if value is not None:
                read[reader.name] = value
        return Rendered(
            path=self._path(read), headers=self._headers(read), body=self._body(read)
        )

    def request(self, rendered: Sequence[Rendered]) -> tuple[Request, Packed]:
        """Pack people into one request; at most `people_per_request` fit.

        Raises TooBigError.
        """
        first = rendered[0]
        headers = {"Accept": "application/json", **first.headers}
        if self.has_body:
            headers.setdefault("Content-Type", "application/json")
            packed = pack(self.plan, [one.body for one in rendered])
        else:
            packed = Packed(body=b"", item_count=1, owners={})
        request = Request(
            method=self.method,
            url=self.base_url + first.path,
            headers=headers,
            body=packed.body if self.has_body else None,
        )
        return request, packed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """How one parameter gets its value; `fallback` is the fixed or default one."""

    name: str
    coerce: Callable[[JSON], JSON]
    fallback: JSON
    is_fixed: bool
    is_required: bool

    def read(self, values: Mapping[str, JSON]) -> JSON:
        value = None if self.is_fixed else values.get(self.name)
        if value is None or value == "":
            if self.fallback is None and self.is_required:
                raise MissingParameterError(self.name)
            return self.fallback
        try:
            return self.coerce(value)
        except ValueError as e:
            raise InvalidParameterError(self.name, str(e)) from e


def compile_version(version: ExternalAPIVersion) -> CompiledDefinition:
    """Compile a version; its connection is read too, so select it with the version.

    Raises BodyError and InvalidParameterError for what the forms refuse.
    """
    body = parse_body(version.body) if version.body.strip() else None
    parameters = tuple(Parameter.from_dict(item) for item in version.parameters)
    plan = PLANS[version.batching]
    varies = find(version.path) or any(find(text) for text in version.headers.values())
    return CompiledDefinition(
        parameters=parameters,
        plan=plan,
        people_per_request=1 if varies else people_per_request(plan, body),
        arrays_used=_arrays_used(body),
        has_side_effects=_has_side_effects(body, parameters),
        method=version.method,
        base_url=version.connection.base_url.rstrip("/"),
        has_body=body is not None,
        _readers=tuple(_reader(parameter) for parameter in parameters),
        # The slash ends the host: without it a path could go on as another host.
        _path=compile_text(f"/{version.path.lstrip('/')}", _in_path),
        _headers=_compile_headers(version.headers),
        _body=compile_tree(body),
    )


def parameters_found(
    path: str,
    headers: Mapping[str, str],
    body: str,
    known: Sequence[Parameter],
    identifier: str = "",
) -> list[Parameter]:
    """Return the parameters in order of appearance, known ones with their settings.

    A new one that is the whole value of the key named `identifier` (external_id) is
    filled with the person's identifier. Raises BodyError.
    """
    tree = parse_body(body) if body.strip() else None
    names = dict.fromkeys(find(path))
    for value in headers.values():
        names.update(dict.fromkeys(find(value)))
    names.update(dict.fromkeys(find_in_tree(tree)))
    by_name = {parameter.name: parameter for parameter in known}
    bound = _names_at(tree, identifier) if identifier else set()
    return [
        by_name.get(name)
        or Parameter(
            name=name, level=Level.IDENTIFIER if name in bound else Level.ENGAGEMENT
        )
        for name in names
    ]


def _reader(parameter: Parameter) -> _Reader:
    is_fixed = parameter.level == Level.FIXED
    typed = parameter.value if is_fixed else parameter.default
    try:
        fallback = parameter.coerce(typed) if typed else None
    except ValueError as e:
        raise InvalidParameterError(parameter.name, str(e)) from e
    return _Reader(
        name=parameter.name,
        coerce=parameter.coerce,
        fallback=fallback,
        is_fixed=is_fixed,
        is_required=parameter.required,
    )


def _in_path(value: JSON) -> str:
    """A value is one piece of the path: it can neither add a segment nor a query."""
    text = as_text(value)
    if text in (".", ".."):
        raise InvalidParameterError(text, "it cannot be a part of the path")
    return quote(text, safe="")


def _in_header(value: JSON) -> str:
    text = as_text(value)
    if not _HEADER_VALUE.fullmatch(text):
        raise InvalidParameterError(
            text[:40], "it has characters that cannot go into a header"
        )
    return text


def _compile_headers(
    headers: Mapping[str, str],
) -> Callable[[Mapping[str, JSON]], Mapping[str, str]]:
    if not any(find(value) for value in headers.values()):
        return lambda values: headers
    parts = {name: compile_text(value, _in_header) for name, value in headers.items()}
    return lambda values: {name: part(values) for name, part in parts.items()}


def _arrays_used(body: JSON) -> tuple[str, ...]:
    if not isinstance(body, dict):
        return ()
    return tuple(key for key, item in body.items() if isinstance(item, list) and item)


def _has_side_effects(body: JSON, parameters: Sequence[Parameter]) -> bool:
    """Only plain attributes may be sent twice; of anything else we cannot know.

    An object parameter can bring an operator with it.
    """
    if not isinstance(body, dict) or set(body) != {"attributes"}:
        return True
    objects = {p.name for p in parameters if p.type is ParameterType.OBJECT}
    return _has_operator(body, objects)


def _has_operator(tree: JSON, objects: set[str]) -> bool:
    if isinstance(tree, dict):
        return bool(_OPERATORS & tree.keys()) or any(
            _has_operator(item, objects) for item in tree.values()
        )
    if isinstance(tree, list):
        return any(_has_operator(item, objects) for item in tree)
    return whole_name(tree) in objects


def _names_at(tree: JSON, key: str) -> set[str]:
    """Return the placeholders that are the whole value of this key, anywhere."""
    if isinstance(tree, list):
        return {name for item in tree for name in _names_at(item, key)}
    if not isinstance(tree, dict):
        return set()
    found = {name for item in tree.values() for name in _names_at(item, key)}
    name = whole_name(tree.get(key))
    return found | {name} if name else found
