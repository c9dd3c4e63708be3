"""Judges the body of a track request: which objects Braze would take, and its answer.

Pure: no clock, no storage. The rules are those of post_user_track,
user_attributes_object, event_object and purchase_object; the sentences and what is
known about them are in `externalapi.vendors.braze.facts.contract`. A refused object changes
nothing; the others of the request go through.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping

import orjson

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.facts.contract import ObjectError, ObjectLimit
from externalapi.vendors.braze.sandbox.rules.registry import is_uuid
from externalapi.vendors.braze.sandbox.rules.times import parse_time
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    Counting,
    JsonObject,
    Verdict,
    arrays_in,
    counted,
    fatal,
    sorted_out,
)

# Braze does not publish its rule for addresses: one @, and a dot in the domain.
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
# A character takes at most four bytes, so shorter texts need no encoding to measure.
_SURELY_SHORT_ENOUGH = contract.MAX_EXTERNAL_ID_BYTES // 4


_COUNTING = Counting(
    counters={name: f"{name}_processed" for name in contract.TRACK_ARRAYS},
    when_none=contract.NO_VALID_DATA,
)


def judge(body: object, limit: ObjectLimit) -> Verdict:
    """Braze's answer to the parsed body of a track request."""
    arrays = arrays_of(body)
    if not any(arrays.values()):
        return fatal(contract.NO_VALID_DATA)
    if exceeds(arrays, limit):
        return fatal(contract.MAX_INPUT_LENGTH)
    accepted: Arrays = {}
    errors: list[JsonObject] = []
    for name, items in arrays.items():
        accepted[name] = sorted_out(items, _ERROR_IN[name], name, errors)
    return counted(accepted, errors, _COUNTING)


def arrays_of(body: object) -> Arrays:
    """The arrays that were sent, also empty ones; {} when the body is no such thing."""
    return arrays_in(body, contract.TRACK_ARRAYS)


def exceeds(arrays: Mapping[str, list[JsonObject]], limit: ObjectLimit) -> bool:
    """Whether there are more objects than the plan allows in one request."""
    sizes = [len(items) for items in arrays.values()]
    if limit.combined is not None and sum(sizes) > limit.combined:
        return True
    if limit.per_array is not None and max(sizes) > limit.per_array:
        return True
    return limit.per_user is not None and _largest_share(arrays) > limit.per_user


def _largest_share(arrays: Mapping[str, list[JsonObject]]) -> int:
    people = Counter(
        repr([item.get(key) for key in contract.IDENTIFIERS])
        for items in arrays.values()
        for item in items
        if isinstance(item, dict)
    )
    return max(people.values(), default=0)


# --- Identifiers ----------------------------------------------------------------


def identifier_error(item: object) -> ObjectError | None:
    """post_user_track, "Identifier resolution": one primary at most, one at least."""
    if not isinstance(item, dict):
        return contract.IDENTIFIER_REQUIRED
    external_id = item.get("external_id")
    if external_id is None or external_id == "":
        return _error_without_external_id(item)
    if item.get("user_alias") is not None or item.get("braze_id") is not None:
        return contract.ONE_PRIMARY_IDENTIFIER
    # Integers are in recorded requests that Braze accepted.
    if type(external_id) is int:
        return None
    if not isinstance(external_id, str):
        return contract.EXTERNAL_ID_NOT_VALID
    return _too_long(external_id)


def _too_long(external_id: str) -> ObjectError | None:
    if len(external_id) <= _SURELY_SHORT_ENOUGH:
        return None
    if len(external_id.encode()) <= contract.MAX_EXTERNAL_ID_BYTES:
        return None
    return contract.EXTERNAL_USER_ID_TOO_LARGE


def _error_without_external_id(item: JsonObject) -> ObjectError | None:
    alias, braze_id = item.get("user_alias"), item.get("braze_id")
    if alias is not None and braze_id is not None:
        return contract.ONE_PRIMARY_IDENTIFIER
    if alias is not None:
        return None if is_alias(alias) else contract.ALIAS_NOT_VALID
    if braze_id or item.get("email") or item.get("phone"):
        return None
    return contract.IDENTIFIER_REQUIRED


def is_external_id(value: object) -> bool:
    """A text that is not empty or too long, or an integer, as recorded requests have."""
    if isinstance(value, str):
        return bool(value) and _too_long(value) is None
    return type(value) is int


def is_alias(alias: object) -> bool:
    """user_alias_object: name and label, neither empty, at most 236 bytes each."""
    if not isinstance(alias, dict):
        return False
    return all(
        isinstance(part, str) and 0 < len(part.encode()) <= contract.MAX_ALIAS_BYTES
        for part in (alias.get("alias_name"), alias.get("alias_label"))
    )


# --- Attributes (user_attributes_object) ------------------------------------------


def attributes_error(item: JsonObject) -> ObjectError | None:
    if isinstance(item, dict) and item.get("push_token_import") is True:
        error = _import_error(item)
    else:
        error = identifier_error(item)
    if error is not None or _CHECKED.isdisjoint(item):
        return error
    for name, find_error in _ATTRIBUTE_CHECKS.items():
        if name in item:
            error = find_error(item[name])
            if error is not None:
                return error
    return None


def _import_error(item: JsonObject) -> ObjectError | None:
    if item.get("external_id") or item.get("braze_id") or not item.get("push_tokens"):
        return contract.BAD_PUSH_TOKEN_IMPORT
    return None


def _email_error(email: object) -> ObjectError | None:
    # null removes the address; that is no bad format.
    if email is None or (isinstance(email, str) and _EMAIL.fullmatch(email)):
        return None
    return contract.EMAIL_BAD_FORMAT


def _email_subscribe_error(state: object) -> ObjectError | None:
    known = isinstance(state, str) and state in contract.SUBSCRIPTION_STATES
    return None if known else contract.BAD_EMAIL_SUBSCRIPTION_STATE


def _push_subscribe_error(state: object) -> ObjectError | None:
    known = isinstance(state, str) and state in contract.SUBSCRIPTION_STATES
    return None if known else contract.BAD_PUSH_SUBSCRIPTION_STATE


def _location_error(location: object) -> ObjectError | None:
    if location is None:
        return None
    if isinstance(location, dict):
        longitude, latitude = location.get("longitude"), location.get("latitude")
        if _is_number(longitude, 180) and _is_number(latitude, 90):
            return None
    return contract.BAD_LOCATION_UPDATE


def _is_number(value: object, largest: float = float("inf")) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= largest


def _push_tokens_error(tokens: object) -> ObjectError | None:
    if not isinstance(tokens, list):
        return contract.BAD_PUSH_TOKEN_VALUE
    return next(filter(None, map(_push_token_error, tokens)), None)


def _push_token_error(token: object) -> ObjectError | None:
    if not isinstance(token, dict):
        return contract.BAD_PUSH_TOKEN_VALUE
    if not isinstance(token.get("app_id"), str):
        return contract.BAD_PUSH_TOKEN_APP_ID
    if not isinstance(token.get("token"), str):
        return contract.BAD_PUSH_TOKEN_STRING
    device = token.get("device_id")
    if device is None:
        return None
    if isinstance(device, str) and len(device.encode()) in contract.DEVICE_ID_BYTES:
        return None
    return contract.BAD_DEVICE_ID


def _subscription_groups_error(groups: object) -> ObjectError | None:
    if not isinstance(groups, list):
        return contract.BAD_SUBSCRIPTION_GROUP_ARRAY
    return next(filter(None, map(_subscription_group_error, groups)), None)


def _subscription_group_error(group: object) -> ObjectError | None:
    wanted = ("subscription_group_id", "subscription_state")
    if not isinstance(group, dict) or any(key not in group for key in wanted):
        return contract.BAD_SUBSCRIPTION_GROUP_HASH
    if not is_uuid(group["subscription_group_id"]):
        return contract.BAD_SUBSCRIPTION_GROUP_ID
    state = group["subscription_state"]
    known = isinstance(state, str) and state in contract.GROUP_STATES
    return None if known else contract.BAD_SUBSCRIPTION_GROUP_STATE


def _always_refused(_value: object) -> ObjectError:
    return contract.EMAIL_SUBSCRIPTION_INFO


_ATTRIBUTE_CHECKS: Mapping[str, Callable[[object], ObjectError | None]] = {
    "email": _email_error,
    "email_subscribe": _email_subscribe_error,
    "push_subscribe": _push_subscribe_error,
    "current_location": _location_error,
    "push_tokens": _push_tokens_error,
    "subscription_groups": _subscription_groups_error,
    "email_subscription_info": _always_refused,
}
_CHECKED = frozenset(_ATTRIBUTE_CHECKS)

# --- Events and purchases (event_object, purchase_object) -------------------------


def event_error(item: JsonObject) -> ObjectError | None:
    error = identifier_error(item)
    if error is not None:
        return error
    name = item.get("name")
    if not isinstance(name, str) or not name:
        return contract.NAME_REQUIRED
    if parse_time(item.get("time")) is None:
        return contract.TIME_NOT_VALID
    return _properties_error(item, contract.MAX_EVENT_PROPERTIES_BYTES)


def purchase_error(item: JsonObject) -> ObjectError | None:
    error = identifier_error(item)
    if error is not None:
        return error
    for name, is_valid, error in _PURCHASE_CHECKS:
        if not is_valid(item.get(name)):
            return error
    return _properties_error(item, contract.MAX_PURCHASE_PROPERTIES_BYTES)


def _properties_error(item: JsonObject, max_bytes: int) -> ObjectError | None:
    properties = item.get("properties")
    if properties is None:
        return None
    if not isinstance(properties, dict):
        return contract.PROPERTIES_NOT_VALID
    for name in properties:
        if not 0 < len(name) <= contract.MAX_NAME_CHARS or name[0] == "$":
            return contract.PROPERTIES_NOT_VALID
    if not contract.RESERVED_PROPERTIES.isdisjoint(properties):
        return contract.PROPERTIES_NOT_VALID
    for value in properties.values():
        if isinstance(value, (dict, list)):
            too_large = len(orjson.dumps(properties)) > max_bytes
            return contract.PROPERTIES_NOT_VALID if too_large else None
    return None


def _is_product_id(value: object) -> bool:
    # An integer is in the recorded requests that Braze accepted.
    if type(value) is int:
        return True
    return isinstance(value, str) and 0 < len(value) <= contract.MAX_PRODUCT_ID_CHARS


def _is_currency(value: object) -> bool:
    return isinstance(value, str) and value in contract.CURRENCIES


def _is_quantity(value: object) -> bool:
    if value is None:
        return True
    return type(value) is int and 1 <= value <= contract.MAX_QUANTITY


def _is_time(value: object) -> bool:
    return parse_time(value) is not None


_PURCHASE_CHECKS = (
    ("product_id", _is_product_id, contract.PRODUCT_ID_NOT_VALID),
    ("currency", _is_currency, contract.CURRENCY_NOT_VALID),
    ("price", _is_number, contract.PRICE_NOT_VALID),
    ("quantity", _is_quantity, contract.QUANTITY_NOT_VALID),
    ("time", _is_time, contract.TIME_NOT_VALID),
)
_ERROR_IN: Mapping[str, Callable[[JsonObject], ObjectError | None]] = {
    "attributes": attributes_error,
    "events": event_error,
    "purchases": purchase_error,
}
