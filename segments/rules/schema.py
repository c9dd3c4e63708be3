"""What JSON Schemas of conditions are made of; tree.schema is that of a rule."""

from collections.abc import Iterable, Sequence
from typing import Any

from segments.rules import operators
from segments.rules.comparing import patterns, values
from segments.rules.comparing.operator import CALENDAR, FOLD, IN_TEXT, ZONE
from segments.rules.kinds import MAX_NAME

NAME = {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": r"\S"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": values.MAX_TEXT}
_SCALAR = {"anyOf": [{"type": ["boolean", "number"]}, _TEXT]}
DATE = {"type": "string", "pattern": f"^{values.DATE.pattern}$"}
_DAY = {"type": "string", "pattern": f"^{values.DAY.pattern}$"}
DAYS = {"type": "integer", "minimum": 1, "maximum": values.MAX_DAYS}


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
        "maxItems": values.MAX_LIST,
    },
    "bound": {"anyOf": [{"type": "number"}, DATE]},
    "pair": {"anyOf": [_pair({"type": "number"}), _pair(DATE)]},
    "days": DAYS,
    "pattern": {**_TEXT, "maxLength": patterns.MAX_PATTERN},
    "day": _DAY,
    "day_pair": _pair(_DAY),
    "weekdays": {
        "type": "array",
        "items": {"enum": list(values.WEEKDAYS)},
        "minItems": 1,
        "uniqueItems": True,
    },
    "ahead": {"type": "integer", "minimum": 0, "maximum": values.MAX_AHEAD},
    "size": {"type": "integer", "minimum": 0, "maximum": values.MAX_SIZE},
    "nothing": None,
}
_OPTIONS: dict[str, dict[str, Any]] = {
    FOLD: {"type": "boolean"},
    IN_TEXT: {"type": "boolean"},
    CALENDAR: {"type": "boolean"},
    ZONE: {"type": "string", "minLength": 1},
}


def comparisons(kind: str) -> list[dict[str, Any]]:
    """What compares an attribute or a property: one for each value and set of options."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, op in operators.OPERATORS.items():
        alike.setdefault((op.takes, op.options), []).append(name)
    found = []
    for (takes, options), names in alike.items():
        required = {kind: NAME, "is": {"enum": names}}
        optional = {option: _OPTIONS[option] for option in options}
        if (value := VALUES[takes]) is None:
            optional["value"] = {"type": "null"}
        else:
            required["value"] = value
        if CALENDAR in optional:
            # Without it there are no days, and so no zone.
            by_days = {**required, CALENDAR: {"const": True}}
            found.append(an_object(by_days, **{ZONE: _OPTIONS[ZONE]}))
            del optional[ZONE]
        found.append(an_object(required, **optional))
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
