"""/users/export/ids (post_users_identifier): profiles by any identifier."""

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    JsonObject,
    Verdict,
    fatal,
)
from externalapi.vendors.braze.sandbox.runtime.route import Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users import exports
from externalapi.vendors.braze.sandbox.users.store import Store
from externalapi.vendors.braze.sandbox.users.users import User

BUCKETS = 10_000
# Any number that has no factor in common with it.
_SPREAD = 6_101
_LISTS = (("external_ids", "external_id"), ("user_aliases", "user_alias"))
_SINGLES = (("braze_id", "braze_id"), ("email_address", "email"), ("phone", "phone"))


def read(body: object, params: Params) -> Arrays:
    """The people an export asks for, each as an object with one identifier."""
    if not isinstance(body, dict):
        return {}
    wanted: list[JsonObject] = []
    for field, name in _LISTS:
        values = body.get(field)
        wanted += [{name: one} for one in values] if isinstance(values, list) else []
    wanted += [{name: body[field]} for field, name in _SINGLES if body.get(field)]
    return {"users": wanted}


def judge(asked: Asked, workspace: Workspace) -> Verdict:
    if not isinstance(asked.body, dict):
        return fatal(contract.BAD_JSON)
    wanted = asked.arrays["users"]
    if len(wanted) > contract.MAX_EXPORT_IDS:
        return fatal(contract.TOO_MANY_IDS)
    answer = _exported(workspace.store, wanted, asked.body.get("fields_to_export"))
    return Verdict(status=201, answer=answer)


def _exported(store: Store, wanted: list[JsonObject], fields: object) -> JsonObject:
    found: dict[str, User] = {}
    unknown: list[object] = []
    for item in wanted:
        user = store.people.find(item)
        if user is None:
            unknown += item.values()
        else:
            found[user.braze_id] = user
    users = [_chosen(_shown(user), fields) for user in found.values()]
    answer: JsonObject = {"users": users, "message": contract.SUCCESS_MESSAGE}
    if unknown:
        answer["invalid_user_ids"] = unknown
    return answer


def _shown(user: User) -> JsonObject:
    """As recorded answers and the page's example have it.

    `appboy_id` is the old name of the Braze ID, the bucket a number of the person for
    random samples; nothing is said of events and purchases where there are none.
    """
    shown = exports.exported(user)
    for name in ("custom_events", "purchases"):
        if not shown[name]:
            del shown[name]
    if shown.get("dob"):
        shown["dob"] = f"{shown['dob']}T00:00:00.000Z"
    bucket = user.number * _SPREAD % BUCKETS
    return {**shown, "appboy_id": user.braze_id, "random_bucket": bucket}


def _chosen(user: JsonObject, fields: object) -> JsonObject:
    if not isinstance(fields, list):
        return user
    return {name: value for name, value in user.items() if name in fields}
