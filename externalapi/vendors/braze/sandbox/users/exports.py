"""A person as JSON: as /users/export/ids answers, and with every single event.

The shape is that of a recorded answer of /users/export/ids.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.rules.times import as_text
from externalapi.vendors.braze.sandbox.rules.verdicts import JsonObject
from externalapi.vendors.braze.sandbox.users.users import Event, Purchase, Send, User


def exported(user: User) -> JsonObject:
    """The person as Braze's export shows one: events are counted, not listed."""
    result: JsonObject = {"created_at": as_text(user.created_at)}
    if user.external_id is not None:
        result["external_id"] = user.external_id
    result["user_aliases"] = aliases(user)
    result["braze_id"] = user.braze_id
    result |= user.standard
    result["custom_attributes"] = user.custom
    result["custom_events"] = event_counts(user.events)
    result["purchases"] = purchase_counts(user.purchases)
    result["total_revenue"] = revenue(user.purchases)
    result.setdefault("push_subscribe", "subscribed")
    result.setdefault("email_subscribe", "subscribed")
    return result | _received(user.sends)


def _received(sends: Iterable[Send]) -> JsonObject:
    """The newest send of each campaign and the newest entry of each Canvas, if any."""
    campaigns: dict[str, JsonObject] = {}
    canvases: dict[str, JsonObject] = {}
    for one in sends:
        moment = as_text(one.time)
        if one.kind == "Canvas":
            entry = {"api_canvas_id": one.id, "last_entered": moment}
            canvases[one.id] = {"name": one.name, **entry}
        elif one.id:
            entry = {"api_campaign_id": one.id, "last_received": moment}
            campaigns[one.id] = {"name": one.name, **entry}
    received = {
        "campaigns_received": [*campaigns.values()],
        "canvases_received": [*canvases.values()],
    }
    return {name: found for name, found in received.items() if found}


def with_every_event(user: User) -> JsonObject:
    """What `exported` has, and events, purchases and sends one by one."""
    return {
        **exported(user),
        "event_list": [_listed(one) for one in user.events],
        "purchase_list": [_listed(one) for one in user.purchases],
        "send_list": [_listed(one) for one in user.sends],
    }


def aliases(user: User) -> list[JsonObject]:
    return [
        {"alias_name": name, "alias_label": label}
        for label, name in user.aliases.items()
    ]


def event_counts(events: Iterable[Event]) -> list[JsonObject]:
    times: dict[str, list[datetime]] = {}
    for event in events:
        times.setdefault(event.name, []).append(event.time)
    return [_counted("name", name, found) for name, found in times.items()]


def purchase_counts(purchases: Iterable[Purchase]) -> list[JsonObject]:
    """A quantity of three counts as three purchases (purchase_object)."""
    times: dict[str, list[datetime]] = {}
    for one in purchases:
        times.setdefault(one.product_id, []).extend([one.time] * one.quantity)
    return [_counted("name", name, found) for name, found in times.items()]


def revenue(purchases: Iterable[Purchase]) -> float:
    return round(sum(one.price * one.quantity for one in purchases), 2)


def sync_answer(user: User | None, array: str, item: JsonObject) -> list[JsonObject]:
    """`users` of /users/track/sync: what the one object touched, as it is now.

    The person is named as in the request, and only what the request names is shown.
    """
    if user is None:
        return []
    named = next(name for name in contract.IDENTIFIERS if item.get(name))
    shown: JsonObject = {named: item[named]}
    if array == "attributes":
        names = [name.strip() for name in item]
        shown["custom_attributes"] = {
            name: user.custom[name] for name in names if name in user.custom
        }
    elif array == "events":
        shown["custom_events"] = [
            one for one in event_counts(user.events) if one["name"] == item["name"]
        ]
    else:
        shown["purchase_events"] = [
            {"product_id": one.pop("name"), **one}
            for one in purchase_counts(user.purchases)
            if one["name"] == str(item["product_id"])
        ]
    return [shown]


def _counted(key: str, name: str, times: Sequence[datetime]) -> JsonObject:
    return {
        key: name,
        "first": as_text(min(times)),
        "last": as_text(max(times)),
        "count": len(times),
    }


def _listed(done: Event | Purchase | Send) -> JsonObject:
    return {**done._asdict(), "time": as_text(done.time)}
