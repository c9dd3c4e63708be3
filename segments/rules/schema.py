"""The rule as a JSON Schema, for tools and engineers who write one.

It says what the tree may look like. What depends on several places at once (how deep, how
many conditions, what the whole costs) only `tree.validate` can say.
"""

from typing import Any

from segments.rules import operators, tree

_NAME = {"type": "string", "minLength": 1, "maxLength": tree.MAX_NAME, "pattern": r"\S"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": operators.MAX_TEXT}
_SCALAR = {"anyOf": [{"type": ["boolean", "number"]}, _TEXT]}
_DATE = {"type": "string", "pattern": f"^{operators.DATE.pattern}$"}
_DAYS = {"type": "integer", "minimum": 1, "maximum": operators.MAX_DAYS}


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
    "bound": {"anyOf": [{"type": "number"}, _DATE]},
    "pair": {"anyOf": [_pair({"type": "number"}), _pair(_DATE)]},
    "days": _DAYS,
    "nothing": None,
}


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a rule."""
    rule = {"$ref": "#/$defs/rule"}
    some = {"type": "array", "items": rule, "minItems": 1}
    where = {
        "type": ["array", "null"],
        "items": {"anyOf": _comparisons("property")},
        "maxItems": tree.MAX_CONDITIONS,
    }
    event = _object(
        {"event": _NAME},
        at_least={"type": "integer", "minimum": 1, "maximum": tree.MAX_TIMES},
        within_days={"anyOf": [_DAYS, {"type": "null"}]},
        where=where,
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Whom a segment takes in",
        "$defs": {
            "rule": {
                "anyOf": [
                    _object({"all": some}),
                    _object({"any": some}),
                    _object({"not": rule}),
                    event,
                    *_comparisons("attribute"),
                ]
            }
        },
        **rule,
    }


def _comparisons(kind: str) -> list[dict[str, Any]]:
    """What compares an attribute or a property: one for each kind of value."""
    found = []
    for takes, value in VALUES.items():
        names = [name for name, op in operators.OPERATORS.items() if op.takes == takes]
        required = {kind: _NAME, "is": {"enum": names}}
        if value is None:
            found.append(_object(required, value={"type": "null"}))
        else:
            found.append(_object({**required, "value": value}))
    return found


def _object(required: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **others},
        "required": list(required),
        "additionalProperties": False,
    }
