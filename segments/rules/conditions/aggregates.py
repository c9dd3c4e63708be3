"""One figure over the events that count: {"of": "amount", "by": "sum", "is": …, "value": …}.

Numbers are added up and compared, also those that came as text; other values are left
out. "distinct" counts the different values of any type (5 and 5.0 are one, 5 and "5"
two). Over no value there is no figure, and the comparison is not true.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError

from segments.rules import schema as schemas
from segments.rules.comparing.numbers import PLAIN
from segments.rules.kinds import Condition, allow, check_name
from segments.rules.operators import OPERATORS, is_number, literal

_JSON = "(e.properties -> $of::text)"
_TEXT = "(e.properties ->> $of::text)"
# As NUMBER_IN_TEXT, but quicker: this reads all events of a person. The inner CASE keeps
# the cast behind its check.
_NUMBER = (
    f"(CASE jsonb_typeof({_JSON}) WHEN 'number' THEN {_JSON}::numeric WHEN 'string' THEN"
    f" CASE WHEN {_TEXT} ~ '{PLAIN}'"
    f" THEN {_TEXT}::numeric END END)"
)
_ANY = f"""nullif(nullif({_JSON}, 'null'), '""')"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`sql` over $x, a value; compared with the rule's number, times `scale`."""

    label: str
    sql: str
    value: str = _NUMBER
    scale: str = "1"


FIGURES = {
    "sum": Figure(label="sum", sql="sum($x)"),
    # Multiplied rather than divided: exact.
    "average": Figure(label="average", sql="sum($x)", scale="count($x)"),
    "smallest": Figure(label="smallest", sql="min($x)"),
    "largest": Figure(label="largest", sql="max($x)"),
    "distinct": Figure(
        label="number of different values",
        sql="nullif(count(DISTINCT $x), 0)",
        value=_ANY,
    ),
}
COMPARISONS = {"greater": ">", "less": "<", "equals": "="}
MOST_DIGITS = 1e30


def validate(aggregate: object, where: str) -> None:
    """Raise a ValidationError that names the place, unless it is right."""
    if not isinstance(aggregate, dict):
        raise ValidationError(f"{where}: enter of, by, is and value.")
    allow(aggregate, {"of", "by", "is", "value"}, where)
    check_name(aggregate.get("of"), f"{where}, of: enter the name of a property")
    by, sign = aggregate.get("by"), aggregate.get("is")
    if not isinstance(by, str) or by not in FIGURES:
        raise ValidationError(f"{where}, by: choose one of {', '.join(FIGURES)}.")
    if not isinstance(sign, str) or sign not in (*COMPARISONS, "between"):
        signs = ", ".join((*COMPARISONS, "between"))
        raise ValidationError(f"{where}: choose a comparison, one of {signs}.")
    if problem := _problem(sign, aggregate.get("value")):
        raise ValidationError(f"{where}: {problem}.")


def _problem(sign: str, value: object) -> str:
    """What is wrong with the rule's number or numbers; empty when nothing is."""
    if sign != "between":
        return "" if is_number(value) else "enter a number"
    if not isinstance(value, list) or len(value) != 2 or not all(map(is_number, value)):
        return "enter two numbers"
    return "write the smaller one first" if value[0] > value[1] else ""


def schema() -> dict[str, Any]:
    number = {
        "type": "number",
        "exclusiveMinimum": -MOST_DIGITS,
        "exclusiveMaximum": MOST_DIGITS,
    }
    pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    required = {"of": schemas.NAME, "by": {"enum": list(FIGURES)}}
    return {
        "anyOf": [
            schemas.an_object(
                {**required, "is": {"enum": list(COMPARISONS)}, "value": number}
            ),
            schemas.an_object({**required, "is": {"const": "between"}, "value": pair}),
        ]
    }


def describe(aggregate: Condition, events: str) -> str:
    """“the sum of “amount” over “Order” … is greater than 500”."""
    label, value = OPERATORS[aggregate["is"]].label, aggregate["value"]
    said = " and ".join(map(str, value)) if isinstance(value, list) else str(value)
    figure = FIGURES[aggregate["by"]].label
    return f"the {figure} of “{aggregate['of']}” over {events} {label} {said}"


def value(aggregate: Condition) -> str:
    """SQL of the value that an event `e` has for it; null where it has none."""
    return FIGURES[aggregate["by"]].value.replace("$of", literal(aggregate["of"]))


def figure(aggregate: Condition) -> str:
    """SQL of the figure over events `e`, as people know it; null over no value."""
    of = FIGURES[aggregate["by"]]
    x = value(aggregate)
    return f"{of.sql.replace('$x', x)} / nullif({of.scale.replace('$x', x)}, 0)"


def say(aggregate: Condition, found: Decimal | None) -> str:
    """A sentence on the figure that was found."""
    label = FIGURES[aggregate["by"]].label.capitalize()
    if found is None:
        return f"{label}: there is no value."
    return f"{label}: {found:,.6f}".rstrip("0").rstrip(".") + "."


def holds(aggregate: Condition) -> str:
    """The comparison in SQL over a group of events `e`; null over no value."""
    of = FIGURES[aggregate["by"]]
    x = value(aggregate)
    left, scale = of.sql.replace("$x", x), of.scale.replace("$x", x)
    bounds = aggregate["value"]
    if isinstance(bounds, list):
        low, high = (f"{one}::numeric * {scale}" for one in map(_number, bounds))
        return f"{left} BETWEEN {low} AND {high}"
    return f"{left} {COMPARISONS[aggregate['is']]} {_number(bounds)}::numeric * {scale}"


def _number(value: object) -> str:
    return literal(str(value))
