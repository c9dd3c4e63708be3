"""/campaigns/trigger/send and /canvas/trigger/send.

post_send_triggered_campaigns, post_send_triggered_canvases, recipient_object: what is
sent stands in Braze's dashboard, to whom and with which properties in the request. Of
a person named twice the last properties count. A broadcast reaches nobody's page.
"""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import FatalAnswer, ObjectError
from externalapi.vendors.braze.sandbox.rules.recipients import (
    dispatch_id,
    identifier_of,
    is_broadcast,
)
from externalapi.vendors.braze.sandbox.rules.registry import Canvas, Known, is_uuid
from externalapi.vendors.braze.sandbox.rules.track import (
    attributes_error,
    is_alias,
    is_external_id,
)
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
from externalapi.vendors.braze.sandbox.users.matching import meant, prioritization_error
from externalapi.vendors.braze.sandbox.users.store import Store
from externalapi.vendors.braze.sandbox.users.users import Send, User

_ARRAY = "recipients"
_IDENTIFIERS = ("external_user_id", "user_alias", "braze_id", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What differs between the two: names, and what a wrong ID is told."""

    name: str
    id_field: str
    properties: tuple[str, ...]
    is_known: Callable[[Known, object], bool]
    name_of: Callable[[Known, object], str]
    not_valid: FatalAnswer
    unknown: FatalAnswer


_CAMPAIGN = _Kind(
    name="Campaign",
    id_field="campaign_id",
    properties=("trigger_properties",),
    is_known=lambda known, one: known.campaign(one) is not None,
    name_of=lambda known, one: found.name if (found := known.campaign(one)) else "",
    not_valid=refusals.CAMPAIGN_ID_NOT_VALID,
    unknown=refusals.UNKNOWN_CAMPAIGN,
)
_CANVAS = _Kind(
    name="Canvas",
    id_field="canvas_id",
    # Older clients, and a recorded request, have the second name.
    properties=("context", "canvas_entry_properties"),
    is_known=lambda known, one: known.canvas(one) is not None,
    name_of=lambda known, one: found.name if (found := known.canvas(one)) else "",
    not_valid=refusals.CANVAS_ID_NOT_VALID,
    unknown=refusals.UNKNOWN_CANVAS,
)


def read(body: object, params: Params) -> Arrays:
    found = body.get(_ARRAY) if isinstance(body, dict) else None
    return {_ARRAY: found} if isinstance(found, list) else {}


def judge_campaign(asked: Asked, workspace: Workspace) -> Verdict:
    return _judged(asked, workspace.known, _CAMPAIGN)


def judge_canvas(asked: Asked, workspace: Workspace) -> Verdict:
    """A paused or archived Canvas is not sent: a success with a notice says so."""
    verdict = _judged(asked, workspace.known, _CANVAS)
    body = asked.body if isinstance(asked.body, dict) else {}
    canvas = workspace.known.canvas(body.get("canvas_id"))
    if verdict.status >= 400 or not isinstance(canvas, Canvas):
        return verdict
    notice = refusals.CANVAS_NOTICES.get(canvas.state)
    if notice is None:
        return verdict
    return Verdict(status=201, answer={"notice": notice, **verdict.answer})


def _judged(asked: Asked, known: Known, kind: _Kind) -> Verdict:
    body = asked.body if isinstance(asked.body, dict) else {}
    refusal = _refusal_of(body, asked.arrays, known, kind)
    if refusal is not None:
        return fatal(refusal)
    errors: list[JsonObject] = []
    items = asked.arrays.get(_ARRAY, [])
    accepted = sorted_out(items, lambda one: _error_in(one, kind), _ARRAY, errors)
    counting = Counting(
        when_none=refusals.NO_RECIPIENTS if errors else None,
        more={"dispatch_id": dispatch_id(asked.at, asked.raw)},
    )
    return counted({_ARRAY: accepted}, errors, counting)


def _refusal_of(
    body: JsonObject, arrays: Arrays, known: Known, kind: _Kind
) -> FatalAnswer | None:
    identifier = body.get(kind.id_field)
    if not kind.is_known(known, identifier):
        return kind.unknown if is_uuid(identifier) else kind.not_valid
    for name in kind.properties:
        refusal = _properties_refusal(name, body.get(name))
        if refusal is not None:
            return refusal
    if body.get("attachments") and is_broadcast(body):
        return refusals.ATTACHMENTS_IN_BROADCAST
    return _recipients_refusal(body, arrays)


def _properties_refusal(name: str, properties: object) -> FatalAnswer | None:
    # The page's own example has an empty text.
    if properties is None or properties == "":
        return None
    if not isinstance(properties, dict):
        return refusals.PROPERTIES_NOT_OBJECT
    is_large = len(orjson.dumps(properties)) > refusals.MAX_CONTEXT_BYTES
    return refusals.CONTEXT_TOO_LARGE if name == "context" and is_large else None


def _recipients_refusal(body: JsonObject, arrays: Arrays) -> FatalAnswer | None:
    if body.get(_ARRAY) is not None and _ARRAY not in arrays:
        return refusals.RECIPIENTS_NOT_VALID
    count = len(arrays.get(_ARRAY, []))
    if count > refusals.MAX_OBJECTS:
        return refusals.TOO_MANY_IDS_AND_ALIASES
    if count and is_broadcast(body):
        return refusals.RECIPIENTS_IN_BROADCAST
    return None if count or is_broadcast(body) else refusals.NO_RECIPIENTS


# --- One recipient ------------------------------------------------------------------


def _error_in(item: object, kind: _Kind) -> ObjectError | None:
    if not isinstance(item, dict):
        return refusals.RECIPIENT_REQUIRED
    error = _identifier_error(item)
    if error is not None:
        return error
    for name in kind.properties:
        if _properties_refusal(name, item.get(name)) is not None:
            return refusals.RECIPIENT_PROPERTIES_NOT_VALID
    return _creation_error(item)


def _identifier_error(item: JsonObject) -> ObjectError | None:
    given = [name for name in _IDENTIFIERS if item.get(name) not in (None, "")]
    if len(given) != 1:
        return refusals.ONE_RECIPIENT if given else refusals.RECIPIENT_REQUIRED
    (name,) = given
    value = item[name]
    if name == "external_user_id":
        is_valid = is_external_id(value)
    elif name == "user_alias":
        is_valid = is_alias(value)
    else:
        is_valid = isinstance(value, str)
    if not is_valid:
        return refusals.RECIPIENT_NOT_VALID
    if name != "email":
        return None
    return prioritization_error(item.get("prioritization"), refusals.PRIORITIZATIONS)


def _creation_error(item: JsonObject) -> ObjectError | None:
    attributes = item.get("attributes")
    if item.get("send_to_existing_only") is False:
        if "user_alias" in item:
            return refusals.EXISTING_ONLY_WITH_ALIAS
        if not isinstance(attributes, dict):
            return refusals.ATTRIBUTES_REQUIRED
    if attributes is None:
        return None
    if not isinstance(attributes, dict):
        return refusals.ATTRIBUTES_REQUIRED
    return attributes_error({"external_id": "anybody", **attributes})


# --- What arrives -------------------------------------------------------------------


def apply_campaign(store: Store, arrived: Arrived) -> None:
    _apply(store, arrived, _CAMPAIGN)


def apply_canvas(store: Store, arrived: Arrived) -> None:
    _apply(store, arrived, _CANVAS)


def _apply(store: Store, arrived: Arrived, kind: _Kind) -> None:
    """First the attributes of everybody, then one send for each person."""
    found: dict[int, tuple[User, JsonObject]] = {}
    for item in arrived.arrays[_ARRAY]:
        user = _with_attributes(store, arrived, item, kind)
        if user is not None:
            found[user.number] = (user, item)
    identifier = arrived.body[kind.id_field]
    for user, item in found.values():
        user.add_send(
            Send(
                kind=kind.name,
                id=str(identifier),
                name=kind.name_of(store.known, identifier),
                time=arrived.at,
                properties=_properties(arrived.body, item, kind),
                channels={},
                dispatch_id=dispatch_id(arrived.at, arrived.raw),
            )
        )
        store.touch(user)


def _with_attributes(
    store: Store, arrived: Arrived, item: JsonObject, kind: _Kind
) -> User | None:
    """The person, with the attributes of the recipient; created only if so asked."""
    identifier = identifier_of(item)
    user = meant(store.people, identifier)
    attributes = item.get("attributes")
    if not isinstance(attributes, dict):
        return user
    if kind is _CANVAS:
        # "By default, subscription groups cannot be updated this way."
        attributes = {**attributes}
        attributes.pop("subscription_groups", None)
    if user is not None:
        identifier = {"braze_id": user.braze_id}
    elif item.get("send_to_existing_only") is not False:
        return None
    store.apply({"attributes": [{**attributes, **identifier}]}, arrived.at)
    return meant(store.people, identifier_of(item))


def _properties(body: JsonObject, item: JsonObject, kind: _Kind) -> JsonObject:
    """Those of the request, and over them those of the recipient."""
    properties: JsonObject = {}
    for source in (body, item):
        for name in kind.properties:
            one = source.get(name)
            properties |= one if isinstance(one, dict) else {}
    return properties
