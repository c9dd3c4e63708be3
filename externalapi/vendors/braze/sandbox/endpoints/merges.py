"""/users/merge (post_users_merge): one person becomes part of another.

Errors concern the request as a whole, and success (202) only that it was understood.
"""

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import FatalAnswer
from externalapi.vendors.braze.sandbox.rules.track import is_alias
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    Counting,
    Verdict,
    counted,
    fatal,
)
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.matching import meant, prioritization_error
from externalapi.vendors.braze.sandbox.users.merging import (
    MERGED_FIELDS,
    both_have_invalid_phones,
    merge,
)
from externalapi.vendors.braze.sandbox.users.store import Store
from externalapi.vendors.braze.sandbox.users.users import User

_ARRAY = "merge_updates"
_GONE, _KEPT = "identifier_to_merge", "identifier_to_keep"
_ADDRESSES = ("email", "phone")
_IDENTIFIERS = {"external_id", "user_alias", *_ADDRESSES}


def read(body: object, params: Params) -> Arrays:
    found = body.get(_ARRAY) if isinstance(body, dict) else None
    return {_ARRAY: found} if isinstance(found, list) else {}


def judge(asked: Asked, workspace: Workspace) -> Verdict:
    updates = asked.arrays.get(_ARRAY)
    if not updates or any(not isinstance(one, dict) for one in updates):
        return fatal(refusals.NO_MERGES)
    if len(updates) > refusals.MAX_OBJECTS:
        return fatal(refusals.TOO_MANY_MERGES)
    for update in updates:
        if update.keys() != {_GONE, _KEPT}:
            return fatal(refusals.MERGE_KEYS_NOT_VALID)
        for identifier in update.values():
            refusal = _refusal_of(identifier)
            if refusal is not None:
                return fatal(refusal)
    return counted({_ARRAY: updates}, [], Counting(status=202))


def _refusal_of(identifier: object) -> FatalAnswer | None:
    if not isinstance(identifier, dict):
        return refusals.MERGE_IDENTIFIER_NOT_VALID
    given = identifier.keys() & _IDENTIFIERS
    if len(given) != 1:
        return refusals.MERGE_IDENTIFIER_NOT_VALID
    (name,) = given
    value = identifier[name]
    is_valid = is_alias(value) if name == "user_alias" else isinstance(value, str)
    if not is_valid:
        return refusals.MERGE_IDENTIFIER_NOT_VALID
    if name not in _ADDRESSES:
        return None
    order = identifier.get("prioritization")
    if prioritization_error(order, refusals.PRIORITIZATIONS):
        return refusals.MERGE_PRIORITIZATION_NOT_VALID
    return None


def apply(store: Store, arrived: Arrived) -> None:
    for update in arrived.arrays[_ARRAY]:
        gone, kept = (_meant(store, update[name]) for name in (_GONE, _KEPT))
        if gone is None or kept is None or gone is kept:
            continue
        if not both_have_invalid_phones(gone, kept):
            merge(store, gone, kept, MERGED_FIELDS)


def _meant(store: Store, identifier: object) -> User | None:
    return meant(store.people, identifier) if isinstance(identifier, dict) else None
