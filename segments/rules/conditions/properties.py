"""`where`: what the properties of an event that counts are; all of it must hold."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError

from segments.rules import operators
from segments.rules import schema as schemas
from segments.rules.kinds import Condition, allow, check_name
from segments.rules.operators import literal

# A list is no longer than a rule may be.
MOST = 100


def validate(wheres: object, where: str) -> None:
    """Raise a ValidationError that names the place, unless it is a right list or none."""
    if wheres is None:
        return
    if not isinstance(wheres, list) or len(wheres) > MOST:
        raise ValidationError(f"{where}: “where” is a list of property conditions.")
    for number, one in enumerate(wheres, start=1):
        place = f"{where}, where {number}"
        if not isinstance(one, dict):
            raise ValidationError(f"{place}: enter a property condition.")
        allow(one, {"property", *operators.KEYS}, place)
        check_name(one.get("property"), f"{place}: enter the name of a property")
        operators.validate(one, f"{place}, property {one['property']}")


def schema() -> dict[str, Any]:
    return {
        "type": ["array", "null"],
        "items": {"anyOf": schemas.comparisons("property")},
        "maxItems": MOST,
    }


def of(condition: Condition) -> list[Condition]:
    """The comparisons of a valid condition's `where`."""
    return condition.get("where") or []


def comparisons(condition: Condition, where: str) -> Iterator[tuple[str, Condition]]:
    """Each with its place as `validate` names it."""
    for number, one in enumerate(of(condition), start=1):
        yield f"{where}, where {number}, property {one['property']}", one


def describe(condition: Condition) -> str:
    """“ where form equals x and …”; empty where there is none."""
    said = (operators.describe(one["property"], one) for one in of(condition))
    return f" where {' and '.join(said)}" if of(condition) else ""


def sql(
    condition: Condition, row: str = "e", column: str = "properties"
) -> Iterator[str]:
    """Each as a condition over the row of an event, or what else has properties."""
    for one in of(condition):
        json_value = f"({row}.{column} -> {literal(one['property'])}::text)"
        left = operators.read(operators.reads(one), json_value)
        yield operators.holds(left, one)
