"""/users/alias/new and /users/alias/update (post_user_alias, post_users_alias_update).

An alias belongs to one person, and a person has one name for a label
(user_alias_object). That a second name for a label, and a name that somebody else has,
change nothing is inferred.
"""

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import (
    EXTERNAL_USER_ID_TOO_LARGE,
    FatalAnswer,
    ObjectError,
)
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
from externalapi.vendors.braze.sandbox.users.store import Store

_NEW, _UPDATES = "user_aliases", "alias_updates"
_COUNTING_NEW = Counting(counters={_NEW: "aliases_processed"})


def read_new(body: object, params: Params) -> Arrays:
    return {
        name: [_flat(item) for item in items]
        for name, items in arrays_in(body, [_NEW]).items()
    }


def read_updates(body: object, params: Params) -> Arrays:
    return arrays_in(body, [_UPDATES])


def _flat(item: JsonObject) -> JsonObject:
    """A recorded request that Braze took has the alias in an object `user_alias`."""
    alias = item.get("user_alias") if isinstance(item, dict) else None
    return {**item, **alias} if isinstance(alias, dict) else item


def judge_new(asked: Asked, workspace: Workspace) -> Verdict:
    return _judged(asked, _NEW, refusals.NO_ALIASES, _COUNTING_NEW)


def judge_updates(asked: Asked, workspace: Workspace) -> Verdict:
    return _judged(asked, _UPDATES, refusals.NO_ALIAS_UPDATES, Counting())


def _judged(
    asked: Asked, array: str, when_empty: FatalAnswer, counting: Counting
) -> Verdict:
    items = asked.arrays.get(array)
    if not items:
        return fatal(when_empty)
    if len(items) > refusals.MAX_OBJECTS:
        return fatal(refusals.TOO_MANY_IDS_AND_ALIASES)
    errors: list[JsonObject] = []
    accepted = sorted_out(items, _ERROR_IN[array], array, errors)
    return counted({array: accepted}, errors, counting)


def _new_error(item: JsonObject) -> ObjectError | None:
    if not is_alias(item):
        return refusals.ALIAS_REQUIRED
    if item.get("external_id") is not None and not is_external_id(item["external_id"]):
        return EXTERNAL_USER_ID_TOO_LARGE
    return None


def _update_error(item: JsonObject) -> ObjectError | None:
    names = ("old_alias_name", "new_alias_name")
    is_valid = isinstance(item, dict) and all(
        is_alias({"alias_label": item.get("alias_label"), "alias_name": item.get(name)})
        for name in names
    )
    return None if is_valid else refusals.ALIAS_UPDATE_REQUIRED


_ERROR_IN = {_NEW: _new_error, _UPDATES: _update_error}


def apply_new(store: Store, arrived: Arrived) -> None:
    """With an external ID for who has it, without one for a new person."""
    people = store.people
    for item in arrived.arrays[_NEW]:
        label, name = str(item["alias_label"]), str(item["alias_name"])
        if (label, name) in people.by_alias:
            continue
        if item.get("external_id") is None:
            store.touch(people.with_alias(label, name, arrived.at))
            continue
        user = people.find({"external_id": item["external_id"]})
        if user is not None and label not in user.aliases:
            people.set_alias(user, label, name)
            store.touch(user)


def apply_updates(store: Store, arrived: Arrived) -> None:
    """An old name that nobody has, or a new one that somebody has: no change."""
    people = store.people
    for item in arrived.arrays[_UPDATES]:
        label, new = str(item["alias_label"]), str(item["new_alias_name"])
        user = people.by_alias.get((label, str(item["old_alias_name"])))
        if user is not None and (label, new) not in people.by_alias:
            people.set_alias(user, label, new)
            store.touch(user)
