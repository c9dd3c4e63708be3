"""Catalogs: what each has, item by item."""

from collections.abc import Collection
from itertools import islice

from externalapi.vendors.braze.sandbox.pages.html import Html, el
from externalapi.vendors.braze.sandbox.pages.layout import (
    count,
    moment,
    page,
    shown,
    table,
)
from externalapi.vendors.braze.sandbox.rules.catalogs import Catalog

ITEMS_SHOWN = 100


def catalogs_page(catalogs: Collection[Catalog]) -> str:
    return page(
        "Catalogs",
        el("h1", "Catalogs"),
        el("ul", *map(_listed, catalogs), class_="people")
        if catalogs
        else _no_catalog_yet(),
        section="Catalogs",
    )


def _listed(catalog: Catalog) -> Html:
    facts = (count(len(catalog.items), "item"), count(len(catalog.fields), "field"))
    return el(
        "li",
        el("a", catalog.name, href=f"/sandbox/catalogs/{catalog.name}"),
        el("p", catalog.description) if catalog.description else None,
        el("p", ", ".join(facts), class_="quiet"),
    )


def _no_catalog_yet() -> Html:
    return el(
        "section",
        el("h2", "No catalog yet"),
        el(
            "p",
            "A catalog has to exist before items can be sent to it. Start the sandbox "
            "with ",
            el("code", "--catalog restaurants:Name,City,Rating=number"),
            ", or create one by a request to ",
            el("code", "POST /catalogs"),
            ".",
        ),
        class_="empty",
    )


def catalog_page(catalog: Catalog) -> str:
    return page(
        catalog.name,
        el("p", el("a", "Catalogs", href="/sandbox/catalogs"), class_="back"),
        el("h1", catalog.name),
        el("p", catalog.description) if catalog.description else None,
        el("p", *_note(catalog), class_="quiet"),
        _items(catalog) if catalog.items else _no_item_yet(catalog),
        section="Catalogs",
    )


def _note(catalog: Catalog) -> tuple[object, ...]:
    number = len(catalog.items)
    if not number:
        return ("No item",)
    some = f", the first {ITEMS_SHOWN} are shown" if number > ITEMS_SHOWN else ""
    return (count(number, "item"), some, ", changed ", moment(catalog.updated_at))


def _items(catalog: Catalog) -> Html:
    rows = [
        [
            item["id"],
            *(_value(item.get(name)) for name in catalog.fields if name != "id"),
        ]
        for item in islice(catalog.items.values(), ITEMS_SHOWN)
    ]
    return table(f"Items of {catalog.name}", [*catalog.fields], rows)


def _value(value: object) -> object:
    return "" if value is None else shown(value)


def _no_item_yet(catalog: Catalog) -> Html:
    return el(
        "section",
        el("h2", "No item yet"),
        el("p", "Its fields: ", el("code", ", ".join(catalog.fields)), "."),
        class_="empty",
    )


def no_such_catalog_page() -> str:
    return page(
        "No such catalog",
        el("h1", "No such catalog"),
        el("p", el("a", "All catalogs", href="/sandbox/catalogs")),
        section="Catalogs",
    )
