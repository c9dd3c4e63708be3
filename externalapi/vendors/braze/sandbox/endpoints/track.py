"""/users/track, its synchronous sister and its bulk one (post_user_track and others)."""

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.facts.contract import ObjectLimit
from externalapi.vendors.braze.sandbox.rules.track import arrays_of, judge
from externalapi.vendors.braze.sandbox.rules.verdicts import Arrays, JsonObject, Verdict
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users import exports
from externalapi.vendors.braze.sandbox.users.store import Store


def read(body: object, params: Params) -> Arrays:
    return arrays_of(body)


def judge_track(asked: Asked, workspace: Workspace) -> Verdict:
    limit = contract.OBJECT_LIMITS[workspace.options.object_limit]
    return judge(asked.body, limit)


def judge_bulk(asked: Asked, workspace: Workspace) -> Verdict:
    """post_user_track_bulk: a thousand objects, a hundred for one person."""
    return judge(asked.body, contract.BULK_OBJECT_LIMIT)


def judge_sync(asked: Asked, workspace: Workspace) -> Verdict:
    """post_user_track_synchronous: one event, or one attributes or purchase object."""
    return judge(asked.body, ObjectLimit(combined=1))


def apply(store: Store, arrived: Arrived) -> None:
    store.apply(arrived.arrays, arrived.at)


def answer_sync(asked: Asked, verdict: Verdict, store: Store) -> JsonObject:
    """The values that the one object touched, as they are after it."""
    array, items = next((name, one) for name, one in verdict.accepted.items() if one)
    users = exports.sync_answer(store.people.find(items[0]), array, items[0])
    return {"users": users, "message": contract.SUCCESS_MESSAGE}
