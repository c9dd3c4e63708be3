"""The sandbox's pages: Search Users, a person's profile, the received requests."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import orjson

from externalapi.sandbox import exports
from externalapi.sandbox.markup import Html, el, together
from externalapi.sandbox.people import Event, Purchase, User
from externalapi.sandbox.traffic import Traffic
from externalapi.sandbox.verdicts import JsonObject

RECENT_EVENTS = 20
RECENT_REQUESTS = 100
ONE_LINE = 72  # characters of JSON
_LABELS = {
    "dob": "Date of birth",
    "email_subscribe": "Email subscription",
    "push_subscribe": "Push subscription",
    "current_location": "Location",
}


def page(title: str, *content: object, section: str = "") -> str:
    """A whole document around the content of <main>."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{title} · Braze sandbox"),
        el("link", rel="icon", href="/sandbox/icon.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="/sandbox/pages.css"),
    )
    body = el(
        "body",
        el("a", "Skip to content", class_="skip", href="#content"),
        _header(section),
        el("main", *content, id="content", tabindex="-1"),
        _footer(),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}"


def _header(section: str) -> Html:
    return el(
        "header",
        el(
            "a",
            el("span", "Braze sandbox", class_="name"),
            el("span", "Local stand-in", class_="badge"),
            class_="brand",
            href="/search-users",
        ),
        el(
            "nav",
            _nav_link("Search Users", "/search-users", section),
            _nav_link("Requests", "/requests", section),
            aria_label="Sandbox",
        ),
        class_="bar",
    )


def _nav_link(text: str, href: str, section: str) -> Html:
    return el("a", text, href=href, aria_current="page" if text == section else None)


def _footer() -> Html:
    return el(
        "footer",
        "This server runs on your machine and imitates Braze's REST API. "
        "It is not Braze, and nothing here reaches Braze.",
    )


# --- Search Users ---------------------------------------------------------------------


def search_page(query: str, found: Sequence[User], known: int) -> str:
    return page(
        f"“{query}”" if query else "Search Users",
        el("h1", "Search Users"),
        _search_form(query),
        _results(query, found, known),
        section="Search Users",
    )


def _search_form(query: str) -> Html:
    return el(
        "form",
        el("label", "External ID, email, phone, alias or Braze ID", for_="q"),
        el(
            "div",
            el(
                "input",
                id="q",
                name="q",
                type="search",
                value=query,
                autocomplete="off",
                autocapitalize="none",
                spellcheck="false",
            ),
            el("button", "Search", type="submit"),
            class_="field",
        ),
        role="search",
        action="/search-users",
        method="get",
        class_="search",
    )


def _results(query: str, found: Sequence[User], known: int) -> Html:
    if not known:
        return _nobody_yet()
    if query and not found:
        return _no_match(query)
    heading = _count(len(found), "match", "matches") if query else "Latest changes"
    note = f"{known:,} {'user' if known == 1 else 'users'} in this sandbox"
    return el(
        "section",
        el(
            "div",
            el("h2", heading, id="results"),
            el("p", note, class_="quiet"),
            class_="heading",
        ),
        el("ul", *(_result(user) for user in found), class_="people"),
        aria_labelledby="results",
    )


def _result(user: User) -> Html:
    lines = [
        ("External ID", user.external_id),
        ("Email", user.email),
        ("Phone", user.phone),
        ("Alias", next(iter(user.aliases.values()), None)),
    ]
    known = [
        together(el("span", f"{label} ", class_="quiet"), value)
        for label, value in lines
        if value
    ]
    return el(
        "li",
        el("a", display_name(user), href=f"/users/{user.braze_id}"),
        el("p", *(el("span", one) for one in known), class_="facts"),
        el("p", _counts(user), class_="quiet"),
    )


def _counts(user: User) -> str:
    return ", ".join(
        (
            _count(len(user.custom), "custom attribute"),
            _count(len(user.events), "event"),
            _count(len(user.purchases), "purchase"),
        )
    )


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _nobody_yet() -> Html:
    return el(
        "section",
        el("h2", "No user yet"),
        el(
            "p",
            "Run Test Configuration of an External API whose connection points to this "
            "sandbox, or activate an engagement. Whoever is sent appears here at once.",
        ),
        class_="empty",
    )


def _no_match(query: str) -> Html:
    return el(
        "section",
        el("h2", "Nobody found"),
        el("p", "No user has ", el("strong", query), " as an identifier."),
        el(
            "ul",
            el("li", "External IDs and aliases distinguish capital letters."),
            el("li", "The beginning of an identifier is enough."),
            el(
                "li",
                "Was the user refused? The answer is in ",
                el("a", "Requests", href="/requests"),
                ".",
            ),
        ),
        class_="empty",
    )


def display_name(user: User) -> str:
    names = (user.standard.get("first_name"), user.standard.get("last_name"))
    name = " ".join(str(one) for one in names if one)
    alias = next(iter(user.aliases.values()), None)
    return name or user.external_id or user.email or user.phone or alias or "Unnamed"


# --- A person -------------------------------------------------------------------------


def profile_page(user: User) -> str:
    return page(
        display_name(user),
        el("p", el("a", "Search Users", href="/search-users"), class_="back"),
        el("h1", display_name(user)),
        el(
            "div",
            _card("Identifiers", _facts(_identifiers(user))),
            _card("Overview", _facts(_overview(user))),
            class_="columns",
        ),
        _card("Custom attributes", _facts(user.custom, "No custom attribute yet.")),
        _card("Custom events", _event_counts(user.events)),
        _card("Recent events", _recent_events(user.events)) if user.events else None,
        _card("Purchases", _purchases(user.purchases)),
        section="Search Users",
    )


def _identifiers(user: User) -> JsonObject:
    facts: JsonObject = {"External ID": user.external_id or "none"}
    facts["Braze ID"] = user.braze_id
    facts["Email"] = user.email or "none"
    facts["Phone"] = user.phone or "none"
    for label, name in user.aliases.items():
        facts[f"Alias “{label}”"] = name
    return facts


def _overview(user: User) -> JsonObject:
    facts: JsonObject = {"Created (UTC)": moment(user.created_at)}
    for name, value in user.standard.items():
        if name not in ("email", "phone"):
            facts[_LABELS.get(name, name.replace("_", " ").capitalize())] = value
    if user.purchases:
        facts["Total revenue"] = f"{exports.revenue(user.purchases):,.2f}"
    return facts


def _card(heading: str, content: object) -> Html:
    anchor = heading.lower().replace(" ", "-")
    return el(
        "section",
        el("h2", heading, id=anchor),
        content,
        class_="card",
        aria_labelledby=anchor,
    )


def _facts(values: Mapping[str, object], none: str = "Nothing here.") -> Html:
    if not values:
        return el("p", none, class_="quiet")
    return el(
        "dl",
        *(
            el("div", el("dt", name), el("dd", shown(value)))
            for name, value in values.items()
        ),
    )


def shown(value: object) -> object:
    """Texts as they are, everything else as JSON, so that 42 and "42" differ."""
    if isinstance(value, Html):
        return value
    if isinstance(value, str):
        return value if value else el("span", "empty text", class_="quiet")
    if isinstance(value, (dict, list)):
        return el("pre", _as_json(value), tabindex="0", aria_label="JSON value")
    return el("code", _as_json(value))


def _as_json(value: object) -> str:
    """On one line if it is short, else indented."""
    line = orjson.dumps(value).decode()
    if len(line) <= ONE_LINE:
        return line
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


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


def table(
    caption: str, headings: Iterable[str], rows: Iterable[Sequence[object]]
) -> Html:
    """A table in a frame that scrolls sideways, also with the keyboard."""
    body = (
        el(
            "tr",
            el("th", first, scope="row"),
            *(el("td", cell) for cell in others),
        )
        for first, *others in rows
    )
    head = el("tr", *(el("th", one, scope="col") for one in headings))
    return el(
        "div",
        el(
            "table",
            el("caption", caption),
            el("thead", head),
            el("tbody", *body),
        ),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def moment(time: datetime) -> Html:
    utc = time.astimezone(UTC)
    text = utc.strftime("%d %b %Y, %H:%M:%S")
    return el("time", text, datetime=utc.isoformat())


def _time_text(text: object) -> Html:
    return moment(datetime.fromisoformat(str(text)))


# --- Requests -------------------------------------------------------------------------


def requests_page(traffic: Traffic) -> str:
    rows = [_request_row(record) for record in traffic.latest(RECENT_REQUESTS)]
    return page(
        "Requests",
        el("h1", "Requests"),
        _tiles(traffic),
        table("Latest requests, newest first", _REQUEST_HEADINGS, rows)
        if rows
        else _no_request_yet(),
        section="Requests",
    )


_REQUEST_HEADINGS = (
    "No.",
    "Arrived (UTC)",
    "Path",
    "Status",
    "Sent",
    "Accepted",
    "Fault",
    "Why refused",
)


def _tiles(traffic: Traffic) -> Html:
    facts = {
        "Requests": traffic.received,
        "Objects sent": traffic.objects,
        "Objects accepted": traffic.accepted,
        "Repeated bodies": traffic.repeated,
    }
    return el(
        "dl",
        *(el("div", el("dt", name), el("dd", f"{n:,}")) for name, n in facts.items()),
        class_="tiles",
    )


def _request_row(record: JsonObject) -> tuple[object, ...]:
    reasons = record["reasons"]
    return (
        record["n"],
        moment(datetime.fromtimestamp(float(str(record["at"])), UTC)),
        el("code", record["path"]),
        _status(record["status"]),
        record["objects"],
        record["accepted"],
        record["fault"] or "",
        "; ".join(reasons) if isinstance(reasons, list) else "",
    )


def _status(status: object) -> Html:
    if not isinstance(status, int):
        return el("span", "No answer", class_="status bad")
    return el("span", status, class_="status good" if status < 300 else "status bad")


def _no_request_yet() -> Html:
    return el(
        "section",
        el("h2", "No request yet"),
        el("p", "Every request to /users/track is listed here with its answer."),
        class_="empty",
    )


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
