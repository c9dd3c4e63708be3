"""What Braze makes of events and purchases (event_object, purchase_object)."""

import re
from collections.abc import Mapping
from datetime import datetime

from externalapi.template.parameters import ParameterType
from externalapi.template.spans import Path
from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.lint.findings import (
    EVENT_PAGE,
    PURCHASE_PAGE,
    Finding,
    Findings,
    error,
    hint,
    warning,
)
from externalapi.vendors.braze.lint.spelling import likely
from externalapi.vendors.braze.lint.template_values import (
    Unknown,
    Value,
    is_integer,
    is_number,
    is_object,
    is_text,
    may_be_missing,
)

_COMMON = (*contract.IDENTIFIERS, "app_id", "properties", "_update_existing_only")
_EVENT_KEYS = frozenset({*_COMMON, "name", "time"})
_PURCHASE_KEYS = frozenset(
    {*_COMMON, "product_id", "currency", "price", "quantity", "time"}
)
# Braze's own pattern has a colon before the milliseconds.
_BRAZE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d:\d{3}(Z|[+-]\d\d:?\d\d)")


def lint_event(item: Mapping[str, Value], at: Path) -> Findings:
    """Yield what is to be said about one event, its identifier aside."""
    yield from _needed(item, ("name", "time"), at, EVENT_PAGE, "event")
    yield from _keys(item, _EVENT_KEYS, at, EVENT_PAGE, "an event")
    name = item.get("name")
    if "name" in item and name is not None and not is_text(name):
        yield error(
            (*at, "name"),
            "An event's name is a text.",
            "Write it in quotes.",
            EVENT_PAGE,
        )
    yield from _time(item, at, EVENT_PAGE)
    yield from _properties(item, at, EVENT_PAGE)


def lint_purchase(item: Mapping[str, Value], at: Path) -> Findings:
    """Yield what is to be said about one purchase, its identifier aside."""
    needed = ("product_id", "currency", "price", "time")
    yield from _needed(item, needed, at, PURCHASE_PAGE, "purchase")
    yield from _keys(item, _PURCHASE_KEYS, at, PURCHASE_PAGE, "a purchase")
    yield from _time(item, at, PURCHASE_PAGE)
    yield from _price(item, at)
    yield from _quantity(item, at)
    currency = item.get("currency")
    if isinstance(currency, str) and currency and currency not in contract.CURRENCIES:
        yield error(
            (*at, "currency"),
            f"“{currency[:60]}” is no currency; Braze refuses the purchase.",
            "Write three capital letters of ISO 4217, such as EUR.",
            PURCHASE_PAGE,
        )
    product = item.get("product_id")
    if isinstance(product, str) and len(product) > contract.MAX_PRODUCT_ID_CHARS:
        yield error(
            (*at, "product_id"),
            f"A product_id has at most {contract.MAX_PRODUCT_ID_CHARS} characters.",
            "Shorten it.",
            PURCHASE_PAGE,
        )
    yield from _properties(item, at, PURCHASE_PAGE)


def _needed(
    item: Mapping[str, Value], keys: tuple[str, ...], at: Path, page: str, what: str
) -> Findings:
    for key in keys:
        value = item.get(key)
        if value is None or value == "":
            yield error(
                (*at, key) if key in item else at,
                f"The {what} has no “{key}”; Braze refuses it.",
                f"Add “{key}”.",
                page,
            )
        elif isinstance(value, Unknown) and may_be_missing(value):
            yield warning(
                (*at, key),
                f"Without a value for “{value.name}” Braze refuses the {what}.",
                "Make the parameter required or give it a default.",
                page,
            )


def _keys(
    item: Mapping[str, Value], known: frozenset[str], at: Path, page: str, what: str
) -> Findings:
    for key in item:
        if key in known:
            continue
        meant = likely(key, known)
        advice = f"Did you mean “{meant}”?" if meant else "Put it into “properties”."
        yield warning((*at, key), f"“{key}” is no part of {what}.", advice, page)


def _time(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    value = item.get("time")
    path = (*at, "time")
    if isinstance(value, Unknown):
        if value.type is ParameterType.TEXT:
            yield hint(
                path,
                f"“{value.name}” is a Text; a time that Braze cannot read is refused.",
                "Make it a Date and time: it is checked and written for Braze.",
                page,
            )
        elif value.type not in (ParameterType.DATETIME, ParameterType.ANY):
            yield _unreadable(path, value.name, page)
    elif value is None or value == "":
        return
    elif not isinstance(value, str) or not _is_time(value):
        yield _unreadable(path, str(value), page)
    else:
        yield warning(
            path,
            "Everybody gets the same time.",
            "Write a parameter such as {{Event Time}}.",
            page,
        )


def _unreadable(path: Path, text: str, page: str) -> Finding:
    return error(
        path,
        f"“{text[:60]}” is no time in ISO 8601; Braze refuses it.",
        "Write 2025-01-31T09:30:00Z, or a parameter of the type Date and time.",
        page,
    )


def _is_time(text: str) -> bool:
    if _BRAZE_TIME.fullmatch(text):
        return True
    try:
        datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-"))
    except ValueError:
        return False
    return True


def _price(item: Mapping[str, Value], at: Path) -> Findings:
    price = item.get("price")
    if price is None or price == "" or is_number(price):
        return
    if isinstance(price, Unknown):
        yield warning(
            (*at, "price"),
            f"A price is a number; “{price.name}” is of the type {price.type.label}.",
            "Make the parameter a Number.",
            PURCHASE_PAGE,
        )
    else:
        yield error(
            (*at, "price"),
            "A price is a number.",
            "Write it without quotes.",
            PURCHASE_PAGE,
        )


def _quantity(item: Mapping[str, Value], at: Path) -> Findings:
    quantity = item.get("quantity")
    if quantity is None or (isinstance(quantity, Unknown) and is_integer(quantity)):
        return
    if isinstance(quantity, Unknown):
        yield warning(
            (*at, "quantity"),
            f"A quantity is a whole number from 1 to {contract.MAX_QUANTITY}.",
            f"Make the parameter “{quantity.name}” a whole number.",
            PURCHASE_PAGE,
        )
    elif not is_integer(quantity) or not _is_allowed(quantity):
        yield error(
            (*at, "quantity"),
            f"A quantity is a whole number from 1 to {contract.MAX_QUANTITY}.",
            "Correct it; Braze refuses the purchase.",
            PURCHASE_PAGE,
        )


def _is_allowed(quantity: Value) -> bool:
    return isinstance(quantity, int) and 1 <= quantity <= contract.MAX_QUANTITY


def _properties(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    properties = item.get("properties")
    path = (*at, "properties")
    if properties is None:
        return
    if not isinstance(properties, dict):
        if not is_object(properties):
            yield error(path, "“properties” is an object.", "Write {…}.", page)
        return
    for name, value in properties.items():
        yield from _property(name, value, (*path, name), page)


def _property(name: str, value: Value, path: Path, page: str) -> Findings:
    if name in contract.RESERVED_PROPERTIES:
        yield error(
            path, f"Braze keeps the name “{name}” for itself.", "Choose another.", page
        )
    elif not 0 < len(name) <= contract.MAX_NAME_CHARS or name.startswith("$"):
        yield error(
            path,
            f"A property's name has 1 to {contract.MAX_NAME_CHARS} characters and does "
            "not begin with $.",
            "Choose another.",
            page,
        )
    if isinstance(value, str) and len(value) > contract.MAX_STRING_CHARS:
        yield warning(
            path,
            f"The text is longer than {contract.MAX_STRING_CHARS} characters.",
            "Shorten it; Braze does not keep all of it.",
            page,
        )
