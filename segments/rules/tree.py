"""Rules: the tree that a segment stores, and what it means.

    rule       {"all": [rule, …]}  {"any": [rule, …]}  {"not": rule}
               or one condition, of a kind that kinds.py knows

conditions/ has a module for each kind, operators.py what compares an attribute or a
property. A rule is a condition in SQL over a person; asked of everybody,
or of a few people by probes of their own rows, it is made by the same functions.
verdicts.py asks many rules of a few people at once.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from segments.models import Profile
from segments.rules import kinds, operators
from segments.rules.conditions import (
    attribute,
    event,
    items,
    segment,
    sequence,
    share,
    snapshot,
    uploaded_list,
)
from segments.rules.kinds import Edge, Person, allow
from segments.rules.schema import an_object

MAX_CONDITIONS = 100
# Comparisons that one person's answer and its cause take: about a quarter of a second.
MAX_COST = 400
MAX_DEPTH = 8

for kind in (
    attribute.Attribute(),
    event.Event(),
    sequence.Sequence(),
    items.Items(),
    segment.InSegment(),
    uploaded_list.OnList(),
    share.Share(),
    share.Everybody(),
    snapshot.InSnapshot(),
):
    kinds.register(kind)


class Holds(Func):
    """A valid rule as an expression over Profile, never null."""

    output_field = BooleanField()

    def __init__(self, rule: dict[str, Any], *, is_few: bool) -> None:
        super().__init__(F("pk"))
        self.rule, self.is_few = rule, is_few

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        id, _ = compiler.compile(self.get_source_expressions()[0])
        alias, _, _ = id.rpartition(".")
        return sql(self.rule, Person(alias, is_few=self.is_few)).replace("%", "%%"), []


def validate(rule: object) -> None:
    """Raise a ValidationError whose message names the place, unless the rule is right."""
    _validate(rule, "Rule", depth=1)
    if sum(1 for _ in conditions(rule)) > MAX_CONDITIONS:
        raise ValidationError(f"Rule: use at most {MAX_CONDITIONS} conditions.")
    if (costs := cost(rule)) > MAX_COST:  # type: ignore[arg-type]
        raise ValidationError(
            f"Rule: it compares too much, {costs:,} times where {MAX_COST} is the most. "
            "Use fewer conditions, fewer “where”, shorter lists or fewer groups in "
            "groups."
        )


def problem(rule: object) -> str:
    """What is wrong with a rule that is stored; empty where nothing is."""
    try:
        validate(rule)
    except ValidationError as e:
        return str(e.messages[0])
    return ""


def check_order(rule: dict[str, Any]) -> None:
    """Raise a ValidationError where the ends of a valid rule's “between” are exchanged.

    Nobody is between them. Rules that were saved before stay what they are.
    """
    for place, comparison in _comparisons(rule, "Rule", depth=1):
        if operators.is_exchanged(comparison):
            label = operators.OPERATORS["between"].label
            raise ValidationError(f"{place}, “{label}”: write the smaller one first.")


def people(rule: dict[str, Any], ids: Sequence[int] | None = None) -> QuerySet[Profile]:
    """The people whom the rule takes in: of everybody, or of the given few.

    Raises a ValidationError where the rule is wrong.
    """
    validate(rule)
    holds = Holds(rule, is_few=ids is not None)
    found = Profile.objects.filter(holds, merged_into=None).order_by()
    return found if ids is None else found.filter(pk__in=ids)


def sql(rule: dict[str, Any], person: Person) -> str:
    """A valid rule as SQL that is never null."""
    for group, glue in (("all", " AND "), ("any", " OR ")):
        if group in rule:
            return f"({glue.join(sql(part, person) for part in rule[group])})"
    if "not" in rule:
        return f"(NOT {sql(rule['not'], person)})"
    return kinds.of(rule).sql(rule, person)


def cost(rule: dict[str, Any]) -> int:
    """How many comparisons a valid rule takes, with those that its causes repeat."""
    return (
        _size(rule)
        + _causes_size(rule, 0, is_wanted=True)
        + _causes_size(rule, 0, is_wanted=False)
    )


def event_names(rule: dict[str, Any]) -> list[str]:
    """The names of the events that a valid rule reads, sorted."""
    return sorted({n for c in conditions(rule) for n in kinds.of(c).event_names(c)})


def attribute_names(rule: dict[str, Any]) -> set[str]:
    """The names of the attributes that a valid rule reads."""
    return {n for c in conditions(rule) for n in kinds.of(c).attribute_names(c)}


def reads_the_clock(rule: dict[str, Any]) -> bool:
    """Whether time alone can change who is in."""
    return bool(edges(rule)) or is_counted(rule)


def edges(rule: dict[str, Any]) -> set[Edge]:
    """Whom time alone lets in or out of a valid rule, where a count need not find them."""
    return {edge for c in conditions(rule) for edge in kinds.of(c).edges(c)}


def is_counted(rule: dict[str, Any]) -> bool:
    """Whether only a count finds whom time alone lets in or out of a valid rule.

    So it is where a date that was sent is compared with the time that it is.
    """
    return any(kinds.of(c).is_counted(c) for c in conditions(rule))


def midnights(rule: dict[str, Any]) -> set[str]:
    """The zones at whose midnights alone such a rule needs a count.

    None where it needs one every now and then, or never.
    """
    found = [
        set(kinds.of(c).midnights(c))
        for c in conditions(rule)
        if kinds.of(c).is_counted(c)
    ]
    return set().union(*found) if all(found) else set()


def day_zones(rule: dict[str, Any]) -> set[str]:
    """The zones by whose days a valid rule goes, whatever else it needs a count for."""
    return {zone for c in conditions(rule) for zone in kinds.of(c).midnights(c)}


def describe(rule: dict[str, Any]) -> str:
    """A valid rule as a sentence for people, without a full stop."""
    return _describe(rule, is_inside=False)


def _describe(rule: dict[str, Any], *, is_inside: bool = True) -> str:
    rule = _alone(rule)
    for group, word in (("all", " and "), ("any", " or ")):
        if group in rule:
            said = word.join(_describe(part) for part in rule[group])
            return f"({said})" if is_inside else said
    if "not" in rule:
        inner = _alone(rule["not"])
        if not parts_of(inner):
            return kinds.of(inner).describe_not(inner)
        return f"not ({_describe(inner, is_inside=False)})"
    return kinds.of(rule).describe(rule)


def _alone(rule: dict[str, Any]) -> dict[str, Any]:
    """What a group of one part comes to."""
    while "not" not in rule and len(parts := parts_of(rule)) == 1:
        (rule,) = parts
    return rule


def conditions(rule: Any) -> Iterator[dict[str, Any]]:
    """Every condition of a rule, without the groups around them."""
    for group in ("all", "any"):
        if group in rule:
            for part in rule[group]:
                yield from conditions(part)
            return
    if "not" in rule:
        yield from conditions(rule["not"])
    else:
        yield rule


def parts_of(rule: dict[str, Any]) -> list[dict[str, Any]]:
    """What a valid group is made of; nothing where it is a condition."""
    if "not" in rule:
        return [rule["not"]]
    return rule.get("all") or rule.get("any") or []


def needs_gate(part: dict[str, Any]) -> bool:
    """Whether there may be an event that caused it though the part does not hold."""
    return bool(parts_of(part)) or kinds.of(part).needs_gate(part)


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a rule, for tools and engineers who write one.

    It says what the tree may look like. What depends on several places at once (how
    deep, how many conditions, what the whole costs) only `validate` can say.
    """
    rule = {"$ref": "#/$defs/rule"}
    some = {"type": "array", "items": rule, "minItems": 1}
    groups = [an_object({"all": some}), an_object({"any": some})]
    found = [one for kind in kinds.KINDS.values() for one in kind.schema()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Whom a segment takes in",
        "$defs": {"rule": {"anyOf": [*groups, an_object({"not": rule}), *found]}},
        **rule,
    }


def _size(rule: dict[str, Any]) -> int:
    if parts := parts_of(rule):
        return sum(map(_size, parts))
    return kinds.of(rule).size(rule)


def _causes_size(rule: dict[str, Any], gates: int, *, is_wanted: bool) -> int:
    """What verdicts.cause compares: each event's condition, and the gates before it."""
    if "not" in rule:
        return _causes_size(rule["not"], gates, is_wanted=not is_wanted)
    parts = parts_of(rule)
    if not parts:
        has_cause = kinds.of(rule).has_cause(rule, is_wanted=is_wanted)
        return (_size(rule) + gates) if has_cause else 0
    has_gates = ("any" in rule) is is_wanted
    return sum(
        _causes_size(
            part,
            gates + (_size(part) if has_gates and needs_gate(part) else 0),
            is_wanted=is_wanted,
        )
        for part in parts
    )


def _comparisons(
    rule: dict[str, Any], where: str, *, depth: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The comparisons of a valid rule, each with its place as `_validate` names it."""
    if "not" in rule:
        yield from _comparisons(rule["not"], f"{where}, not", depth=depth + 1)
    elif parts := parts_of(rule):
        for number, part in enumerate(parts, start=1):
            yield from _comparisons(part, _place(where, number, depth), depth=depth + 1)
    else:
        yield from kinds.of(rule).comparisons(rule, where)


def _place(where: str, number: int, depth: int) -> str:
    """What the message calls a part of a group."""
    return f"Condition {number}" if depth == 1 else f"{where}, condition {number}"


def _validate(rule: object, where: str, *, depth: int) -> None:
    if not isinstance(rule, dict) or not rule:
        raise ValidationError(f"{where}: add at least one condition.")
    if depth > MAX_DEPTH:
        raise ValidationError(f"{where}: nest groups at most {MAX_DEPTH} deep.")
    known = (*GROUPS, *kinds.KINDS)
    found = [*(key for key in GROUPS if key in rule), *kinds.keys(rule)]
    if len(found) != 1:
        raise ValidationError(f"{where}: use exactly one of {', '.join(known)}.")
    (key,) = found
    if key in GROUPS:
        allow(rule, {key}, where)
        GROUPS[key](rule, where, depth)
    else:
        kinds.KINDS[key].validate(rule, where)


def _validate_group(rule: dict[str, Any], where: str, depth: int) -> None:
    ((key, parts),) = rule.items()
    if not isinstance(parts, list) or not parts:
        raise ValidationError(f"{where}, {key}: add at least one condition.")
    for number, part in enumerate(parts, start=1):
        _validate(part, _place(where, number, depth), depth=depth + 1)


def _validate_not(rule: dict[str, Any], where: str, depth: int) -> None:
    _validate(rule["not"], f"{where}, not", depth=depth + 1)


GROUPS: dict[str, Callable[[dict[str, Any], str, int], None]] = {
    "all": _validate_group,
    "any": _validate_group,
    "not": _validate_not,
}
