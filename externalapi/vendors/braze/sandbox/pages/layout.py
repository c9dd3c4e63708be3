"""The frame of every page, and the pieces that they share."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import orjson

from externalapi.vendors.braze.sandbox.pages.html import Html, el

ONE_LINE = 72  # characters of JSON


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
            # Where Braze's own dashboard has it.
            el(
                "details",
                el("summary", "Audience"),
                _nav_link("Search Users", "/search-users", section),
                open="",
            ),
            _nav_link("Catalogs", "/sandbox/catalogs", section),
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


def count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def card(heading: str, content: object) -> Html:
    anchor = heading.lower().replace(" ", "-")
    return el(
        "section",
        el("h2", heading, id=anchor),
        content,
        class_="card",
        aria_labelledby=anchor,
    )


def facts(values: Mapping[str, object], none: str = "Nothing here.") -> Html:
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
    return pretty_json(value)


def pretty_json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def table(
    caption: str, headings: Iterable[str], rows: Iterable[Sequence[object]]
) -> Html:
    """A table in a frame that scrolls sideways, also with the keyboard.

    On a narrow screen each row is a block, and its cells bring their headings along.
    """
    names = [*headings]
    head = el("tr", *(el("th", one, scope="col") for one in names))
    body = (_table_row(names, cells) for cells in rows)
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
        aria_label=f"{caption}, as a table",
    )


def _table_row(names: Sequence[str], cells: Sequence[object]) -> Html:
    first, *others = zip(names, cells, strict=True)
    name, cell = first
    return el(
        "tr",
        el("th", cell, scope="row", data_label=name),
        *(el("td", cell, data_label=name) for name, cell in others),
    )


def moment(time: datetime) -> Html:
    utc = time.astimezone(UTC)
    text = utc.strftime("%d %b %Y, %H:%M:%S")
    return el("time", text, datetime=utc.isoformat())
