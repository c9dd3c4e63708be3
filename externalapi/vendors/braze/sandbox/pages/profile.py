"""The page of a person: who it is, what they did, what was sent to them."""

from collections.abc import Sequence
from datetime import datetime

from externalapi.vendors.braze.sandbox.endpoints.messaging.states import group_states
from externalapi.vendors.braze.sandbox.pages.html import Html, el, together
from externalapi.vendors.braze.sandbox.pages.layout import (
    card,
    facts,
    moment,
    page,
    shown,
    table,
)
from externalapi.vendors.braze.sandbox.pages.search_users import display_name
from externalapi.vendors.braze.sandbox.rules.registry import Known
from externalapi.vendors.braze.sandbox.rules.verdicts import JsonObject
from externalapi.vendors.braze.sandbox.users import exports
from externalapi.vendors.braze.sandbox.users.users import Event, Purchase, Send, User

RECENT_EVENTS = 20
# Standard attributes that another part of the page shows.
_ELSEWHERE = ("email", "phone", "subscription_groups")
_STATE_CLASSES = {"subscribed": "status good", "unsubscribed": "status bad"}
_LABELS = {
    "dob": "Date of birth",
    "email_subscribe": "Email subscription",
    "push_subscribe": "Push subscription",
    "current_location": "Location",
}


def profile_page(user: User, known: Known) -> str:
    return page(
        display_name(user),
        el("p", el("a", "Search Users", href="/search-users"), class_="back"),
        el("h1", display_name(user)),
        el(
            "div",
            card("Identifiers", facts(_identifiers(user))),
            card("Overview", facts(_overview(user))),
            class_="columns",
        ),
        _subscription_groups(user, known),
        card("Sends", _sends(user.sends)) if user.sends else None,
        card("Custom attributes", facts(user.custom, "No custom attribute yet.")),
        card("Custom events", _event_counts(user.events)),
        card("Recent events", _recent_events(user.events)) if user.events else None,
        card("Purchases", _purchases(user.purchases)),
        section="Search Users",
    )


def _identifiers(user: User) -> JsonObject:
    facts: JsonObject = {"External ID": user.external_id or "none"}
    facts["Braze ID"] = user.braze_id
    facts["Email"] = user.email or "none"
    facts["Phone"] = user.phone or "none"
    for label, name in user.aliases.items():
        facts[f"Alias “{label}”"] = name
    if user.deprecated_ids:
        facts["Deprecated external IDs"] = ", ".join(user.deprecated_ids)
    return facts


def _overview(user: User) -> JsonObject:
    facts: JsonObject = {"Created (UTC)": moment(user.created_at)}
    for name, value in user.standard.items():
        if name not in _ELSEWHERE:
            facts[_LABELS.get(name, name.replace("_", " ").capitalize())] = value
    if user.purchases:
        facts["Total revenue"] = f"{exports.revenue(user.purchases):,.2f}"
    return facts


def _subscription_groups(user: User, known: Known) -> Html | None:
    rows = [
        (
            (group.name if (group := known.group(one)) else "") or el("code", one),
            el("span", state.capitalize(), class_=_STATE_CLASSES.get(state)),
            el("code", one),
        )
        for one, state in group_states(user)
    ]
    if not rows:
        return None
    headings = ("Group", "State", "ID")
    return card("Subscription groups", table("Subscription groups", headings, rows))


def _sends(sends: Sequence[Send]) -> Html:
    recent = sorted(sends, key=lambda one: one.time, reverse=True)[:RECENT_EVENTS]
    rows = [
        (
            moment(one.time),
            _what(one),
            together(*map(_channel, one.channels.items())),
            shown(one.properties) if one.properties else "",
        )
        for one in recent
    ]
    headings = ("Time (UTC)", "What", "Channels", "Properties")
    return table("Sends", headings, rows)


def _what(send: Send) -> Html:
    name = f"{send.kind} “{send.name}”" if send.name else send.kind
    return together(
        el("p", name, class_="outcome"),
        el("p", el("code", send.id), class_="outcome") if send.id else None,
    )


def _channel(outcome: tuple[str, str]) -> Html:
    channel, obstacle = outcome
    name = channel.replace("_", " ").capitalize()
    if not obstacle:
        return el("p", f"{name}: sent", class_="outcome")
    return el("p", f"{name}: not sent, {obstacle}", class_="outcome quiet")


def _event_counts(events: Sequence[Event]) -> Html:
    rows = [
        (one["name"], one["count"], _time_text(one["first"]), _time_text(one["last"]))
        for one in exports.event_counts(events)
    ]
    if not rows:
        return el("p", "No custom event yet.", class_="quiet")
    return table("Custom events", ("Name", "Count", "First (UTC)", "Last (UTC)"), rows)


def _recent_events(events: Sequence[Event]) -> Html:
    recent = sorted(events, key=lambda one: one.time, reverse=True)[:RECENT_EVENTS]
    rows = [
        (moment(one.time), one.name, shown(one.properties) if one.properties else "")
        for one in recent
    ]
    return table("Recent events", ("Time (UTC)", "Name", "Properties"), rows)


def _purchases(purchases: Sequence[Purchase]) -> Html:
    if not purchases:
        return el("p", "No purchase yet.", class_="quiet")
    recent = sorted(purchases, key=lambda one: one.time, reverse=True)
    rows = [
        (
            moment(one.time),
            one.product_id,
            one.quantity,
            f"{one.price:,.2f} {one.currency}",
            shown(one.properties) if one.properties else "",
        )
        for one in recent[:RECENT_EVENTS]
    ]
    headings = ("Time (UTC)", "Product", "Quantity", "Price", "Properties")
    return table("Purchases", headings, rows)


def _time_text(text: object) -> Html:
    return moment(datetime.fromisoformat(str(text)))


def not_found_page() -> str:
    return page(
        "No such user",
        el("h1", "No such user"),
        el(
            "p",
            "The sandbox may have been reset. ",
            el("a", "Search again", href="/search-users"),
        ),
    )
