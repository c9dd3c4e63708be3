"""An External API version, compiled: values in, a request out."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from types import MappingProxyType
from typing import NamedTuple

from externalapi.connections.key_rules import KEY_ROOM
from externalapi.http.answer_rules import AnswerRules
from externalapi.http.auth import Auth, SignIn
from externalapi.http.messages import Request
from externalapi.http.ssrf import MAX_URL
from externalapi.models import Connection, ExternalAPIVersion
from externalapi.template import bodies
from externalapi.template.batching import (
    BatchPlan,
    NothingToSendError,
    Packed,
    pack,
    people_per_request,
    without_nothing,
)
from externalapi.template.parameters import (
    InvalidParameterError,
    Level,
    MissingParameterError,
    Parameter,
    ParameterType,
)
from externalapi.template.placeholders import (
    Columns,
    compile_columns,
    find_in_tree,
    whole_name,
)
from externalapi.template.url_and_headers import Query, compile_headers, compile_target
from externalapi.vendors.braze.facts import endpoint_answers
from lemnisk_braze.lib.json_types import JSON

__all__ = [
    "CompiledDefinition",
    "InvalidParameterError",
    "MissingParameterError",
    "Rendered",
    "compile_version",
    "parameters_found",
    "parameters_outside",
]

# Sets of parameters with a value, of one definition, whose way of filling is kept.
SHAPES_KEPT = 64


NOTHING: Mapping[int, str] = MappingProxyType({})

_OPERATORS = frozenset({"inc", "add", "remove", "$add", "$remove", "$update"})


class Rendered(NamedTuple):
    """What values make of a definition: where it goes, and a body for each person.

    `left_out` says what somebody goes without that could not be sent, by the place of
    their body. Read-only: parts are shared.
    """

    path: str
    headers: Mapping[str, str]
    bodies: Sequence[JSON]
    left_out: Mapping[int, str] = NOTHING

    @property
    def body(self) -> JSON:
        """The body of the only, or the first, person."""
        return self.bodies[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledDefinition:
    """What an External API version says, ready to be filled for many people."""

    parameters: tuple[Parameter, ...]
    plan: BatchPlan
    people_per_request: int
    arrays_used: tuple[str, ...]
    # The lists of the body that hold the people's objects, as far as they are known.
    objects: tuple[str, ...]
    # Whether sending the same request twice may change more than sending it once.
    has_side_effects: bool
    method: str
    base_url: str
    # Of a request with a body; empty for one without.
    content_type: str
    is_json: bool
    sign_in: SignIn
    timeout_seconds: int | None
    rules: AnswerRules
    readers: tuple["Reader", ...]
    _path: Callable[[Mapping[str, JSON]], str]
    _headers: Callable[[Mapping[str, JSON]], Mapping[str, str]]
    _body: Callable[[Mapping[str, JSON]], JSON]
    # The names that have values → what fills the body for many people.
    _bodies_of: Callable[[frozenset[str]], Callable[[Columns, int], list[JSON]]]

    @property
    def engagement_parameters(self) -> tuple[Parameter, ...]:
        return self._at(Level.ENGAGEMENT)

    @property
    def identifier_parameters(self) -> tuple[Parameter, ...]:
        return self._at(Level.IDENTIFIER)

    def _at(self, level: Level) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.level == level)

    def with_refused(self, statuses: Collection[int]) -> "CompiledDefinition":
        """The same where these are a refusal, unless the rules say what they are."""
        rules = self.rules
        refused = rules.refused.union(statuses) - rules.retry
        return replace(self, rules=replace(rules, refused=refused))

    def of_body(self) -> "CompiledDefinition":
        """The same with nothing filled into address and headers."""
        return replace(self, _path=lambda values: "", _headers=lambda values: {})

    def render(self, values: Mapping[str, JSON]) -> Rendered:
        """Fill in one person's values, by parameter name.

        None and the empty text count as no value: the default takes their place, else
        an optional parameter's key is left out. Raises MissingParameterError and
        InvalidParameterError.
        """
        read: dict[str, JSON] = {}
        for reader in self.readers:
            value = reader.read(values)
            if value is not None:
                read[reader.parameter.name] = value
        return self.fill(read)

    def fill(self, read: Mapping[str, JSON]) -> Rendered:
        """Fill in one person's values as read; what has no value is not among them."""
        return Rendered(self._path(read), self._headers(read), [self._body(read)])

    def fill_all(self, columns: Columns, count: int) -> Rendered:
        """As fill with a JSON body, for people who all have a value for each name.

        There are `count` of them, and they go into one request, so where it goes is
        the first one's.
        """
        first = {name: column[0] for name, column in columns.items()}
        bodies = self._bodies_of(frozenset(columns))(columns, count)
        return Rendered(self._path(first), self._headers(first), bodies)

    def request(self, rendered: Rendered) -> tuple[Request, Packed]:
        """Pack people into one request; at most `people_per_request` fit.

        Raises TooBigError, and NothingToSendError where one of them has no object.
        """
        headers = {"Accept": "application/json", **rendered.headers}
        if self.content_type:
            headers.setdefault("Content-Type", self.content_type)
        packed = self._pack(rendered)
        request = Request(
            method=self.method,
            url=self.base_url + rendered.path,
            headers=headers,
            body=packed.body if self.content_type else None,
            sign_in=self.sign_in,
            timeout_seconds=self.timeout_seconds,
            rules=self.rules,
            items=self._items(packed),
        )
        return request, packed

    def _pack(self, rendered: Rendered) -> Packed:
        if not self.is_json:
            text = str(rendered.body or "")
            return Packed(body=text.encode(), item_count=1, owners={})
        packed = pack(self.plan, rendered.bodies, self.objects)
        # The usual request has one object of everybody: nobody needs to be looked at.
        is_usual = any(isinstance(own, range) for own in packed.owners.values())
        if not is_usual and any(map(self._is_nothing, rendered.bodies)):
            raise NothingToSendError("Nothing to send: the list is empty.")
        return packed

    def _is_nothing(self, body: JSON) -> bool:
        """Whether a body has no object in any of the lists that it is about."""
        if not isinstance(body, dict):
            return body is None or body == []
        if self.objects:
            return not any(_is_filled(body.get(array)) for array in self.objects)
        return all(item == [] for item in body.values())

    def _items(self, packed: Packed) -> Mapping[str, int]:
        """How many objects an answer can name, by array."""
        counts = {array: len(own) for array, own in packed.owners.items() if own}
        known = {array: n for array, n in counts.items() if array in self.objects}
        return known or counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How one parameter gets its value; `fallback` is the fixed or default one."""

    parameter: Parameter
    fallback: JSON
    _coerce: Callable[[JSON], JSON]

    def read(self, values: Mapping[str, JSON]) -> JSON:
        """The parameter's value for one person, None where there is none.

        Raises MissingParameterError and InvalidParameterError.
        """
        name = self.parameter.name
        is_fixed = self.parameter.level == Level.FIXED
        value = None if is_fixed else values.get(name)
        if value is None or value == "":
            if self.fallback is None and self.parameter.required:
                raise MissingParameterError(name)
            return self.fallback
        try:
            return self._coerce(value)
        except ValueError as e:
            raise InvalidParameterError(name, str(e)) from e


def compile_version(
    version: ExternalAPIVersion, constant: Collection[str] = ()
) -> CompiledDefinition:
    """Compile a version; its connection is read too, so select it with the version.

    `constant` names parameters whose value is the same for everybody: they may stand
    where a request has room for one value only, and people still go together.
    Raises BodyError and InvalidParameterError for what the forms refuse.
    """
    kind = version.body_kind
    body = bodies.parse(kind, version.body)
    content_type = "" if body is None else bodies.content_type(kind, version.headers)
    query = [(name, template) for name, template in version.query]
    parameters = version.read_parameters()
    is_json = kind == "json" and body is not None
    plan = version.plan if is_json else BatchPlan(max_bytes=version.batch_bytes)
    same = {p.name for p in parameters if p.level is Level.FIXED}.union(constant)
    outside = find_in_tree([version.target, *version.headers.values()])
    base_url = version.connection.base_url.rstrip("/")
    known = endpoint_answers.known(version.method, base_url, version.path)
    return CompiledDefinition(
        parameters=parameters,
        plan=plan,
        people_per_request=(
            people_per_request(plan, body, same) if same.issuperset(outside) else 1
        ),
        arrays_used=_arrays_used(body),
        objects=_objects(body, {*plan.arrays, *known.arrays}) if is_json else (),
        has_side_effects=_has_side_effects(body, parameters),
        method=version.method,
        base_url=base_url,
        content_type=content_type,
        is_json=is_json,
        sign_in=version.connection.sign_in,
        timeout_seconds=version.connection.timeout_seconds,
        rules=endpoint_answers.rules_at(known, version.rules),
        readers=tuple(_reader(parameter) for parameter in parameters),
        _path=compile_target(version.path, query, _room(version.connection)),
        _headers=compile_headers(version.headers),
        _body=bodies.compile_body(kind, body, content_type),
        _bodies_of=lru_cache(maxsize=SHAPES_KEPT)(partial(compile_columns, body)),
    )


def _room(connection: Connection) -> int:
    """How long a path with its query may be, beside the host and a key in the query."""
    sign_in = connection.sign_in
    is_in_it = sign_in.auth is Auth.QUERY
    key = KEY_ROOM + len(sign_in.url("", "k")) if is_in_it else 0
    return MAX_URL - len(connection.base_url.rstrip("/")) - key


def parameters_found(
    path: str,
    headers: Mapping[str, str],
    body: str,
    known: Iterable[Parameter],
    identifier: str = "",
    *,
    query: Query = (),
    body_kind: str = "json",
) -> list[Parameter]:
    """Return the parameters in order of appearance, known ones with their settings.

    A new one that is the whole value of the key named `identifier` (external_id) is
    filled with the person's identifier. Raises BodyError.
    """
    tree = bodies.parse(body_kind, body)
    asked: list[JSON] = [{name: template} for name, template in query]
    if body_kind == "form" and isinstance(tree, list):
        tree = [{str(pair[0]): pair[1]} for pair in tree if isinstance(pair, list)]
    names = find_in_tree([path, asked, *headers.values(), tree])
    by_name = {parameter.name: parameter for parameter in known}
    bound = _names_at([asked, tree], identifier) if identifier else set()
    return [
        by_name.get(name)
        or Parameter(
            name=name, level=Level.IDENTIFIER if name in bound else Level.ENGAGEMENT
        )
        for name in names
    ]


def parameters_outside(version: ExternalAPIVersion) -> list[Parameter]:
    """Return the parameters of a version's address and headers, in their order."""
    names = set(find_in_tree([version.target, *version.headers.values()]))
    return [one for one in version.read_parameters() if one.name in names]


def _reader(parameter: Parameter) -> Reader:
    is_fixed = parameter.level == Level.FIXED
    typed = parameter.value if is_fixed else parameter.default
    try:
        coerce = parameter.coercer()
        fallback = coerce(typed) if typed else None
    except ValueError as e:
        raise InvalidParameterError(parameter.name, str(e)) from e
    return Reader(parameter=parameter, fallback=fallback, _coerce=coerce)


def _arrays_used(body: JSON) -> tuple[str, ...]:
    if not isinstance(body, dict):
        return ()
    return tuple(key for key, item in body.items() if isinstance(item, list) and item)


def _objects(body: JSON, arrays: Collection[str]) -> tuple[str, ...]:
    """Of these arrays those that the template fills: with items, or as a parameter."""
    if not isinstance(body, dict):
        return ()
    return tuple(
        key
        for key, item in body.items()
        if key in arrays and (whole_name(item) or (isinstance(item, list) and item))
    )


def _is_filled(value: JSON) -> bool:
    """Whether there is an object; what is no list is for the other side to judge."""
    if isinstance(value, list):
        return bool(without_nothing(value))
    return value is not None


def _has_side_effects(body: JSON, parameters: Sequence[Parameter]) -> bool:
    """Only plain attributes may be sent twice; of anything else we cannot know.

    An object parameter, or one of any type, can bring an operator with it.
    """
    if not isinstance(body, dict) or set(body) != {"attributes"}:
        return True
    kinds = (ParameterType.OBJECT, ParameterType.ANY)
    objects = {p.name for p in parameters if p.type in kinds}
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
