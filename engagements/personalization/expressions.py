"""An expression between `{{` and `}}`, compiled once into a closure.

python-liquid reads the expression; what it means is ours (`filters`). None stands for
missing: it goes through every filter but those that ask about it. Filters,
the number of their arguments and constant arguments are checked when it is compiled.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeAlias

from liquid.builtin.expressions import (
    Filter,
    FilteredExpression,
    KeywordArgument,
    Literal,
    Path,
    StringLiteral,
)
from liquid.expression import Expression

from engagements.personalization.filters import table
from engagements.personalization.filters.budget import MAX_FILTERS, Budget
from engagements.personalization.filters.errors import FilterError
from engagements.personalization.filters.kinds import DATE, Kind, number

Context = Mapping[str, object]
Evaluate: TypeAlias = Callable[[Context, Budget], Any]
# A segment of a path: a name, a place in a list, or what another path says.
Segments = list[str | int | Path]

# The words that mean the time of writing where a date is asked for, as in Liquid.
NOW = ("now", "today")
# What odd data can make of a filter that did not see it coming.
_ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError)


class PersonalizationError(ValueError):
    """A value that cannot be compiled, or cannot be worked out for one person."""


def compile_expression(expression: Expression) -> Evaluate:
    """Return what gives the expression's value; raises PersonalizationError."""
    if not isinstance(expression, FilteredExpression):
        raise PersonalizationError("“if” and “else” cannot be used here.")
    filters = expression.filters or []
    if len(filters) > MAX_FILTERS:
        raise PersonalizationError(f"There are more than {MAX_FILTERS} filters.")
    reads_now = _reads_now(expression)
    evaluate = operand(expression.left, reads_now=reads_now)
    for one in filters:
        evaluate = _filtered(evaluate, one, reads_now=reads_now)
    return evaluate


def paths(expression: Expression) -> Iterator[Segments]:
    """Every path that the expression reads, also inside of others."""
    if isinstance(expression, Path):
        yield expression.path
    if isinstance(expression, FilteredExpression) and _reads_now(expression):
        yield ["now"]
    for child in expression.children():
        yield from paths(child)


def _reads_now(expression: FilteredExpression) -> bool:
    """Whether a word in it means the time: `"now" | date: …`."""
    filters = expression.filters or []
    known = [table.FILTERS.get(one.name) for one in filters]
    if not any(one and one.takes is DATE for one in known):
        return False
    operands = [expression.left, *(arg.value for one in filters for arg in one.args)]
    return any(isinstance(one, StringLiteral) and one.value in NOW for one in operands)


def walk(path: tuple[str, ...]) -> Callable[[Context], Any]:
    """Return what is found at a path of plain names; None where nothing is."""

    def evaluate(context: Context) -> Any:
        value: object = context
        for name in path:
            # Asking for the class first is ten times as fast as Mapping alone.
            if value.__class__ is not dict and not isinstance(value, Mapping):
                return None
            value = value.get(name)
        return value

    return evaluate


def is_plain(path: Segments) -> bool:
    """Whether it has names only: "size", "first" and "last" mean something to Liquid."""
    return all(isinstance(s, str) and s not in _PROPERTIES for s in path)


def operand(expression: Expression, *, reads_now: bool = False) -> Evaluate:
    """Return what gives the value of a path or a literal."""
    if isinstance(expression, Path):
        return _path(expression.path)
    value = _constant(expression, reads_now=reads_now)
    if value is None:
        return lambda context, budget: context.get("now")
    return lambda context, budget: value


def _constant(expression: Expression, *, reads_now: bool) -> Any:
    """A literal's value; None where it means the time of writing."""
    if not isinstance(expression, Literal):
        # As Liquid writes it, `nil` is nothing at all.
        written = str(expression) or "nil"
        raise PersonalizationError(
            f"“{written}” cannot be used here: write a variable, a text in quotes "
            "or a number."
        )
    value = expression.value
    if reads_now and value in NOW:
        return None
    if not isinstance(value, bool | str):
        _check_literal(value)
    return value


def _check_literal(value: int | float) -> None:
    try:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise FilterError("this number is too large")
        number(value)
    except FilterError as e:
        raise PersonalizationError(f"{str(value)[:40]}: {e}.") from e


def _path(segments: Segments) -> Evaluate:
    if is_plain(segments):
        found = walk(tuple(map(str, segments)))
        return lambda context, budget: found(context)
    parts = [_path(s.path) if isinstance(s, Path) else s for s in segments]

    def evaluate(context: Context, budget: Budget) -> Any:
        value: Any = context
        for part in parts:
            key = part(context, budget) if callable(part) else part
            value = _inside(value, key)
            if value is None:
                return None
        return value

    return evaluate


def _inside(value: Any, key: Any) -> Any:
    """What a value has under a name or at a place; None where it has nothing."""
    if isinstance(value, Mapping):
        found = value.get(key) if isinstance(key, str) else None
        return len(value) if found is None and key == "size" else found
    if isinstance(key, str):
        read = _PROPERTIES.get(key)
        return read(value) if read else None
    if not isinstance(value, list) or isinstance(key, bool):
        return None
    is_there = isinstance(key, int) and -len(value) <= key < len(value)
    return value[key] if is_there else None


_PROPERTIES: Mapping[str, Callable[[Any], Any]] = {
    "size": lambda value: len(value) if isinstance(value, str | list) else None,
    "first": lambda value: value[0] if isinstance(value, list) and value else None,
    "last": lambda value: value[-1] if isinstance(value, list) and value else None,
}


def _filtered(value: Evaluate, used: Filter, *, reads_now: bool) -> Evaluate:
    """Return what the filter makes of a value."""
    known = table.FILTERS.get(used.name)
    if known is None:
        raise PersonalizationError(_unknown(used.name))
    arguments, options = _arguments(known, used, reads_now=reads_now)
    apply = partial(known.apply, **options) if options else known.apply
    asks = known.name in table.ASK_ABOUT_MISSING

    def evaluate(context: Context, budget: Budget) -> Any:
        found = value(context, budget)
        if found is None and not asks:
            return None
        given = [argument(context, budget) for argument in arguments]
        if not asks and any(one is None for one in given):
            return None
        try:
            budget.spend(found)
            read = found if found is None else known.takes.read(found)
            made = apply(read, *given)
            budget.made(made)
        except FilterError as e:
            raise PersonalizationError(f"“{known.name}”: {e}") from e
        except _ODD as e:
            raise PersonalizationError(
                f"“{known.name}” cannot be worked out: {type(e).__name__}"
            ) from e
        return made

    return evaluate


def _unknown(name: str) -> str:
    close = get_close_matches(name, table.FILTERS, n=1)
    hint = f" Did you mean “{close[0]}”?" if close else ""
    return f"There is no filter “{name}”.{hint}"


def _arguments(
    known: table.Filter, used: Filter, *, reads_now: bool
) -> tuple[list[Evaluate], dict[str, Any]]:
    """What gives each argument, read; and those that are given by name."""
    by_name = [one for one in used.args if isinstance(one, KeywordArgument)]
    in_order = [one for one in used.args if not isinstance(one, KeywordArgument)]
    if not known.fewest <= len(in_order) <= len(known.arguments):
        raise PersonalizationError(_wrong_number(known))
    options = {}
    for one in by_name:
        if known.option is None or one.name != known.option.name:
            raise PersonalizationError(
                f"“{known.name}” has no “{one.name}”. Write {known.usage}."
            )
        options[one.name] = _read_constant(known, known.option, one.value)
    arguments = [
        _argument(known, argument, one.value, reads_now=reads_now)
        for argument, one in zip(known.arguments, in_order, strict=False)
    ]
    return arguments, options


def _wrong_number(known: table.Filter) -> str:
    if not known.arguments:
        return f"“{known.name}” takes no argument. Write {known.usage}."
    least, most = known.fewest, len(known.arguments)
    count = f"{least}" if least == most else f"{least} to {most}"
    plural = "" if most == 1 else "s"
    return f"“{known.name}” takes {count} argument{plural}. Write {known.usage}."


def _argument(
    known: table.Filter,
    argument: table.Argument,
    expression: Expression,
    *,
    reads_now: bool,
) -> Evaluate:
    if not isinstance(expression, Path):
        if _constant(expression, reads_now=reads_now) is None:
            return lambda context, budget: context.get("now")
        value = _read_constant(known, argument, expression)
        return lambda context, budget: value
    path, kind = _path(expression.path), argument.kind

    def evaluate(context: Context, budget: Budget) -> Any:
        found = path(context, budget)
        if found is None:
            return None
        budget.spend(found)
        return _read(known, argument, kind, found)

    return evaluate


def _read_constant(
    known: table.Filter, argument: table.Argument, expression: Expression
) -> Any:
    value = _constant(expression, reads_now=False)
    return _read(known, argument, argument.kind, value)


def _read(
    known: table.Filter, argument: table.Argument, kind: Kind, value: object
) -> Any:
    try:
        return kind.read(value)
    except FilterError as e:
        raise PersonalizationError(f"“{known.name}”, {argument.name}: {e}") from e
