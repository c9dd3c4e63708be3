"""Rules: the tree that a segment stores, and what it means.

    rule       {"all": [rule, …]}  {"any": [rule, …]}  {"not": rule}
               or one condition
    attribute  {"attribute": "city", "is": OPERATOR, "value": VALUE}
               the columns external_id, email and phone are attributes too
    event      {"event": "Lead form submitted", "at_least": 1, "within_days": 30,
                "where": [{"property": "form", "is": OPERATOR, "value": VALUE}, …]}
               at_least is 1, within_days null (ever) and where empty where left out

segments/rules/operators.py has the operators and what each compares. A rule compiles to a
condition over Profile: everybody or a few people, it is the same queryset. verdicts.py
asks many rules of a few people at once, and has the events that made one true.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import reduce
from operator import and_, or_
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from segments.models import Event, Profile
from segments.rules import operators
from segments.rules.operators import Comparison, check_days, is_storable, json_key

COLUMNS = ("external_id", "email", "phone")
MAX_CONDITIONS = 100
# Comparisons that one person's answer and its cause take: about a quarter of a second.
MAX_COST = 400
# So many values of a list cost as much as a comparison.
VALUES_EACH = 50
MAX_DEPTH = 8
MAX_TIMES = 1_000_000
MAX_NAME = 255


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


def check_order(rule: dict[str, Any]) -> None:
    """Raise a ValidationError where the ends of a valid rule's “between” are exchanged.

    Nobody is between them. Rules that were saved before stay what they are.
    """
    for place, comparison in _comparisons(rule, "Rule", depth=1):
        if operators.is_exchanged(comparison):
            label = operators.OPERATORS["between"].label
            raise ValidationError(f"{place}, “{label}”: write the smaller one first.")


def people(rule: dict[str, Any], ids: Sequence[int] | None = None) -> QuerySet[Profile]:
    """The people whom the rule takes in: of everybody, or of the given ids.

    Raises a ValidationError where the rule is wrong.
    """
    validate(rule)
    found = Profile.objects.filter(compile(rule, ids), merged_into=None).order_by()
    return found if ids is None else found.filter(pk__in=ids)


def compile(rule: dict[str, Any], ids: Sequence[int] | None = None) -> Q:
    """A valid rule as a condition over Profile, never null.

    `ids` says for whom the answer is needed: events of other people are not counted.
    """
    if "all" in rule:
        return reduce(and_, (compile(part, ids) for part in rule["all"]))
    if "any" in rule:
        return reduce(or_, (compile(part, ids) for part in rule["any"]))
    if "not" in rule:
        return ~compile(rule["not"], ids)
    if "attribute" in rule:
        return Q(Comparison(_attribute(rule["attribute"]), **_operation(rule)))
    return _did(rule, ids)


def cost(rule: dict[str, Any]) -> int:
    """How many comparisons a valid rule takes, with those that its causes repeat."""
    return (
        _size(rule)
        + _causes_size(rule, 0, is_wanted=True)
        + _causes_size(rule, 0, is_wanted=False)
    )


def event_names(rule: dict[str, Any]) -> list[str]:
    """The names of the events that a valid rule reads, sorted."""
    return sorted({c["event"] for c in conditions(rule) if "event" in c})


def reads_the_clock(rule: dict[str, Any]) -> bool:
    """Whether time alone can change who is in: "within d days", "in the last d days"."""
    return bool(windows(rule)) or reads_dates(rule)


def windows(rule: dict[str, Any]) -> set[tuple[str, int]]:
    """The windows of a valid rule: (name of the event, days)."""
    return {
        (condition["event"], condition["within_days"])
        for condition in conditions(rule)
        if condition.get("within_days")
    }


def reads_dates(rule: dict[str, Any]) -> bool:
    """Whether a valid rule compares a date that is sent with the time that it is."""
    return any(
        condition.get("is") == "in_last_days"
        or any(w["is"] == "in_last_days" for w in condition.get("where") or [])
        for condition in conditions(rule)
    )


def events(rule: dict[str, Any]) -> QuerySet[Event]:
    """Everybody's events that count for a valid event condition, in no order."""
    found = Event.objects.filter(name=rule["event"]).order_by()
    if days := rule.get("within_days"):
        found = found.filter(time__gte=Now() - timedelta(days=days))
    for where in rule.get("where") or []:
        left = json_key("properties", where["property"])
        found = found.filter(Comparison(left, **_operation(where)))
    return found


def describe(rule: dict[str, Any]) -> str:
    """A valid rule as a sentence for people, without a full stop."""
    return _describe(rule, is_inside=False)


def _describe(rule: dict[str, Any], *, is_inside: bool = True) -> str:
    for group, word in (("all", " and "), ("any", " or ")):
        if group in rule:
            said = word.join(_describe(part) for part in rule[group])
            return f"({said})" if is_inside and len(rule[group]) > 1 else said
    if "not" in rule:
        return f"not ({_describe(rule['not'], is_inside=False)})"
    if "attribute" in rule:
        return operators.describe(rule["attribute"].replace("_", " "), rule)
    return _describe_event(rule)


def _describe_event(rule: dict[str, Any]) -> str:
    times, days = rule.get("at_least", 1), rule.get("within_days")
    said = f"did “{rule['event']}”"
    if where := rule.get("where"):
        wheres = (operators.describe(w["property"], w) for w in where)
        said += f" where {' and '.join(wheres)}"
    said += f" at least {times:,} {'time' if times == 1 else 'times'}"
    if days:
        said += f" in the last {days:,} {'day' if days == 1 else 'days'}"
    return said


def _attribute(name: str) -> Combinable:
    if name in COLUMNS:
        return operators.text_column(name)
    return json_key("attributes", name)


def _operation(condition: dict[str, Any]) -> dict[str, Any]:
    return {"operator": condition["is"], "value": value_of(condition)}


def value_of(condition: dict[str, Any]) -> Any:
    """What a valid comparison compares with."""
    value = condition.get("value")
    return _lower(value) if condition.get("attribute") == "email" else value


def _lower(value: Any) -> Any:
    """E-mail addresses are kept in lower case."""
    if isinstance(value, list):
        return [_lower(v) for v in value]
    return value.lower() if isinstance(value, str) else value


def _size(rule: dict[str, Any]) -> int:
    if "event" in rule:
        return 1 + sum(map(_size, rule.get("where") or ()))
    if "is" in rule:
        value = rule.get("value")
        return 1 + (len(value) // VALUES_EACH if isinstance(value, list) else 0)
    return sum(_size(part) for part in _parts(rule))


def _causes_size(rule: dict[str, Any], gates: int, *, is_wanted: bool) -> int:
    """What verdicts.cause compares: each event's condition, and the gates before it."""
    if "not" in rule:
        return _causes_size(rule["not"], gates, is_wanted=not is_wanted)
    if "event" in rule:
        return (_size(rule) + gates) if is_wanted else 0
    has_gates = ("any" in rule) is is_wanted
    return sum(
        _causes_size(
            part,
            gates + (_size(part) if has_gates and needs_gate(part) else 0),
            is_wanted=is_wanted,
        )
        for part in rule.get("all") or rule.get("any") or ()
    )


def _parts(rule: dict[str, Any]) -> list[dict[str, Any]]:
    return rule.get("all") or rule.get("any") or [rule["not"]]


def needs_gate(part: dict[str, Any]) -> bool:
    """Whether an event that satisfies its condition is not yet the whole part."""
    return "event" not in part or part.get("at_least", 1) > 1


def _did(rule: dict[str, Any], ids: Sequence[int] | None) -> Q:
    counted = events(rule)
    if ids is not None:
        counted = counted.filter(profile_id__in=ids)
    if (times := rule.get("at_least", 1)) == 1:
        return Q(Exists(counted.filter(profile_id=OuterRef("pk"))))
    # Not correlated, so that PostgreSQL may group all events once, with one hash.
    often = counted.values("profile_id").annotate(times=Count("pk"))
    return Q(pk__in=often.filter(times__gte=times).values("profile_id"))


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


def _comparisons(
    rule: dict[str, Any], where: str, *, depth: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The comparisons of a valid rule, each with its place as `_validate` names it."""
    if "attribute" in rule:
        yield f"{where}, attribute {rule['attribute']}", rule
    elif "event" in rule:
        for number, one in enumerate(rule.get("where") or (), start=1):
            place = f"{where}, event {rule['event']}, where {number}"
            yield f"{place}, property {one['property']}", one
    elif "not" in rule:
        yield from _comparisons(rule["not"], f"{where}, not", depth=depth + 1)
    else:
        for number, part in enumerate(_parts(rule), start=1):
            yield from _comparisons(part, _place(where, number, depth), depth=depth + 1)


def _place(where: str, number: int, depth: int) -> str:
    """What the message calls a part of a group."""
    return f"Condition {number}" if depth == 1 else f"{where}, condition {number}"


def _validate(rule: object, where: str, *, depth: int) -> None:
    if not isinstance(rule, dict) or not rule:
        raise ValidationError(f"{where}: add at least one condition.")
    if depth > MAX_DEPTH:
        raise ValidationError(f"{where}: nest groups at most {MAX_DEPTH} deep.")
    kinds = [kind for kind in VALIDATORS if kind in rule]
    if len(kinds) != 1:
        choices = ", ".join(VALIDATORS)
        raise ValidationError(f"{where}: use exactly one of {choices}.")
    VALIDATORS[kinds[0]](rule, where, depth)


def _validate_group(rule: dict[str, Any], where: str, depth: int) -> None:
    kind = "all" if "all" in rule else "any"
    _allow(rule, {kind}, where)
    parts = rule[kind]
    if not isinstance(parts, list) or not parts:
        raise ValidationError(f"{where}, {kind}: add at least one condition.")
    for number, part in enumerate(parts, start=1):
        _validate(part, _place(where, number, depth), depth=depth + 1)


def _validate_not(rule: dict[str, Any], where: str, depth: int) -> None:
    _allow(rule, {"not"}, where)
    _validate(rule["not"], f"{where}, not", depth=depth + 1)


def _validate_attribute(rule: dict[str, Any], where: str, depth: int) -> None:
    _allow(rule, {"attribute", "is", "value"}, where)
    _name(rule["attribute"], f"{where}: enter the name of an attribute")
    operators.validate(rule, f"{where}, attribute {rule['attribute']}")


def _validate_event(rule: dict[str, Any], where: str, depth: int) -> None:
    _allow(rule, {"event", "at_least", "within_days", "where"}, where)
    _name(rule["event"], f"{where}: enter the name of an event")
    where = f"{where}, event {rule['event']}"
    times = rule.get("at_least", 1)
    if not isinstance(times, int) or isinstance(times, bool):
        raise ValidationError(f"{where}: “at least” is a whole number of times.")
    if not 1 <= times <= MAX_TIMES:
        raise ValidationError(f"{where}: “at least” is between 1 and {MAX_TIMES:,}.")
    days = rule.get("within_days")
    if days is not None and (problem := check_days(days)):
        raise ValidationError(f"{where}, within days: {problem}, or leave it empty.")
    _validate_where(rule.get("where"), where)


def _validate_where(wheres: object, where: str) -> None:
    if wheres is None:
        return
    if not isinstance(wheres, list) or len(wheres) > MAX_CONDITIONS:
        raise ValidationError(f"{where}: “where” is a list of property conditions.")
    for number, one in enumerate(wheres, start=1):
        place = f"{where}, where {number}"
        if not isinstance(one, dict):
            raise ValidationError(f"{place}: enter a property condition.")
        _allow(one, {"property", "is", "value"}, place)
        _name(one.get("property"), f"{place}: enter the name of a property")
        operators.validate(one, f"{place}, property {one['property']}")


def _allow(rule: dict[str, Any], keys: set[str], where: str) -> None:
    if unknown := sorted(map(str, rule.keys() - keys)):
        key = unknown[0][:50].encode(errors="replace").decode()
        raise ValidationError(f"{where}: “{key}” does not belong here.")


def _name(name: object, message: str) -> None:
    if not isinstance(name, str) or not 0 < len(name.strip()) <= MAX_NAME:
        raise ValidationError(f"{message} of up to {MAX_NAME} characters.")
    if not is_storable(name):
        raise ValidationError(f"{message} without characters that cannot be stored.")


VALIDATORS: dict[str, Callable[[dict[str, Any], str, int], None]] = {
    "all": _validate_group,
    "any": _validate_group,
    "not": _validate_not,
    "attribute": _validate_attribute,
    "event": _validate_event,
}
