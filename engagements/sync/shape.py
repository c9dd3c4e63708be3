"""Which attributes a version's body writes, and from what each is made."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any

from engagements.personalization.liquid import PersonalizationError, compile_value
from externalapi.models import ExternalAPIVersion
from externalapi.template import bodies
from externalapi.template.parameters import Level
from externalapi.template.placeholders import find_in_tree
from externalapi.vendors.braze.facts.contract import identifiers_of
from lemnisk_braze.lib.json_types import JSON

# What says how an object is to be taken, and is no value of the person.
FLAGS = frozenset({"push_token_import"})
# Lists that a null does not clear.
NEVER_NULL = frozenset({"push_tokens", "subscription_groups"})
# What changes a value instead of being one: it goes each time that it is rendered.
OPERATORS = frozenset({"inc", "add", "remove", "$add", "$remove", "$update"})
TAG_BYTES, DIGEST_BYTES = 4, 8
# In the place of a digest: the attribute is there, its value is not known, or was last
# changed by an operation, so that nothing to change is not that it went away.
NOT_KNOWN, CHANGED = bytes(DIGEST_BYTES), b"\xff" * DIGEST_BYTES

TRACK = "/users/track"
NOT_TRACK = (
    "Only requests to Braze’s /users/track have attributes that can be compared."
)
NOT_ONE = (
    "This compares attribute by attribute: the body needs exactly one object in"
    " “attributes”, with their names in it."
)
NO_IDENTIFIER = "The object in “attributes” has no identifier in the body."


class ShapeError(ValueError):
    """The body's attributes cannot be told apart; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The one object of `attributes`, by its names.

    `tags`: name → what it is called in a state, of those that are compared. `volatile`
    are made from what is different each time that a request is written. `operated` say in
    the body how to change a value.
    """

    identifiers: tuple[str, ...]
    tags: Mapping[str, bytes]
    volatile: frozenset[str]
    operated: frozenset[str]

    @property
    def unknown(self) -> bytes:
        """The state of somebody of whom only the names of the attributes are known."""
        return NOT_KNOWN + b"".join(
            tag + (CHANGED if name in self.operated else NOT_KNOWN)
            for name, tag in self.tags.items()
        )


def read(version: ExternalAPIVersion, *each: Mapping[str, str]) -> Shape:
    """Return the shape of a version with an engagement's values; raises ShapeError.

    `each`: with those of each variant.
    """
    template = attributes_of(version)
    identifiers = identifiers_of(template)
    if not identifiers:
        raise ShapeError(NO_IDENTIFIER)
    known = roots(version, *each)
    own = {
        name: made_from(item, known)
        for name, item in template.items()
        if name not in identifiers and not is_flag(name)
    }
    volatile = frozenset(name for name, its in own.items() if "now" in its)
    return Shape(
        identifiers=identifiers,
        tags=_tags([n for n in own if n not in volatile and n not in NEVER_NULL]),
        volatile=volatile,
        operated=frozenset(name for name in own if has_operator(template[name])),
    )


def problem(version: ExternalAPIVersion) -> str:
    """Why attributes cannot be compared one by one; "" where they can."""
    try:
        if not identifiers_of(attributes_of(version)):
            return NO_IDENTIFIER
    except ValueError as e:
        return str(e)
    return ""


def attributes_of(version: ExternalAPIVersion) -> dict[str, JSON]:
    """The template of the one object in `attributes`; raises ShapeError."""
    if not is_track(version):
        raise ShapeError(NOT_TRACK)
    tree = bodies.parse(version.body_kind, version.body)
    items = tree.get("attributes") if isinstance(tree, dict) else None
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        raise ShapeError(NOT_ONE)
    return items[0]


def is_track(version: ExternalAPIVersion) -> bool:
    """Whether its body is one of Braze's /users/track."""
    return version.path.rstrip("/").endswith(TRACK) and version.body_kind == "json"


def has_operator(value: JSON) -> bool:
    """Whether it, or a part of it, says how a value is to be changed."""
    if isinstance(value, dict):
        return bool(OPERATORS & value.keys()) or any(map(has_operator, value.values()))
    return isinstance(value, list) and any(map(has_operator, value))


def objects_of(bodies: Sequence[Any]) -> Sequence[dict[str, JSON]]:
    """The one object of attributes of each, {} where there is none."""
    try:
        found = [body["attributes"][0] for body in bodies]
    except (IndexError, KeyError, TypeError):
        found = []
    if set(map(type, found)) == {dict}:
        return found
    return list(map(object_of, bodies))


def object_of(body: JSON) -> dict[str, JSON]:
    items = body.get("attributes") if isinstance(body, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    return first if isinstance(first, dict) else {}


def with_operators(objects: Sequence[dict[str, JSON]]) -> set[int]:
    """The positions of those that have an operator in the place of a value."""
    kinds = set(map(type, chain.from_iterable(map(dict.values, objects))))
    if dict not in kinds:
        return set()
    return {
        n
        for n, own in enumerate(objects)
        if any(type(value) is dict and has_operator(value) for value in own.values())
    }


def is_flag(name: str) -> bool:
    return name.startswith("_") or name in FLAGS


def is_volatile(*each: Mapping[str, str]) -> bool:
    """Whether any of the values is different each time that a request is written."""
    return any("now" in _roots_of(text) for own in each for text in own.values())


def made_from(template: JSON, known: Mapping[str, Collection[str]]) -> set[str]:
    """What a part of the body is made from (`roots`); nothing for a constant."""
    return set().union(*(known.get(name, ()) for name in find_in_tree(template)))


def roots(version: ExternalAPIVersion, *each: Mapping[str, str]) -> dict[str, set[str]]:
    """Parameter → what it is made from, such as "profile"; nothing for a constant."""
    found: dict[str, set[str]] = {}
    for parameter in version.read_parameters():
        if parameter.level == Level.IDENTIFIER:
            found[parameter.name] = {"profile"}
        elif parameter.level == Level.ENGAGEMENT:
            texts = (own.get(parameter.name, "") for own in each)
            found[parameter.name] = set().union(*map(_roots_of, texts))
    return found


def _roots_of(text: str) -> set[str]:
    """Of what somebody typed; a delivery's name is as new each time as the time is."""
    with suppress(PersonalizationError):
        variables = compile_value(text).variables
        names = {"now" for path in variables if path == ("engagement", "delivery_id")}
        return names | {path[0] for path in variables}
    return set()


def _tags(names: Sequence[str]) -> dict[str, bytes]:
    """A short name for each; two that come to the same are not compared at all."""
    tags = {n: blake2b(n.encode(), digest_size=TAG_BYTES).digest() for n in names}
    several = list(tags.values())
    return {name: tag for name, tag in tags.items() if several.count(tag) == 1}
