"""/subscription/status/get and /subscription/user/status: what was set, read again.

get_list_user_subscription_group_status, get_list_user_subscription_groups; the shape
of the answers is that of recorded ones.
"""

from collections.abc import Iterator

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.sandbox.rules.registry import Known
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    JsonObject,
    Verdict,
    fatal,
)
from externalapi.vendors.braze.sandbox.runtime.route import Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.users import User

_PAGE = 100


def read(body: object, params: Params) -> Arrays:
    return {}


def judge_group(asked: Asked, workspace: Workspace) -> Verdict:
    """Each person's state in one group; of external IDs and others, the IDs count."""
    group = workspace.known.group(dict(asked.query).get("subscription_group_id"))
    if group is None:
        return fatal(refusals.UNKNOWN_GROUP)
    wanted = _wanted(asked)
    kinds = {kind for kind, _ in wanted}
    if "external_id" in kinds:
        wanted = [one for one in wanted if one[0] == "external_id"]
    elif len(kinds) == 2:
        return fatal(refusals.EMAIL_AND_PHONE)
    refusal = _refusal(wanted)
    if refusal is not None:
        return refusal
    status = {
        value: _status(workspace.store.people.sharing(kind, value), group.id)
        for kind, value in wanted
    }
    return Verdict(status=200, answer={"status": status, "message": "success"})


def judge_people(asked: Asked, workspace: Workspace) -> Verdict:
    """Each person's groups, those with a state in the person's history."""
    wanted = _wanted(asked)
    refusal = _refusal(wanted)
    if refusal is not None:
        return refusal
    found = {
        user.number: user
        for kind, value in wanted
        for user in workspace.store.people.sharing(kind, value)
    }
    query = dict(asked.query)
    start = _number(query.get("offset"), 0)
    end = start + min(_PAGE, _number(query.get("limit"), _PAGE))
    users = [_shown(user, workspace.known) for user in found.values()]
    answer: JsonObject = {
        "users": users[start:end],
        "total_count": len(users),
        "message": "success",
    }
    return Verdict(status=200, answer=answer)


def _wanted(asked: Asked) -> list[tuple[str, str]]:
    named = [(name.removesuffix("[]"), value) for name, value in asked.query]
    return [one for one in named if one[0] in ("external_id", "email", "phone")]


def _refusal(wanted: list[tuple[str, str]]) -> Verdict | None:
    if not wanted:
        return fatal(refusals.NOBODY_TO_SUBSCRIBE)
    too_many = len(wanted) > refusals.MAX_OBJECTS
    return fatal(refusals.TOO_MANY_IDS) if too_many else None


def _status(people: list[User], group_id: str) -> str:
    """`unknown` is recorded in small letters, the other two with a capital."""
    for user in people:
        for one, state in group_states(user):
            if one == group_id:
                return state.capitalize()
    return "unknown"


def group_states(user: User) -> Iterator[tuple[str, str]]:
    """Each group of the person's history, with the newest state."""
    groups = user.values.get("subscription_groups")
    for one in groups if isinstance(groups, list) else ():
        yield one["subscription_group_id"], one["subscription_state"]


def _shown(user: User, known: Known) -> JsonObject:
    groups = [
        {
            "id": group_id,
            "name": group.name if (group := known.group(group_id)) else "",
            "channel": group.channel if group else "",
            "status": state.capitalize(),
        }
        for group_id, state in group_states(user)
    ]
    return {
        "email": user.email,
        "phone": user.phone,
        "external_id": user.external_id,
        "subscription_groups": groups,
    }


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() else default
