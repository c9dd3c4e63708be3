"""What Braze drops without a word: the request succeeds, the value is not there."""

import pytest

from tests.externalapi.vendors.braze.sandbox.people import (
    NOW,
    attributes,
    event,
    stored,
)


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("country", "gb", "GB"),
        ("country", "Australia", "AU"),
        ("language", "en", "en"),
        ("gender", "F", "F"),
        ("dob", "1990-12-10", "1990-12-10"),
        ("time_zone", "Europe/London", "Europe/London"),
        ("time_zone", "Eastern Time (US & Canada)", "Eastern Time (US & Canada)"),
        ("date_of_first_session", "01/31/2026", "01/31/2026"),
        ("email_open_tracking_disabled", True, True),
        ("twitter", {"id": 5}, {"id": 5}),
        ("first_name", "", ""),
    ],
)
def test_a_good_standard_value_is_kept(name, sent, kept):
    store = stored(attributes(**{name: sent}))
    assert store.people.all[0].standard == {name: kept}


@pytest.mark.parametrize(
    ("name", "old", "sent"),
    [
        ("language", "en", "klingon"),
        ("gender", "F", "female"),
        ("dob", "1990-12-10", "10.12.1990"),
        ("dob", "1990-12-10", "1990-02-30"),
        ("time_zone", "Europe/London", "Mars/Olympus"),
        ("date_of_last_session", "2026-01-01", "lately"),
        ("first_name", "Ada", "x" * 256),
        ("first_name", "Ada", 5),
        ("email_click_tracking_disabled", True, "no"),
        ("facebook", {"id": "1"}, "1"),
    ],
)
def test_a_bad_standard_value_leaves_the_old_one(name, old, sent):
    store = stored(attributes(**{name: old}), attributes(**{name: sent}))
    assert store.people.all[0].standard == {name: old}


@pytest.mark.parametrize("sent", ["Atlantis", "XX", 49, None])
def test_a_country_that_cannot_be_mapped_becomes_null(sent):
    store = stored(attributes(country="GB"), attributes(country=sent))
    assert store.people.all[0].standard == {}


def test_null_removes_a_standard_attribute():
    store = stored(attributes(first_name="Ada"), attributes(first_name=None))
    assert store.people.all[0].standard == {}


def test_groups_are_added_to_those_the_person_is_in():
    one, two = "6f2e1c3a-52b4-4c7e-9a39-000000000001", "other"
    store = stored(
        attributes(subscription_groups=[_group(one, "subscribed")]),
        attributes(subscription_groups=[_group(two, "subscribed")]),
        attributes(subscription_groups=[_group(one, "unsubscribed")]),
    )
    assert store.people.all[0].standard["subscription_groups"] == [
        _group(one, "unsubscribed"),
        _group(two, "subscribed"),
    ]


def _group(group_id, state):
    return {"subscription_group_id": group_id, "subscription_state": state}


def test_long_texts_in_event_properties_are_dropped():
    store = stored()
    sent = event(properties={"long": "x" * 256, "short": "x"})
    store.apply({"events": [sent]}, NOW)
    assert store.people.all[0].events[0].properties == {"short": "x"}
