"""The catalogs of the sandbox and what becomes of a value in a field.

Pure. Values are converted to the type of their field, as the pages hint with the error
`unable-to-coerce-value`; which conversions there are is inferred.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from externalapi.vendors.braze.sandbox.rules.times import parse_time
from externalapi.vendors.braze.sandbox.rules.verdicts import JsonObject

NOT_COERCIBLE: Final = object()
_OPERATORS = frozenset({"$add", "$remove"})
_BOOLEANS = {"true": True, "false": False}


@dataclass(slots=True, kw_only=True)
class Catalog:
    """`fields` has the type of each, `id` first; items are found by their IDs."""

    name: str
    description: str = ""
    fields: Mapping[str, str]
    items: dict[str, JsonObject] = field(default_factory=dict)
    updated_at: datetime = datetime.min.replace(tzinfo=UTC)


def empty_copy(catalog: Catalog) -> Catalog:
    return Catalog(
        name=catalog.name, description=catalog.description, fields=catalog.fields
    )


def coerced(kind: str, value: object) -> object:
    """The value in the field's type, or NOT_COERCIBLE; null is left alone."""
    if value is None:
        return None
    if kind == "string":
        return _as_text(value)
    if kind == "number":
        return _as_number(value)
    if kind == "boolean":
        return _as_boolean(value)
    if kind == "time":
        return value if parse_time(value) is not None else NOT_COERCIBLE
    wanted = dict if kind == "object" else list
    return value if isinstance(value, wanted) else NOT_COERCIBLE


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else NOT_COERCIBLE


def _as_number(value: object) -> object:
    if isinstance(value, bool):
        return NOT_COERCIBLE
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str):
        return NOT_COERCIBLE
    try:
        return int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError:
        return NOT_COERCIBLE


def _as_boolean(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _BOOLEANS.get(value.lower(), NOT_COERCIBLE)
    return NOT_COERCIBLE


def is_array_change(value: object) -> bool:
    """{"$add": […], "$remove": […]}, which only a PATCH of an array field knows."""
    return (
        isinstance(value, dict)
        and bool(value)
        and value.keys() <= _OPERATORS
        and all(isinstance(one, list) for one in value.values())
    )


def changed_array(old: object, change: Mapping[str, object]) -> list[object]:
    removed, added = change.get("$remove", []), change.get("$add", [])
    kept = old if isinstance(old, list) else []
    if isinstance(removed, list):
        kept = [one for one in kept if one not in removed]
    return [*kept, *(added if isinstance(added, list) else [])]


def is_deeper(value: object, levels: int) -> bool:
    """Whether objects and arrays are in each other more than that many levels deep."""
    if isinstance(value, dict):
        value = [*value.values()]
    if not isinstance(value, list):
        return False
    return levels == 0 or any(is_deeper(one, levels - 1) for one in value)


def has_bad_key(value: object) -> bool:
    if isinstance(value, dict):
        return any(
            "." in key or "$" in key or has_bad_key(one) for key, one in value.items()
        )
    return isinstance(value, list) and any(map(has_bad_key, value))
