"""The values that an OpenAPI schema describes: where each stands, and what it is.

A `$ref` is followed inside the document only; nothing is ever fetched. What refers to
itself is cut where it begins again, and what is too large where a bound is met: the
notes say so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast
from urllib.parse import unquote

from django.utils.html import strip_tags

from externalapi.importers.common.json_reader import (
    list_at,
    object_at,
    pointer,
    printed,
)
from externalapi.importers.common.suggestions import IDENTIFIERS, type_of
from externalapi.importers.common.types import short
from externalapi.importers.openapi.schema_merge import joined
from externalapi.template.parameter_checks import MAX_ALLOWED, MAX_WORDS
from externalapi.template.parameters import Level, Parameter, ParameterType, as_text
from externalapi.template.spans import Path, path_text
from lemnisk_braze.lib.json_types import JSON

MAX_FIELDS = 200
# Of one request's schemas: a small document can describe an endless body.
MAX_STEPS = 5_000
MAX_LEVELS = 12
MAX_DESCRIPTION = 500
# The value of an example that there is not; null is a value.
ABSENT = cast(JSON, object())

_PARTS = frozenset({"allOf", "oneOf", "anyOf"})
_TYPES = {
    "integer": ParameterType.INTEGER,
    "number": ParameterType.NUMBER,
    "boolean": ParameterType.BOOLEAN,
    "array": ParameterType.LIST,
    "object": ParameterType.OBJECT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of a request; `constant` where the document allows no other.

    It is required in all that is below `root`: nothing there, and it always is.
    `parameter` has no name yet. `example` is the document's, or ABSENT.
    """

    path: Path
    parameter: Parameter
    root: Path = ()
    is_binary: bool = False
    example: JSON = ABSENT
    constant: JSON = ABSENT

    @property
    def is_required(self) -> bool:
        return not self.root


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema with its `$ref` followed; `refs` are those on the way to it."""

    keys: Mapping[str, JSON]
    where: str
    refs: frozenset[str] = frozenset()
    is_cut: bool = False

    def part(self, keys: JSON, *way: str | int) -> "Schema":
        where = pointer(self.where, *way)
        # A schema may be just true or false, which say nothing of the value.
        known = keys if isinstance(keys, dict) else {}
        return replace(self, keys=known, where=where, is_cut=False)


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads schemas of one document; notes are added on the way."""

    root: Mapping[str, JSON]
    notes: list[str] = field(default_factory=list)
    steps: int = 0

    def note(self, text: str) -> None:
        if text not in self.notes and len(self.notes) < 50:
            self.notes.append(text)

    # $ref

    def followed(self, schema: Schema, *, is_path_item: bool = False) -> Schema:
        """Return what a schema's `$ref` leads to; one that cannot be is empty.

        What stands beside it counts as well, except before OpenAPI 3.1, where it
        "SHALL be ignored" but for a path item.
        """
        while isinstance(ref := schema.keys.get("$ref"), str):
            if ref in schema.refs:
                return replace(schema, keys={}, is_cut=True)
            beside = {k: v for k, v in schema.keys.items() if k != "$ref"}
            schema = Schema(keys=self.at(ref), where=ref, refs=schema.refs | {ref})
            if beside and (is_path_item or not self._ignores_siblings):
                schema = replace(schema, keys=joined(beside, schema.keys))
        return schema

    @property
    def _ignores_siblings(self) -> bool:
        return str(self.root.get("openapi")).startswith("3.0")

    def at(self, ref: str) -> Mapping[str, JSON]:
        """Return the object that a reference leads to inside the document."""
        if not ref.startswith("#"):
            self.note(
                f"“{short(ref)}” is outside the document and is not fetched: "
                "put its parts into the document if you need them."
            )
            return {}
        found: JSON = dict(self.root)
        for part in unquote(ref).removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            found = _inside(found, key)
        if not isinstance(found, dict):
            self.note(f"“{short(ref)}” leads nowhere in the document.")
            return {}
        return found

    # allOf, oneOf, anyOf

    def whole(self, schema: Schema, level: int = 0) -> Schema:
        """Return a schema with all its parts put together."""
        self.steps += 1
        schema = self.followed(schema)
        if self.steps > MAX_STEPS or level > MAX_LEVELS:
            return schema
        parts = list_at(schema.keys.get("allOf"), pointer(schema.where, "allOf"))
        for index, part in enumerate(parts):
            inner = self.whole(schema.part(part, "allOf", index), level + 1)
            schema = _with_part(schema, inner)
        for key in ("oneOf", "anyOf"):
            if chosen := self._chosen(schema, key):
                schema = _with_part(schema, self.whole(chosen, level + 1))
        rest = {k: v for k, v in schema.keys.items() if k not in _PARTS}
        return replace(schema, keys=rest)

    def _chosen(self, schema: Schema, key: str) -> Schema | None:
        choices = [
            schema.part(one, key, index)
            for index, one in enumerate(
                list_at(schema.keys.get(key), pointer(schema.where, key))
            )
        ]
        real = [one for one in choices if one.keys.get("type") != "null"]
        # A reference is a text; what else stands there leads nowhere.
        open_ones = [
            one for one in real if str(one.keys.get("$ref")) not in schema.refs
        ]
        if len(real) > 1:
            names = ", ".join(_name(one) for one in real)
            self.note(
                f"{_label(schema)} can be one of {short(names)}: "
                f"{_name((open_ones or real)[0])} is taken."
            )
        return next(iter(open_ones or real), None)

    # Values

    def fields(
        self, schema: Schema, path: Path, example: JSON, *, root: Path
    ) -> Iterator[Field]:
        """Yield the values below a schema, in its order; for `root` see Field."""
        schema = self.whole(schema)
        if self.steps > MAX_STEPS:
            self.note("The request is too large to show whole: a part is left out.")
            return
        if schema.is_cut:
            self.note(
                f"{_quoted(path)} contains itself ({printed(schema.where)}): "
                "left out from there."
            )
            return
        example = own_example(schema.keys) if example is ABSENT else example
        match _kind(schema.keys, example):
            case "object" if len(path) < MAX_LEVELS:
                yield from self._object(schema, path, example, root)
            case "array" if len(path) < MAX_LEVELS:
                yield from self._list(schema, path, example, root)
            case _:
                yield _field(schema.keys, path, example, root)

    def value(self, schema: Schema, path: Path, example: JSON, *, root: Path) -> Field:
        """Return a schema as one value, whatever is in it."""
        keys = self.whole(schema).keys
        example = own_example(keys) if example is ABSENT else example
        return _field(keys, path, example, root)

    def example(self, one: Schema) -> JSON:
        """Return the example of a parameter or media type, or ABSENT."""
        examples = one.keys.get("examples")
        if isinstance(examples, dict) and examples and "example" not in one.keys:
            name, first = next(iter(examples.items()))
            part = self.followed(one.part(first, "examples", name))
            return part.keys.get("value", ABSENT)
        return own_example(one.keys)

    def _object(
        self, schema: Schema, path: Path, example: JSON, root: Path
    ) -> Iterator[Field]:
        known = object_at(
            schema.keys.get("properties"), pointer(schema.where, "properties")
        )
        values = example if isinstance(example, dict) else {}
        properties = dict.fromkeys(values, True) | dict(known)
        required = list_at(
            schema.keys.get("required"), pointer(schema.where, "required")
        )
        if not properties:
            yield _field(schema.keys, path, example, root)
        for key in (*known, *(key for key in properties if key not in known)):
            part = schema.part(properties[key], "properties", key)
            part = self.whole(part)
            if part.keys.get("readOnly") is True:
                continue
            if "{{" in key or not key:
                self.note(f"The field “{short(key)}” cannot be named: left out.")
                continue
            value = values.get(key, ABSENT)
            inner = (*path, key)
            own = root if key in required else inner
            yield from self.fields(part, inner, value, root=own)

    def _list(
        self, schema: Schema, path: Path, example: JSON, root: Path
    ) -> Iterator[Field]:
        """A list of objects is shown by its first; any other is one value."""
        items = self.whole(schema.part(schema.keys.get("items"), "items"))
        first = example[0] if isinstance(example, list) and example else ABSENT
        if items.is_cut or _kind(items.keys, first) != "object":
            yield _field(schema.keys, path, example, root)
            return
        has_parts = items.keys.get("properties") or isinstance(first, dict)
        if not has_parts:
            yield _field(schema.keys, path, example, root)
            return
        self.note(f"{_quoted(path)} is a list: one item of it is written out.")
        yield from self.fields(items, (*path, 0), first, root=root)


def own_example(keys: Mapping[str, JSON]) -> JSON:
    """Return the example that a schema or a media type has, or ABSENT."""
    if "example" in keys:
        return keys["example"]
    examples = keys.get("examples")
    if isinstance(examples, list) and examples:
        return examples[0]
    return ABSENT


def description_of(keys: Mapping[str, JSON]) -> str:
    """Return a description as one plain line, at most MAX_DESCRIPTION long."""
    text = keys.get("description")
    if not isinstance(text, str):
        return ""
    plain = " ".join(strip_tags(text[: MAX_DESCRIPTION * 4]).split())
    if len(plain) <= MAX_DESCRIPTION:
        return plain
    return f"{plain[: MAX_DESCRIPTION - 1]}…"


def _inside(tree: JSON, key: str) -> JSON:
    if isinstance(tree, dict):
        return tree.get(key)
    if isinstance(tree, list) and key.isdecimal() and int(key) < len(tree):
        return tree[int(key)]
    return None


def _with_part(schema: Schema, part: Schema) -> Schema:
    keys = joined(schema.keys, part.keys)
    return replace(schema, keys=keys, refs=schema.refs | part.refs)


def _label(schema: Schema) -> str:
    """What people know a schema by: the last name on the way to it."""
    last = schema.where.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    return "The body" if last == "schema" else f"“{short(last)}”"


def _name(schema: Schema) -> str:
    ref = schema.keys.get("$ref")
    if isinstance(ref, str):
        return ref.rpartition("/")[2]
    return str(schema.keys.get("title") or schema.keys.get("type") or "a value")


def _kind(keys: Mapping[str, JSON], example: JSON) -> str:
    """Return a schema's type; what says none is known by its parts, or an example."""
    said = keys.get("type")
    if isinstance(said, list):
        said = next((one for one in said if one != "null"), None)
    if isinstance(said, str):
        return said
    if "properties" in keys or isinstance(example, dict):
        return "object"
    if "items" in keys or isinstance(example, list):
        return "array"
    return ""


def _field(keys: Mapping[str, JSON], path: Path, example: JSON, root: Path) -> Field:
    allowed = keys.get("enum")
    listed = allowed if isinstance(allowed, list) else []
    # An empty text takes a value away, which is not what anybody fills in.
    choices: list[JSON] = [one for one in listed if one not in (None, "")]
    constant = keys.get("const", ABSENT)
    if constant is ABSENT and len(listed) == 1:
        constant = listed[0]
    parameter = Parameter(
        name="",
        type=_type(keys, example, choices),
        description=description_of(keys),
        required=not root or root != path,
        level=_level(path),
    )
    parameter = replace(parameter, allowed=_allowed(parameter, choices))
    shown = _fitting(parameter, example)
    parameter = replace(
        parameter,
        default=_fitting(parameter, keys.get("default", ABSENT)),
        example=shown if len(shown) <= MAX_WORDS else "",
    )
    return Field(
        path=path,
        parameter=parameter,
        root=root,
        is_binary=keys.get("format") == "binary" or "contentMediaType" in keys,
        example=example,
        constant=constant,
    )


def _level(path: Path) -> Level:
    is_person = bool(path) and str(path[-1]).lower() in IDENTIFIERS
    return Level.IDENTIFIER if is_person else Level.ENGAGEMENT


def _type(
    keys: Mapping[str, JSON], example: JSON, choices: list[JSON]
) -> ParameterType:
    kind = _kind(keys, example)
    if kind == "string":
        is_time = keys.get("format") == "date-time"
        return ParameterType.DATETIME if is_time else ParameterType.TEXT
    if kind in _TYPES:
        return _TYPES[kind]
    known = [*choices, *([] if example is ABSENT else [example])]
    return type_of(known[0]) if known else ParameterType.TEXT


def _allowed(parameter: Parameter, choices: list[JSON]) -> tuple[str, ...]:
    """Return an enumeration's values as they are typed; none where one cannot be."""
    written = tuple(as_text(one) for one in choices)
    if len(choices) > MAX_ALLOWED or not all(written):
        return ()
    if any(not _fitting(parameter, one) for one in written):
        return ()
    # A line each: what has more or begins with a space could not be typed again.
    return written if all(one == " ".join(one.split()) for one in written) else ()


def _fitting(parameter: Parameter, value: JSON) -> str:
    """Return a value as it is typed, or nothing where the parameter refuses it."""
    if value is ABSENT or value is None:
        return ""
    try:
        text = as_text(value)
        parameter.coerce(text)
    except (ValueError, TypeError):
        return ""
    return text


def _quoted(path: Path) -> str:
    return f"“{short(path_text(path))}”" if path else "The body"
