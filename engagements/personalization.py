"""Personalization variables: Liquid expressions over one person's data.

A parameter's value is text with `{{ … }}` in it. Output expressions only, no tags. A
value that is one whole expression keeps its type (42 stays a number); inside text it is
interpolated. What is not known is `MISSING`: never sent as text, never as null, which
Braze would read as "remove this attribute".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import Enum
from typing import Final, Literal

import orjson
from liquid import Environment, RenderContext, Undefined
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

from externalapi.parameters import JSON

ROOTS = ("profile", "event", "segment", "engagement", "now")
FIELDS: Mapping[str, frozenset[str]] = {
    "event": frozenset({"name", "time", "properties", "message_id"}),
    "segment": frozenset({"name", "id"}),
    "engagement": frozenset({"name", "id", "delivery_id"}),
}
MAX_SOURCE = 4_096
MAX_TEXT = 100_000


class Missing(Enum):
    MISSING = "missing"


MISSING: Final = Missing.MISSING

Context = Mapping[str, object]
Result = JSON | Literal[Missing.MISSING]
Evaluate = Callable[[Context], Result]


class PersonalizationError(ValueError):
    """A value that cannot be compiled, or cannot be worked out for one person."""


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


def compile_value(source: str) -> Value:
    """Compile what a marketer typed; raise PersonalizationError in plain words."""
    if len(source) > MAX_SOURCE:
        raise PersonalizationError(f"This is longer than {MAX_SOURCE:,} characters.")
    template = _parse(source)
    variables = _variables(template)
    for path in sorted(variables):
        _check_path(path)
    parts = [_part(template, node) for node in template.nodes]
    path, default = _only_path(template)
    return Value(
        evaluate=parts[0] if len(parts) == 1 else _joined(parts),
        variables=variables,
        has_default=_defaults(template),
        path=path,
        default=default,
    )


def _environment() -> Environment:
    environment = Environment()
    environment.tags = {
        name: tag
        for name, tag in environment.tags.items()
        if name in ("content", "output", "illegal")
    }
    # "safe" marks text as HTML, which means nothing here.
    del environment.filters["safe"]
    return environment


ENVIRONMENT = _environment()


def _parse(source: str) -> BoundTemplate:
    try:
        template = ENVIRONMENT.from_string(source)
    except LiquidError as e:
        raise PersonalizationError(_plain(source, e)) from e
    for node in template.nodes:
        if not isinstance(node, ContentNode | OutputNode):
            raise PersonalizationError("Tags such as {% if %} cannot be used here.")
    for node in template.nodes:
        _check_filters(node)
    return template


def _plain(source: str, error: LiquidError) -> str:
    if "{%" in source:
        return "Tags such as {% if %} cannot be used here, only {{ … }}."
    if source.count("{{") != source.count("}}"):
        return "A {{ has no }} that closes it."
    return f"This expression cannot be read: {error.message}."


def _filters(node: Node) -> list[str]:
    if not isinstance(node, OutputNode):
        return []
    return [f.name for f in getattr(node.expression, "filters", None) or []]


def _check_filters(node: Node) -> None:
    for name in _filters(node):
        if name not in ENVIRONMENT.filters:
            close = get_close_matches(name, ENVIRONMENT.filters, n=1)
            hint = f" Did you mean “{close[0]}”?" if close else ""
            raise PersonalizationError(f"There is no filter “{name}”.{hint}")


def _defaults(template: BoundTemplate) -> bool:
    outputs = [node for node in template.nodes if isinstance(node, OutputNode)]
    return bool(outputs) and all("default" in _filters(node) for node in outputs)


def _variables(template: BoundTemplate) -> frozenset[tuple[str, ...]]:
    found = template.analyze(include_partials=False).globals
    return frozenset(
        tuple(str(segment) for segment in variable.segments)
        for uses in found.values()
        for variable in uses
    )


def _check_path(path: tuple[str, ...]) -> None:
    root, *rest = path
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
    if known and rest[0] not in known:
        choices = ", ".join(f"{root}.{name}" for name in sorted(known))
        raise PersonalizationError(
            f"There is no variable “{root}.{rest[0]}”. There are {choices}."
        )


def _part(template: BoundTemplate, node: Node) -> Evaluate:
    if isinstance(node, ContentNode):
        text = node.text
        return lambda context: text
    assert isinstance(node, OutputNode)
    path = _plain_path(node.expression)
    if not path:
        return _liquid(template, node)
    default = _constant_default(node.expression)
    return _walk(path) if default is None else _or_else(_walk(path), default)


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
    segments = tuple(expression.left.path)
    # "size", "first" and "last" mean something of their own to Liquid.
    if all(isinstance(s, str) and s not in ("size", "first", "last") for s in segments):
        return tuple(str(s) for s in segments)
    return ()


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
    def evaluate(context: Context) -> Result:
        value: object = context
        for name in path:
            # Asking for the class first is ten times as fast as Mapping alone.
            if value.__class__ is not dict and not isinstance(value, Mapping):
                return MISSING
            value = value.get(name)
        return MISSING if value is None else _plain_value(value)

    return evaluate


def _liquid(template: BoundTemplate, node: OutputNode) -> Evaluate:
    expression = node.expression

    def evaluate(context: Context) -> Result:
        try:
            value = expression.evaluate(RenderContext(template, globals=context))
        except (LiquidError, ValueError, TypeError, ArithmeticError) as e:
            raise PersonalizationError(f"{expression}: {e}") from e
        if value is None or isinstance(value, Undefined):
            return MISSING
        return _plain_value(value)

    return evaluate


def _joined(parts: list[Evaluate]) -> Evaluate:
    def evaluate(context: Context) -> Result:
        values = [part(context) for part in parts]
        if any(value is MISSING for value in values):
            return MISSING
        return _bounded("".join(_text(value) for value in values))

    return evaluate


def _plain_value(value: object) -> JSON:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, str):
        return _bounded(str(value))
    if isinstance(value, bool | int | float | list | dict):
        return value
    return _bounded(str(value))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _bounded(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise PersonalizationError(f"The text is longer than {MAX_TEXT:,} characters.")
    return text
