"""Personalization variables: Liquid expressions over one person's data.

A parameter's value is text with `{{ … }}` in it, and `tags` that choose among parts of it.
A value that is one whole expression keeps its type (42 stays a number); inside text it is
interpolated. What is not known is `MISSING`: never sent as text, never as null, which
Braze would read as "remove this attribute".
"""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal

from liquid import Environment
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import (
    Filter,
    FilteredExpression,
    Path,
    PositionalArgument,
    StringLiteral,
)
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate

from engagements.personalization import expressions, spelling, tags
from engagements.personalization.expressions import Context, PersonalizationError
from engagements.personalization.filters.budget import MAX_TEXT, Budget
from engagements.personalization.filters.errors import FilterError
from engagements.personalization.filters.kinds import text as as_text
from engagements.personalization.filters.texts import as_json_string
from lemnisk_braze.lib.json_types import JSON

__all__ = ["MISSING", "PersonalizationError", "Value", "compile_value"]

ROOTS = ("profile", "event", "segment", "engagement", "now")
PERSONAL = frozenset({"profile", "event"})
FIELDS: Mapping[str, frozenset[str]] = {
    "event": frozenset({"name", "time", "properties", "message_id"}),
    "segment": frozenset({"name", "id"}),
    "engagement": frozenset({"name", "id", "delivery_id"}),
}
MAX_BYTES = 64 * 1024
# Of so many characters, compiled ones stay in memory.
MAX_KEPT = 1_000
_NOT_CLOSED = "A {{ has no }} that closes it."
_TAG_NOT_CLOSED = "A {% has no %} that closes it."
_CURLY = re.compile("[\u201c\u201d\u2018\u2019\u201e\u00ab\u00bb]")
_SPACED = re.compile(r"\{\{-?\s*(\w+(?:\s+\w+)+)\s*-?\}\}")
_NOTHING = re.compile(r"\{\{-?\s*-?\}\}")


class Missing(Enum):
    MISSING = "missing"


MISSING: Final = Missing.MISSING

Result = JSON | Literal[Missing.MISSING]
Evaluate = Callable[[Context], Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A compiled parameter value.

    `evaluate` gives JSON or MISSING. `variables` are the paths that it reads, such as
    ("profile", "first_name").
    """

    evaluate: Evaluate
    variables: frozenset[tuple[str, ...]]
    has_default: bool
    # The one path that it reads, where it does little else: see `default`.
    path: tuple[str, ...] = ()
    # What stands in where there is nothing at the path.
    default: str = ""

    @property
    def is_personal(self) -> bool:
        """Whether it says something of the person."""
        return _is_personal(self.variables)


def compile_value(source: str) -> Value:
    """Compile what a marketer typed; raise PersonalizationError in plain words."""
    return _kept(source) if len(source) <= MAX_KEPT else _compiled(source)


def _compiled(source: str) -> Value:
    if len(source.encode(errors="replace")) > MAX_BYTES:
        raise PersonalizationError(f"This is longer than {MAX_BYTES // 1024} KB.")
    template = _parse(spelling.translate(source))
    if not all(isinstance(node, ContentNode | OutputNode) for node in template.nodes):
        return _tagged(template)
    outputs = [node for node in template.nodes if isinstance(node, OutputNode)]
    for node in outputs:
        for segments in expressions.paths(node.expression):
            _check_path(segments)
    parts = [_part(node) for node in template.nodes]
    path, default = _only_path(template)
    return Value(
        evaluate=_whole(template, parts),
        variables=_variables(outputs),
        has_default=_have_defaults(outputs),
        path=path,
        default=default,
    )


# A page, or a person's preview, asks for each value three times.
_kept = lru_cache(maxsize=500)(_compiled)


def compile_masked(source: str, mask: Callable[[JSON], JSON]) -> Value:
    """The same value, where what comes from a person is masked, and the text around not.

    Of one with tags all is: which text they choose says something of the person.
    """
    value = compile_value(source)
    if not value.is_personal:
        return value
    nodes = _parse(spelling.translate(source)).nodes
    is_tagged = not all(isinstance(node, ContentNode | OutputNode) for node in nodes)
    if is_tagged or len(nodes) == 1:

        def evaluate(context: Context) -> Result:
            result = value.evaluate(context)
            return MISSING if result is MISSING else mask(result)

        return replace(value, evaluate=evaluate)
    return replace(
        value, evaluate=_joined([_masked_part(node, mask) for node in nodes])
    )


def _masked_part(node: Node, mask: Callable[[JSON], JSON]) -> expressions.Evaluate:
    part = _part(node)
    if not isinstance(node, OutputNode) or not _is_personal(_variables([node])):
        return part

    def evaluate(context: Context, budget: Budget) -> Any:
        value = part(context, budget)
        return None if value is None else mask(_plain_value(value))

    return evaluate


def _is_personal(variables: Iterable[tuple[str, ...]]) -> bool:
    return not {path[0] for path in variables}.isdisjoint(PERSONAL)


def _tagged(template: BoundTemplate) -> Value:
    """A value with tags: what is around what they choose is laid out for the reader."""
    write, paths = tags.compile_nodes(template.nodes, _check_path, ROOTS)

    def evaluate(context: Context) -> Result:
        pieces = write(context, Budget())
        said = [p for p in pieces if p.is_output or p.value.strip()]
        if any(piece.value is None for piece in said):
            return MISSING
        if len(said) == 1 and said[0].is_output:
            return _plain_value(said[0].value)
        text = "".join(_text(piece.value) for piece in pieces).strip()
        return _bounded(text) if text else MISSING

    return Value(
        evaluate=evaluate,
        variables=frozenset(map(_known_part, paths)),
        # What it does without a value stands in its tags.
        has_default=True,
    )


def _environment() -> Environment:
    environment = Environment()
    environment.tags = {
        name: tag
        for name, tag in environment.tags.items()
        if name in ("content", "output", "illegal", *tags.NAMES)
    }
    return environment


ENVIRONMENT = _environment()


def _parse(source: str) -> BoundTemplate:
    # Before python-liquid looks for what is not there, which takes it a second.
    if source.count("{{") > source.count("}}"):
        raise PersonalizationError(_NOT_CLOSED)
    if _NOTHING.search(source):
        raise PersonalizationError("There is nothing between {{ and }}.")
    if source.count("{%") > source.count("%}"):
        raise PersonalizationError(_TAG_NOT_CLOSED)
    tags.check_depth(source)
    try:
        return ENVIRONMENT.from_string(source)
    except LiquidError as e:
        raise PersonalizationError(_plain(source, e)) from e


def _plain(source: str, error: LiquidError) -> str:
    if source.count("{{") != source.count("}}"):
        return _NOT_CLOSED
    if _CURLY.search(source):
        return 'Write straight quotes around a text: "there".'
    if unknown := tags.unknown(source):
        known = ", ".join(tags.NAMES)
        return f"There is no tag “{unknown}”. There are {known}."
    if unclosed := tags.unclosed(source):
        return f"A {{% {unclosed} %}} has no {{% end{unclosed} %}} that closes it."
    if spaced := _SPACED.search(source):
        return (
            f"There is no variable “{spaced[1]}”: with spaces it would be a parameter of"
            " an External API. Use profile, event, segment, engagement or now."
        )
    what = "This" if "{%" in source else "This expression"
    return f"{what} cannot be read: {error.message}."


def _filters(node: Node) -> list[str]:
    if not isinstance(node, OutputNode):
        return []
    return [f.name for f in getattr(node.expression, "filters", None) or []]


def _have_defaults(outputs: list[OutputNode]) -> bool:
    return bool(outputs) and all("default" in _filters(node) for node in outputs)


def _variables(outputs: list[OutputNode]) -> frozenset[tuple[str, ...]]:
    """The paths, each up to where another one says how it goes on."""
    return frozenset(
        _known_part(path)
        for node in outputs
        for path in expressions.paths(node.expression)
    )


def _known_part(path: expressions.Segments) -> tuple[str, ...]:
    names = itertools.takewhile(lambda segment: not isinstance(segment, Path), path)
    return tuple(map(str, names))


def _check_path(path: expressions.Segments) -> None:
    root, *rest = path
    if not isinstance(root, str):
        raise PersonalizationError("A variable begins with a name.")
    if root not in ROOTS:
        close = get_close_matches(root, ROOTS, n=1)
        hint = f" Did you mean “{close[0]}”?" if close else ""
        raise PersonalizationError(
            f"There is no variable “{root}”.{hint}"
            " Use profile, event, segment, engagement or now."
        )
    if root != "now" and not rest:
        raise PersonalizationError(
            f"“{root}” is a group of values: name one, such as {{{{ {root}.name }}}}."
        )
    known = FIELDS.get(root)
    if known and not isinstance(rest[0], Path) and rest[0] not in known:
        choices = ", ".join(f"{root}.{name}" for name in sorted(known))
        raise PersonalizationError(
            f"There is no variable “{root}.{rest[0]}”. There are {choices}."
        )


def _whole(template: BoundTemplate, parts: list[expressions.Evaluate]) -> Evaluate:
    if len(parts) != 1:
        return _joined(parts)
    node = template.nodes[0]
    if isinstance(node, OutputNode) and (path := _plain_path(node.expression)):
        default = _constant_default(node.expression)
        return _walk(path) if default is None else _or_else(_walk(path), default)
    part = parts[0]

    def evaluate(context: Context) -> Result:
        value = part(context, Budget())
        return MISSING if value is None else _plain_value(value)

    return evaluate


def _part(node: Node) -> expressions.Evaluate:
    if isinstance(node, ContentNode):
        text = node.text
        return lambda context, budget: text
    assert isinstance(node, OutputNode)
    return expressions.compile_expression(node.expression)


def _only_path(template: BoundTemplate) -> tuple[tuple[str, ...], str]:
    """The path, and its default, of a value that is one expression and no more."""
    nodes = template.nodes
    if len(nodes) != 1 or not isinstance(nodes[0], OutputNode):
        return (), ""
    expression = nodes[0].expression
    return _plain_path(expression), _constant_default(expression) or ""


def _constant_default(expression: object) -> str | None:
    filters = getattr(expression, "filters", None)
    if not filters or not _is_constant_default(filters[0]):
        return None
    return str(filters[0].args[0].value.value)


def _plain_path(expression: object) -> tuple[str, ...]:
    """The path of an expression that needs no Liquid, empty for all others.

    It is a path and nothing else, or one with a constant default: what nearly all are.
    """
    if not isinstance(expression, FilteredExpression):
        return ()
    filters = expression.filters or []
    if len(filters) > 1 or not all(map(_is_constant_default, filters)):
        return ()
    if not isinstance(expression.left, Path):
        return ()
    segments = expression.left.path
    return tuple(map(str, segments)) if expressions.is_plain(segments) else ()


def _is_constant_default(filter_: Filter) -> bool:
    arguments = filter_.args
    return (
        filter_.name == "default"
        and len(arguments) == 1
        and isinstance(arguments[0], PositionalArgument)
        and isinstance(arguments[0].value, StringLiteral)
    )


def _or_else(walk: Evaluate, default: str) -> Evaluate:
    def evaluate(context: Context) -> Result:
        value = walk(context)
        # Liquid's default takes the place of nothing, false and what is empty.
        is_empty = value is MISSING or value is False or value in ("", [], {})
        return default if is_empty else value

    return evaluate


def _walk(path: tuple[str, ...]) -> Evaluate:
    walk = expressions.walk(path)

    def evaluate(context: Context) -> Result:
        value = walk(context)
        return MISSING if value is None else _plain_value(value)

    return evaluate


def _joined(parts: list[expressions.Evaluate]) -> Evaluate:
    def evaluate(context: Context) -> Result:
        budget = Budget()
        values = [part(context, budget) for part in parts]
        if any(value is None for value in values):
            return MISSING
        return _bounded("".join(map(_text, values)))

    return evaluate


def _plain_value(value: Any) -> JSON:
    if isinstance(value, str):
        return _bounded(value)
    if isinstance(value, datetime):
        return as_text(value)
    found: JSON = value
    return found


def _text(value: Any) -> str:
    """How a value reads inside a text: a list or an object as JSON."""
    try:
        is_json = isinstance(value, list | dict)
        return as_json_string(value) if is_json else as_text(value)
    except FilterError as e:
        raise PersonalizationError(f"{e}") from e


def _bounded(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise PersonalizationError(f"The text is longer than {MAX_TEXT:,} characters.")
    return text
