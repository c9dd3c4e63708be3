"""What JSON Schemas of conditions are made of; tree.schema is that of a rule."""

from collections.abc import Iterable, Sequence
from typing import Any

from segments.rules import operators
from segments.rules.kinds import MAX_NAME

NAME = {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": r"\S"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": operators.MAX_TEXT}
_SCALAR = {"anyOf": [{"type": ["boolean", "number"]}, _TEXT]}
DATE = {"type": "string", "pattern": f"^{operators.DATE.pattern}$"}
DAYS = {"type": "integer", "minimum": 1, "maximum": operators.MAX_DAYS}


def _pair(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 2, "maxItems": 2}


# By what an operator takes; None takes no value.
VALUES: dict[str, dict[str, Any] | None] = {
    "value": _SCALAR,
    "text": _TEXT,
    "values": {
        "type": "array",
        "items": _SCALAR,
        "minItems": 1,
        "maxItems": operators.MAX_LIST,
    },
    "bound": {"anyOf": [{"type": "number"}, DATE]},
    "pair": {"anyOf": [_pair({"type": "number"}), _pair(DATE)]},
    "days": DAYS,
    "nothing": None,
}


def comparisons(kind: str) -> list[dict[str, Any]]:
    """What compares an attribute or a property: one for each kind of value."""
    found = []
    for takes, value in VALUES.items():
        names = [name for name, op in operators.OPERATORS.items() if op.takes == takes]
        required = {kind: NAME, "is": {"enum": names}}
        if value is None:
            found.append(an_object(required, value={"type": "null"}))
        else:
            found.append(an_object({**required, "value": value}))
    return found


def exclusive(*alternatives: Sequence[str]) -> list[dict[str, Any]]:
    """An object has keys of one of the alternatives at most."""
    return [
        {"not": {"allOf": [has_any(one), has_any(other)]}}
        for n, one in enumerate(alternatives)
        for other in alternatives[:n]
    ]


def has_any(keys: Iterable[str]) -> dict[str, Any]:
    return {"anyOf": [{"required": [key]} for key in keys]}


def an_object(required: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **others},
        "required": list(required),
        "additionalProperties": False,
    }
