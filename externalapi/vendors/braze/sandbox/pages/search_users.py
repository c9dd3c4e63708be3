"""Search Users: find people as in Braze's dashboard."""

from collections.abc import Sequence

from externalapi.vendors.braze.sandbox.pages.html import Html, el, together
from externalapi.vendors.braze.sandbox.pages.layout import count, page
from externalapi.vendors.braze.sandbox.users.users import User


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
    heading = count(len(found), "match", "matches") if query else "Latest changes"
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
            count(len(user.custom), "custom attribute"),
            count(len(user.events), "event"),
            count(len(user.purchases), "purchase"),
        )
    )


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
