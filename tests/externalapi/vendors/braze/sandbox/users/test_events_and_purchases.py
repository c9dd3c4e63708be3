"""Every event is one more event."""

from datetime import timedelta

from externalapi.vendors.braze.sandbox.rules.verdicts import Arrays
from externalapi.vendors.braze.sandbox.users import exports
from externalapi.vendors.braze.sandbox.users.store import Store
from tests.externalapi.vendors.braze.sandbox.people import (
    NOW,
    attributes,
    event,
    purchase,
)


def exported(**arrays):
    store = Store()
    store.apply(arrays, NOW)
    return exports.with_every_event(store.people.by_external_id["ada"])


def test_a_repeated_event_is_a_second_event():
    result = exported(events=[event(), event(), event(name="other")])
    assert result["custom_events"] == [
        {
            "name": "visited",
            "first": "2026-01-02T03:04:05.000Z",
            "last": "2026-01-02T03:04:05.000Z",
            "count": 2,
        },
        {
            "name": "other",
            "first": "2026-01-02T03:04:05.000Z",
            "last": "2026-01-02T03:04:05.000Z",
            "count": 1,
        },
    ]
    assert len(result["event_list"]) == 3


def test_first_and_last_are_those_of_the_events_and_not_of_their_arrival():
    times = ["2026-01-02T00:00:00Z", "2025-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]
    (counted,) = exported(events=[event(time=time) for time in times])["custom_events"]
    assert counted["first"] == "2025-01-02T00:00:00.000Z"
    assert counted["last"] == "2026-01-02T00:00:00.000Z"


def test_a_time_in_the_future_becomes_now():
    future = (NOW + timedelta(days=1)).isoformat()
    (stored,) = exported(events=[event(time=future)])["event_list"]
    assert stored["time"] == "2026-03-01T12:00:00.000Z"


def test_attributes_are_applied_before_events():
    """So an alias that the attributes create has its events from the same request."""
    alias = {"user_alias": {"alias_name": "a", "alias_label": "b"}}
    visit = {"name": "visited", "time": "2026-01-01T00:00:00Z", **alias}
    store = Store()
    arrays: Arrays = {
        "events": [{**visit}],
        "attributes": [{**alias, "_update_existing_only": False}],
    }
    store.apply(arrays, NOW)
    assert len(store.people.all[0].events) == 1


def test_a_quantity_counts_as_so_many_purchases():
    result = exported(
        attributes=[attributes()],
        purchases=[purchase(quantity=3), purchase(product_id=7, price=1)],
    )
    assert {one["name"]: one["count"] for one in result["purchases"]} == {
        "tea": 3,
        "7": 1,
    }
    assert result["total_revenue"] == 14.5
