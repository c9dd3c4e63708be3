"""/email/status (post_email_subscription_status): the global state of an address.

Recorded: an address that nobody has is a success too. Whoever gets it later has the
state then; that it waits for 30 days, as those of groups do, is inferred.
"""

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import SUBSCRIPTION_STATES
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    Counting,
    Verdict,
    counted,
    fatal,
)
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.store import EMAIL_STATE, Store
from externalapi.vendors.braze.sandbox.users.users import email_key

_ARRAY = "email"


def read(body: object, params: Params) -> Arrays:
    """One address or an array of them."""
    found = body.get(_ARRAY) if isinstance(body, dict) else None
    addresses = found if isinstance(found, list) else [found]
    return {_ARRAY: [{"email": one} for one in addresses if one is not None]}


def judge(asked: Asked, workspace: Workspace) -> Verdict:
    items = asked.arrays[_ARRAY]
    if not items or any(email_key(item["email"]) is None for item in items):
        return fatal(refusals.EMAIL_ADDRESS_REQUIRED)
    if len(items) > refusals.MAX_OBJECTS:
        return fatal(refusals.TOO_MANY_IDS)
    body = asked.body if isinstance(asked.body, dict) else {}
    state = body.get("subscription_state")
    if not isinstance(state, str) or state not in SUBSCRIPTION_STATES:
        return fatal(refusals.EMAIL_STATE_NOT_VALID)
    return counted({_ARRAY: items}, [], Counting())


def apply(store: Store, arrived: Arrived) -> None:
    state = str(arrived.body["subscription_state"])
    for item in arrived.arrays[_ARRAY]:
        key = email_key(item["email"])
        people = store.people.by_email.get(key)
        for user in people:
            store.set_standard(user, EMAIL_STATE, state)
            store.touch(user)
        if not people and key is not None:
            store.orphans.keep(("email", key), EMAIL_STATE, state, arrived.at)
