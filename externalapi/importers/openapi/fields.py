"""The values of one described operation: named, picked, and put where they go."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from externalapi.importers.common.suggestions import title, unique_name
from externalapi.importers.common.types import Place, Suggestion
from externalapi.importers.openapi.schema import ABSENT, Field
from externalapi.template.parameters import Level, Parameter, as_text
from externalapi.template.spans import Path
from lemnisk_braze.lib.json_types import JSON

# Below something else, these are named after it: Category ID.
_SAYS_LITTLE = {"ID", "Name", "Type", "Value", "Key", "Code"}
_FEW = 10
_WHOLE = re.compile(r'"(\{\{[^{}"\\]*\}\})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A described value in its place; one that is constant has no name."""

    place: Place
    field: Field
    name: str = ""

    @property
    def is_constant(self) -> bool:
        return self.field.constant is not ABSENT

    @property
    def template(self) -> JSON:
        return self.field.constant if self.is_constant else "{{" + self.name + "}}"

    @property
    def parameter(self) -> Parameter:
        return replace(self.field.parameter, name=self.name)

    @property
    def wire_name(self) -> str:
        """A name as a form or a query has it: address[line1]."""
        first, *rest = map(str, self.field.path)
        return first + "".join(f"[{part}]" for part in rest)


def named(values: Sequence[Value]) -> list[Value]:
    """Return the values with a name of its own for each."""
    taken: set[str] = set()
    found = []
    for value in values:
        if not value.is_constant:
            path = value.field.path
            begun = taken | (_SAYS_LITTLE if len(path) > 1 else set())
            name = unique_name(_title(path), path, begun)
            taken.add(name)
            value = replace(value, name=name)
        found.append(value)
    return found


def _title(path: Path) -> str:
    keys = [part for part in path if part and isinstance(part, str)]
    if not keys:
        return "Body"
    # A name in another script than Latin is a name as well.
    plain = "".join(char for char in keys[-1] if char.isalnum() or char in " -")
    return title(keys[-1]) or plain.strip()[:60] or "Value"


def chosen(values: Sequence[Value], picked: Collection[str] | None) -> list[Value]:
    """Return the values that are sent: what is required and what was picked.

    At first (None) that is what the document gives an example of in the body, and
    all of a small body where it gives none.
    """
    if picked is None:
        picked = {one.name for one in values if _is_offered_first(one)}
        in_body = list(_of(values, Place.BODY))
        if len(in_body) <= _FEW and not any(_is_sent(one, picked) for one in in_body):
            picked |= {one.name for one in in_body}
    kept = [one for one in values if not one.is_constant and _is_sent(one, picked)]
    kept += [one for one in values if one not in kept and _goes_with(one, kept)]
    parents = {(one.place, one.field.path[:-1]) for one in kept}
    return [
        one
        for one in values
        if one in kept
        or (one.is_constant and (one.place, one.field.path[:-1]) in parents)
        or (one.is_constant and one.field.is_required)
    ]


def _is_offered_first(value: Value) -> bool:
    if value.field.parameter.level is Level.IDENTIFIER:
        return True
    return value.place is Place.BODY and value.field.example is not ABSENT


def _is_sent(value: Value, picked: Collection[str]) -> bool:
    return value.field.is_required or value.name in picked


def _goes_with(value: Value, kept: Sequence[Value]) -> bool:
    """Whether something is sent of the object that cannot be without this value."""
    root = value.field.root
    return not value.is_constant and any(
        one.place is value.place and one.field.path[: len(root)] == root for one in kept
    )


def _of(values: Sequence[Value], place: Place) -> Iterator[Value]:
    return (one for one in values if one.place is place and not one.is_constant)


def offered(values: Sequence[Value]) -> tuple[Suggestion, ...]:
    """Return what may be picked, what is required first."""
    suggestions = [
        Suggestion(
            name=one.name,
            text=_shown(one.field),
            places=(one.place,),
            type=one.field.parameter.type,
            is_required=one.field.is_required,
            is_identifier=one.field.parameter.level is Level.IDENTIFIER,
            description=one.field.parameter.description,
        )
        for one in values
        if not one.is_constant
    ]
    return tuple(sorted(suggestions, key=lambda one: not one.is_required))


def _shown(field: Field) -> str:
    parameter = field.parameter
    return parameter.example or parameter.default or " | ".join(parameter.allowed)


def json_body(values: Sequence[Value]) -> str:
    """Return the body's text; the placeholders stand without quotes, as types do."""
    tree: JSON = None
    for value in values:
        tree = _put(tree, value.field.path, value.template)
    text = json.dumps({} if tree is None else tree, indent=2, ensure_ascii=False)
    return _WHOLE.sub(r"\1", text) + "\n"


def _put(tree: JSON, path: Path, leaf: JSON) -> JSON:
    """Return a tree with the leaf in its place; a list has one item at most."""
    if not path:
        return leaf
    first, *rest = path
    if isinstance(first, int):
        inner = tree[0] if isinstance(tree, list) and tree else None
        return [_put(inner, tuple(rest), leaf)]
    known = tree if isinstance(tree, dict) else {}
    return {**known, first: _put(known.get(first), tuple(rest), leaf)}


def form_body(values: Sequence[Value]) -> str:
    """Return a form as an object of its fields."""
    fields = {one.wire_name: as_text(one.template) for one in values}
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
