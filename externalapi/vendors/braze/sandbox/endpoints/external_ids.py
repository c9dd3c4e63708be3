"""/users/external_ids/rename and /remove (post_external_ids_rename, …_remove).

A renamed person is found by both IDs until the deprecated one is removed. The answers
name each success and each error; that an error is its index and a text is inferred.
"""

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import FatalAnswer
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    JsonObject,
    Verdict,
    fatal,
)
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.store import Store
from externalapi.vendors.braze.sandbox.users.users import People

_RENAMES, _IDS = "external_id_renames", "external_ids"


def read_renames(body: object, params: Params) -> Arrays:
    found = body.get(_RENAMES) if isinstance(body, dict) else None
    return {_RENAMES: found} if isinstance(found, list) else {}


def read_removals(body: object, params: Params) -> Arrays:
    found = body.get(_IDS) if isinstance(body, dict) else None
    if not isinstance(found, list):
        return {}
    return {_IDS: [{"external_id": one} for one in found]}


def judge_renames(asked: Asked, workspace: Workspace) -> Verdict:
    refusal = _refusal(asked, _RENAMES, refusals.NO_RENAMES)
    if refusal is not None:
        return refusal
    people, used = workspace.store.people, set[object]()
    errors: dict[int, str] = {}
    for index, item in enumerate(asked.arrays[_RENAMES]):
        error = _rename_error(people, item, used)
        if error is None:
            used |= {item["current_external_id"], item["new_external_id"]}
        else:
            errors[index] = error
    return _answered(asked, _RENAMES, errors, "external_ids", "rename_errors")


def _rename_error(people: People, item: object, used: set[object]) -> str | None:
    if not isinstance(item, dict):
        return refusals.RENAME_NOT_VALID
    current, new = item.get("current_external_id"), item.get("new_external_id")
    if not isinstance(current, str) or not isinstance(new, str) or not new:
        return refusals.RENAME_NOT_VALID
    if current == new:
        return refusals.RENAME_TO_ITSELF
    if new in people.by_external_id or new in used:
        return refusals.RENAME_TO_TAKEN
    user = people.by_external_id.get(current)
    if user is None or user.external_id != current or current in used:
        return refusals.RENAME_OF_NOBODY
    return None


def judge_removals(asked: Asked, workspace: Workspace) -> Verdict:
    refusal = _refusal(asked, _IDS, refusals.NO_REMOVALS)
    if refusal is not None:
        return refusal
    people = workspace.store.people
    errors = {
        index: error
        for index, item in enumerate(asked.arrays[_IDS])
        if (error := _removal_error(people, item["external_id"])) is not None
    }
    return _answered(asked, _IDS, errors, "removed_ids", "removal_errors")


def _removal_error(people: People, external_id: object) -> str | None:
    user = people.by_external_id.get(str(external_id))
    if user is None:
        return refusals.REMOVAL_OF_NOBODY
    is_primary = user.external_id == external_id
    return refusals.REMOVAL_OF_PRIMARY if is_primary else None


def _refusal(asked: Asked, array: str, when_empty: FatalAnswer) -> Verdict | None:
    items = asked.arrays.get(array)
    if not items:
        return fatal(when_empty)
    too_many = len(items) > refusals.MAX_OBJECTS
    return fatal(refusals.TOO_MANY_IDS) if too_many else None


def _answered(
    asked: Asked, array: str, errors: dict[int, str], done: str, failed: str
) -> Verdict:
    items = asked.arrays[array]
    kept = [item for index, item in enumerate(items) if index not in errors]
    answer: JsonObject = {
        failed: [[index, error] for index, error in errors.items()],
        done: [item["external_id"] for item in kept] if array == _IDS else kept,
        "message": "success",
    }
    refused = {array: [*errors]} if errors else {}
    return Verdict(status=201, answer=answer, accepted={array: kept}, refused=refused)


def apply_renames(store: Store, arrived: Arrived) -> None:
    for item in arrived.arrays[_RENAMES]:
        user = store.people.by_external_id[str(item["current_external_id"])]
        store.people.identify(user, str(item["new_external_id"]))
        store.touch(user)


def apply_removals(store: Store, arrived: Arrived) -> None:
    for item in arrived.arrays[_IDS]:
        external_id = str(item["external_id"])
        if external_id in store.people.by_external_id:
            store.people.without_deprecated_id(external_id)
