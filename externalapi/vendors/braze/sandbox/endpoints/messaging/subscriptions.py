"""/subscription/status/set and /v2/subscription/status/set.

post_update_user_subscription_group_status and its v2: a state of a group for people by
external ID, email address or phone number. Recorded requests to v2 have the names of
v1 (`external_id`), so each endpoint takes both names, and a single text for an array.
"""

import re
from collections.abc import Iterator

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import GROUP_STATES, FatalAnswer
from externalapi.vendors.braze.sandbox.rules.registry import Known
from externalapi.vendors.braze.sandbox.rules.track import is_external_id
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    Counting,
    JsonObject,
    Verdict,
    counted,
    fatal,
)
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.store import Store
from externalapi.vendors.braze.sandbox.users.users import email_key, phone_key

_ARRAY = "subscription_groups"
_NAMES = {
    "external_id": ("external_ids", "external_id"),
    "email": ("emails", "email"),
    "phone": ("phones", "phone"),
}
# Who cannot be named for a group of this channel.
_NOT_FOR = {"email": "phone", "sms": "email"}
_E164 = re.compile(r"\+[1-9]\d{6,14}")


def read_one(body: object, params: Params) -> Arrays:
    return {_ARRAY: [body]} if isinstance(body, dict) and body else {}


def read_many(body: object, params: Params) -> Arrays:
    found = body.get(_ARRAY) if isinstance(body, dict) else None
    return {_ARRAY: found} if isinstance(found, list) else {}


def judge(asked: Asked, workspace: Workspace) -> Verdict:
    items = asked.arrays.get(_ARRAY)
    if not items or any(not isinstance(item, dict) for item in items):
        return fatal(refusals.NO_GROUPS)
    for item in items:
        refusal = _refusal_of(item, workspace.known)
        if refusal is not None:
            return fatal(refusal)
    people = {(kind, str(one)) for item in items for kind, one in _addressed(item)}
    if {"email", "phone"} <= {kind for kind, _ in people}:
        return fatal(refusals.EMAIL_AND_PHONE)
    if len(people) > refusals.MAX_OBJECTS:
        return fatal(refusals.TOO_MANY_IDS_AND_ALIASES)
    return counted({_ARRAY: items}, [], Counting())


def _refusal_of(item: JsonObject, known: Known) -> FatalAnswer | None:
    group = known.group(item.get("subscription_group_id"))
    if group is None:
        return refusals.UNKNOWN_GROUP
    state = item.get("subscription_state")
    if not isinstance(state, str) or state not in GROUP_STATES:
        return refusals.GROUP_STATE_NOT_VALID
    people = [*_addressed(item)]
    kinds = {kind for kind, _ in people}
    if not kinds:
        return refusals.NOBODY_TO_SUBSCRIBE
    if _NOT_FOR.get(group.channel) in kinds:
        return refusals.WRONG_CHANNEL
    return next(filter(None, (_wrong(kind, one) for kind, one in people)), None)


def _wrong(kind: str, value: object) -> FatalAnswer | None:
    if kind == "external_id":
        return None if is_external_id(value) else refusals.SUBSCRIBER_NOT_VALID
    if not isinstance(value, str) or not value:
        return refusals.SUBSCRIBER_NOT_VALID
    if kind == "phone" and not _E164.fullmatch(value):
        return refusals.PHONE_NOT_VALID
    return None


def _addressed(item: JsonObject) -> Iterator[tuple[str, object]]:
    """Everybody the object names: the kind of identifier, and its value."""
    for kind, names in _NAMES.items():
        for name in names:
            value = item.get(name)
            if value is not None:
                found = value if isinstance(value, list) else [value]
                yield from ((kind, one) for one in found)


def apply(store: Store, arrived: Arrived) -> None:
    for item in arrived.arrays[_ARRAY]:
        group_id = str(item["subscription_group_id"])
        state = str(item["subscription_state"])
        if _asks_first(item, store.known):
            continue
        for kind, value in _addressed(item):
            people = store.people.sharing(kind, str(value))
            for user in people:
                store.set_group_state(user, group_id, state)
                store.touch(user)
            key = _key(kind, value)
            if not people and key is not None:
                store.orphans.keep((kind, key), group_id, state, arrived.at)


def _asks_first(item: JsonObject, known: Known) -> bool:
    """Whether people are asked by SMS first; nobody answers here, so nothing changes."""
    group = known.group(item["subscription_group_id"])
    is_sms = group is not None and group.channel == "sms"
    return (
        item.get("use_double_opt_in_logic") is True
        and item["subscription_state"] == "subscribed"
        and (is_sms or "phones" in item)
    )


def _key(kind: str, value: object) -> str | None:
    if kind == "email":
        return email_key(value)
    return phone_key(value) if kind == "phone" else None
