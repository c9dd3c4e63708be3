"""The smallest objects that Braze takes, and a store to apply them to."""

from datetime import UTC, datetime

from externalapi.vendors.braze.sandbox.users.store import Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def attributes(external_id="ada", **values):
    return {"external_id": external_id, **values}


def event(external_id="ada", name="visited", time="2026-01-02T03:04:05Z", **values):
    return {"external_id": external_id, "name": name, "time": time, **values}


def purchase(external_id="ada", **values):
    return {
        "external_id": external_id,
        "product_id": "tea",
        "currency": "EUR",
        "price": 4.5,
        "time": "2026-01-02T03:04:05Z",
        **values,
    }


def stored(*items, at=NOW):
    """A store after these attributes objects, each of them in a request of its own."""
    store = Store()
    for item in items:
        store.apply({"attributes": [item]}, at)
    return store


def custom_after(*items):
    """Ada's custom attributes after these objects."""
    store = stored(*(attributes(**item) for item in items))
    return store.people.by_external_id["ada"].custom
