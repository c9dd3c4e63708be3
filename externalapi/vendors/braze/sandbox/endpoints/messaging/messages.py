"""/messages/send (post_send_messages): messages to people, with no campaign needed.

A broadcast to a segment or an audience is accepted and reaches nobody's page, for the
sandbox has no segments.
"""

from collections.abc import Callable, Mapping

import orjson

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import FatalAnswer, ObjectError
from externalapi.vendors.braze.sandbox.rules.recipients import (
    dispatch_id,
    identifier_of,
    is_broadcast,
)
from externalapi.vendors.braze.sandbox.rules.registry import Known
from externalapi.vendors.braze.sandbox.rules.track import is_alias, is_external_id
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    Counting,
    JsonObject,
    Verdict,
    counted,
    fatal,
    sorted_out,
)
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.store import Store
from externalapi.vendors.braze.sandbox.users.users import Send, User

_LISTS = {"external_user_ids": "external_user_id", "user_aliases": "user_alias"}
_PUSH = ("android_push", "apple_push", "kindle_push", "web_push")


def read(body: object, params: Params) -> Arrays:
    if not isinstance(body, dict):
        return {}
    return {
        array: [{name: one} for one in body[array]]
        for array, name in _LISTS.items()
        if isinstance(body.get(array), list)
    }


def judge(asked: Asked, workspace: Workspace) -> Verdict:
    body = asked.body if isinstance(asked.body, dict) else {}
    checks = (
        _recipients_refusal(body, asked.arrays),
        _campaign_refusal(body, workspace.known),
        _messages_refusal(body.get("messages")),
    )
    refusal = next(filter(None, checks), None)
    if refusal is not None:
        return fatal(refusal)
    errors: list[JsonObject] = []
    accepted = {
        array: sorted_out(items, _error_in, array, errors)
        for array, items in asked.arrays.items()
    }
    counting = Counting(
        when_none=refusals.NO_RECIPIENTS if errors else None,
        more={"dispatch_id": dispatch_id(asked.at, asked.raw)},
    )
    return counted(accepted, errors, counting)


def _recipients_refusal(body: JsonObject, arrays: Arrays) -> FatalAnswer | None:
    if any(body.get(name) is not None and name not in arrays for name in _LISTS):
        return refusals.RECIPIENTS_NOT_VALID
    count = sum(map(len, arrays.values()))
    if count > refusals.MAX_OBJECTS:
        return refusals.TOO_MANY_IDS_AND_ALIASES
    if count and is_broadcast(body):
        return refusals.RECIPIENTS_IN_BROADCAST
    if not count and not (body.get("segment_id") or body.get("audience")):
        return refusals.NO_RECIPIENTS
    if not count and not is_broadcast(body):
        return refusals.BROADCAST_REQUIRED
    state = body.get("recipient_subscription_state", "subscribed")
    known = isinstance(state, str) and state in refusals.RECIPIENT_STATES
    return None if known else refusals.RECIPIENT_STATE_NOT_VALID


def _campaign_refusal(body: JsonObject, known: Known) -> FatalAnswer | None:
    campaign_id = body.get("campaign_id")
    if campaign_id is None:
        return None if body.get("send_id") is None else refusals.SEND_ID_ALONE
    if known.campaign(campaign_id) is None:
        return refusals.UNKNOWN_CAMPAIGN
    messages = _messages_in(body.get("messages"))
    if any(not one.get("message_variation_id") for one in messages.values()):
        return refusals.VARIANT_UNSPECIFIED
    return None


def _messages_refusal(messages: object) -> FatalAnswer | None:
    found = _messages_in(messages)
    if not found:
        return refusals.NO_MESSAGE
    refused = (
        check(found[name]) for name, check in _MESSAGE_CHECKS.items() if name in found
    )
    return next(filter(None, refused), None)


def _messages_in(messages: object) -> dict[str, JsonObject]:
    if not isinstance(messages, dict):
        return {}
    return {
        name: messages[name]
        for name in refusals.MESSAGE_TYPES
        if isinstance(messages.get(name), dict)
    }


def _apple_refusal(push: JsonObject) -> FatalAnswer | None:
    if len(orjson.dumps(push)) > refusals.MAX_APPLE_PUSH_BYTES:
        return refusals.APPLE_PUSH_TOO_LONG
    return _extra_refusal(push)


def _android_refusal(push: JsonObject) -> FatalAnswer | None:
    if len(orjson.dumps(push)) > refusals.MAX_ANDROID_PUSH_BYTES:
        return refusals.ANDROID_PUSH_TOO_LONG
    return _extra_refusal(push)


def _extra_refusal(push: JsonObject) -> FatalAnswer | None:
    is_valid = push.get("extra") is None or isinstance(push["extra"], dict)
    return None if is_valid else refusals.EXTRA_NOT_VALID


def _email_refusal(email: JsonObject) -> FatalAnswer | None:
    """What email_object requires; that a lack refuses the request is inferred."""
    has_text = email.get("body") or email.get("email_template_id")
    is_valid = email.get("app_id") and email.get("from") and has_text
    return None if is_valid else refusals.EMAIL_NOT_VALID


_MESSAGE_CHECKS: Mapping[str, Callable[[JsonObject], FatalAnswer | None]] = {
    "apple_push": _apple_refusal,
    "android_push": _android_refusal,
    "email": _email_refusal,
}


def _error_in(item: JsonObject) -> ObjectError | None:
    if "user_alias" in item:
        is_valid = is_alias(item["user_alias"])
    else:
        is_valid = is_external_id(item["external_user_id"])
    return None if is_valid else refusals.RECIPIENT_NOT_VALID


# --- What arrives -------------------------------------------------------------------


def apply(store: Store, arrived: Arrived) -> None:
    """Who does not exist gets nothing, and the request is a success all the same."""
    found: dict[int, User] = {}
    for items in arrived.arrays.values():
        for item in items:
            user = store.people.find(identifier_of(item))
            if user is not None:
                found[user.number] = user
    for user in found.values():
        user.add_send(_send(user, arrived, store.known))
        store.touch(user)


def _send(user: User, arrived: Arrived, known: Known) -> Send:
    body = arrived.body
    messages = _messages_in(body["messages"])
    campaign = known.campaign(body.get("campaign_id"))
    wanted = str(body.get("recipient_subscription_state", "subscribed"))
    return Send(
        kind="Message",
        id=campaign.id if campaign else "",
        name=campaign.name if campaign else "",
        time=arrived.at,
        properties=dict(messages),
        channels={name: _obstacle(user, name, wanted) for name in messages},
        dispatch_id=dispatch_id(arrived.at, arrived.raw),
    )


def _obstacle(user: User, channel: str, wanted: str) -> str:
    """Why the message does not go out, or nothing."""
    if channel == "email":
        if user.email is None:
            return "no email address"
        return _unwanted(user.values.get("email_subscribe", "subscribed"), wanted)
    if channel in _PUSH:
        if not user.values.get("push_tokens"):
            return "no push token"
        return _unwanted(user.values.get("push_subscribe", "subscribed"), wanted)
    if channel in ("sms", "whats_app") and user.phone is None:
        return "no phone number"
    return ""


def _unwanted(state: object, wanted: str) -> str:
    if wanted == "all" or state == "opted_in":
        return ""
    return "" if state == wanted == "subscribed" else f"is {state}"
