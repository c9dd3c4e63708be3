"""Custom attributes: what one sent value makes of the stored one.

data_types, nested_custom_attribute_support, array_of_objects. Braze reports none of
this: a value that breaks a rule leaves the old one and the request succeeds.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import orjson

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.rules.times import parse_attribute_date

JsonObject = dict[str, object]

_ARRAY_OPERATORS = frozenset({"add", "remove"})
_OBJECT_OPERATORS = frozenset({"$add", "$remove", "$update"})
MISSING: Final = object()


def is_nested(value: object) -> bool:
    """Whether the value is an object or an array of objects, and no plain operator."""
    if isinstance(value, list):
        return any(isinstance(one, dict) for one in value)
    return isinstance(value, dict) and not is_plain_operator(value)


def is_plain_operator(value: Mapping[str, object]) -> bool:
    """{"inc": 1}, {"add": […]} or {"remove": […]} (or the latter two together)."""
    if value.keys() == {"inc"}:
        return True
    if not value or not value.keys() <= _ARRAY_OPERATORS:
        return False
    return all(isinstance(items, list) for items in value.values())


# --- Plain values -------------------------------------------------------------------


def plain_value(old: object, new: object) -> object:
    """What to store for a plain array, an increment, an add or a remove."""
    if isinstance(new, list):
        return _as_set(new)
    if not isinstance(new, dict):
        return old
    if "inc" in new:
        return _incremented(old, new["inc"])
    return _with_members(old, new)


def _incremented(old: object, by: object) -> object:
    if type(by) is not int:
        return old
    if old is MISSING:
        return by
    return old + by if type(old) is int else old


def _with_members(old: object, new: Mapping[str, object]) -> object:
    if old is not MISSING and not isinstance(old, list):
        return old
    members = list(old) if isinstance(old, list) else []
    removed, added = new.get("remove", []), new.get("add", [])
    if isinstance(removed, list):
        members = [one for one in members if one not in removed]
    if isinstance(added, list):
        members = [one for one in members if one not in added] + added
    return _as_set(members)


def _as_set(items: Iterable[object]) -> list[object]:
    """Unique, the last mention counts, and of too many the oldest are dropped."""
    kept = [_short(one) for one in items if one is not None]
    if len({type(one) for one in kept}) > 1:
        kept = [one if isinstance(one, str) else _as_string(one) for one in kept]
    newest_first = dict.fromkeys(reversed([_hashable(one) for one in kept]))
    return list(reversed(newest_first))[-contract.MAX_ARRAY_ITEMS :]


def _hashable(one: object) -> object:
    return one if not isinstance(one, list) else _as_string(one)


def _short(one: object) -> object:
    return one[: contract.MAX_STRING_CHARS] if isinstance(one, str) else one


def _as_string(one: object) -> str:
    return orjson.dumps(one).decode()


# --- Nested values ------------------------------------------------------------------


def is_valid_nested(value: object) -> bool:
    """No null, no bad key, no long string, no malformed {"$time": …} anywhere.

    One such value and Braze drops all nested updates of the request (the questions
    at the end of post_user_track).
    """
    if isinstance(value, dict):
        if value.keys() == {"$time"}:
            return _is_nested_date(value["$time"])
        return all(
            is_valid_key(key) and is_valid_nested(one) for key, one in value.items()
        )
    if isinstance(value, list):
        return all(is_valid_nested(one) for one in value)
    if isinstance(value, str):
        return len(value) <= contract.MAX_STRING_CHARS
    return value is not None


def is_valid_update(value: object) -> bool:
    """As `is_valid_nested`, for a value that may use $add, $remove and $update."""
    if not isinstance(value, dict) or not _uses_operators(value):
        return is_valid_nested(value)
    return all(
        isinstance(steps, list)
        and all(isinstance(step, dict) and _is_valid_step(step) for step in steps)
        for steps in value.values()
    )


def is_valid_key(key: str) -> bool:
    return 0 < len(key) <= contract.MAX_NAME_CHARS and (
        contract.NESTED_KEY_FORBIDDEN.isdisjoint(key)
    )


def nested_value(old: object, new: object, *, merge: bool) -> object:
    """What to store for an object or an array of objects; too large: the old one."""
    result = _changed(old, new, merge=merge)
    too_large = len(orjson.dumps(result)) > contract.MAX_NESTED_BYTES
    return old if too_large else result


def _changed(old: object, new: object, *, merge: bool) -> object:
    if isinstance(new, dict) and _uses_operators(new):
        return _with_object_operators(old, new, merge=merge)
    if merge and isinstance(old, dict) and isinstance(new, dict):
        return _merged(old, new)
    return new


def _uses_operators(value: Mapping[str, object]) -> bool:
    return bool(value) and value.keys() <= _OBJECT_OPERATORS


def _is_valid_step(step: Mapping[str, object]) -> bool:
    plain = {key.removeprefix("$"): one for key, one in step.items()}
    return is_valid_nested(plain)


def _is_nested_date(text: object) -> bool:
    moment = parse_attribute_date(text)
    return moment is not None and moment.year <= contract.NEWEST_YEAR


def _merged(old: Mapping[str, object], new: Mapping[str, object]) -> JsonObject:
    result = dict(old)
    for key, value in new.items():
        result[key] = _changed(result.get(key), value, merge=True)
    return result


def _with_object_operators(
    old: object, new: Mapping[str, object], *, merge: bool
) -> list[object]:
    """In Braze's order, whatever the order sent: $add, then $remove, then $update."""
    items = list(old) if isinstance(old, list) else []
    items += _steps(new, "$add")
    for step in _steps(new, "$remove"):
        items = [one for one in items if not _is_match(one, step)]
    for step in _steps(new, "$update"):
        items = [_updated(one, step, merge=merge) for one in items]
    return items


def _steps(new: Mapping[str, object], operator: str) -> list[JsonObject]:
    steps = new.get(operator, [])
    return steps if isinstance(steps, list) else []


def _is_match(one: object, step: Mapping[str, object]) -> bool:
    key = step.get("$identifier_key")
    if not isinstance(one, dict) or key not in one:
        return False
    return bool(one[key] == step.get("$identifier_value"))


def _updated(one: object, step: Mapping[str, object], *, merge: bool) -> object:
    new = step.get("$new_object")
    if not isinstance(one, dict) or not isinstance(new, dict):
        return one
    if not _is_match(one, step):
        return one
    return _merged(one, new) if merge else new
