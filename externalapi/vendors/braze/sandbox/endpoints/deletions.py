"""/users/delete (post_user_delete): people go for good, by one kind of identifier.

`deleted` counts who was queued for it, also identifiers that nobody has (recorded).
A deprecated external ID deletes its person as the primary one does.
"""

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import ObjectError
from externalapi.vendors.braze.sandbox.rules.track import is_alias, is_external_id
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
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.matching import meant, prioritization_error
from externalapi.vendors.braze.sandbox.users.store import Store

_KINDS = {
    "external_ids": "external_id",
    "user_aliases": "user_alias",
    "braze_ids": "braze_id",
    "email_addresses": "email",
    "phone_numbers": "phone",
}
_COUNTING = Counting(
    counters=dict.fromkeys(_KINDS, "deleted"), when_none=refusals.NOBODY_TO_DELETE
)


def read(body: object, params: Params) -> Arrays:
    """Each identifier as an object; of addresses with their prioritization."""
    return {
        array: [_as_object(_KINDS[array], one) for one in items]
        for array, items in arrays_in(body, _KINDS).items()
    }


def _as_object(name: str, value: object) -> JsonObject:
    if name in ("email", "phone") and isinstance(value, dict):
        return value
    return {name: value}


def judge(asked: Asked, workspace: Workspace) -> Verdict:
    arrays = {name: items for name, items in asked.arrays.items() if items}
    if not arrays:
        return fatal(refusals.NOBODY_TO_DELETE)
    if len(arrays) > 1:
        return fatal(refusals.ONE_KIND_TO_DELETE)
    ((array, items),) = arrays.items()
    if len(items) > refusals.MAX_OBJECTS:
        return fatal(refusals.TOO_MANY_IDS)
    errors: list[JsonObject] = []
    accepted = sorted_out(items, _error_in, array, errors)
    return counted({array: accepted}, errors, _COUNTING)


def _error_in(item: JsonObject) -> ObjectError | None:
    if "external_id" in item:
        is_valid = is_external_id(item["external_id"])
    elif "user_alias" in item:
        is_valid = is_alias(item["user_alias"])
    elif "braze_id" in item:
        is_valid = isinstance(item["braze_id"], str)
    else:
        return _address_error(item)
    return None if is_valid else refusals.DELETE_IDENTIFIER_NOT_VALID


def _address_error(item: JsonObject) -> ObjectError | None:
    address = item.get("email", item.get("phone"))
    if not isinstance(address, str) or not address:
        return refusals.DELETE_IDENTIFIER_NOT_VALID
    order = item.get("prioritization")
    return prioritization_error(order, refusals.DELETE_PRIORITIZATIONS)


def apply(store: Store, arrived: Arrived) -> None:
    for items in arrived.arrays.values():
        for item in items:
            user = meant(store.people, item)
            if user is not None:
                store.people.remove(user)
