"""Whose object it is, and when somebody new comes into being."""

from tests.externalapi.vendors.braze.sandbox.people import (
    NOW,
    attributes,
    event,
    stored,
)

ALIAS = {"alias_name": "A-1", "alias_label": "web"}
CREATE = {"_update_existing_only": False}


def test_an_unknown_external_id_creates_a_person_also_with_a_known_email():
    store = stored(
        attributes("ada", email="a@example.com"),
        attributes("bob", email="a@example.com"),
    )
    assert len(store.people.all) == 2


def test_an_integer_is_the_same_external_id_as_its_text():
    store = stored({"external_id": 1, "a": 1}, {"external_id": "1", "b": 2})
    assert [user.custom for user in store.people.all] == [{"a": 1, "b": 2}]


def test_update_only_creates_nobody():
    store = stored(attributes("ada", _update_existing_only=True, a=1))
    assert store.people.all == []


def test_an_alias_creates_somebody_only_when_told():
    assert stored({"user_alias": ALIAS}).people.all == []
    store = stored({"user_alias": ALIAS, **CREATE}, {"user_alias": ALIAS, "plan": "x"})
    (user,) = store.people.all
    assert user.aliases == {"web": "A-1"}
    assert user.custom == {"plan": "x"}


def test_aliases_distinguish_capital_letters_and_labels():
    store = stored({"user_alias": ALIAS, **CREATE})
    for other in ({"alias_name": "a-1"}, {"alias_label": "app"}):
        assert store.people.find({"user_alias": {**ALIAS, **other}}) is None


def test_events_of_an_unknown_alias_are_lost_in_silence():
    store = stored()
    lost = {**event(), "user_alias": ALIAS}
    del lost["external_id"]
    store.apply({"events": [lost]}, NOW)
    assert (store.people.all, store.events) == ([], 0)


def test_an_unknown_braze_id_creates_nobody_and_a_known_one_is_found():
    store = stored({"braze_id": "5eea769d45bb2e1467418f92"}, attributes("ada"))
    (ada,) = store.people.all
    assert store.people.find({"braze_id": ada.braze_id}) is ada
    store.apply({"attributes": [{"braze_id": ada.braze_id, "a": 1}]}, NOW)
    assert ada.custom == {"a": 1}


def test_email_alone_finds_or_creates():
    store = stored({"email": "Ada@Example.com", "a": 1}, {"email": "ada@example.com"})
    (user,) = store.people.all
    assert user.external_id is None
    assert user.email == "ada@example.com"


def test_email_wins_over_phone():
    store = stored(
        attributes("ada", email="ada@example.com"),
        attributes("bob", phone="+442071234567"),
        {"email": "ada@example.com", "phone": "+442071234567", "found": True},
    )
    ada, bob = store.people.all
    assert ada.custom == {"found": True}
    assert bob.custom == {}


def test_of_several_with_one_email_the_latest_with_an_external_id_is_meant():
    same = {"email": "all@example.com"}
    store = stored(
        same,
        attributes("ada", **same),
        attributes("bob", **same),
        attributes("ada", seen=True),
        {**same, "found": True},
    )
    found = [user for user in store.people.all if "found" in user.custom]
    assert [user.external_id for user in found] == ["ada"]


def test_a_phone_number_is_found_however_it_is_written():
    store = stored(
        attributes("ada", phone="+44 20 7123-4567"), {"phone": "+442071234567", "a": 1}
    )
    assert store.people.by_external_id["ada"].custom == {"a": 1}


def test_an_invalid_phone_number_finds_and_creates_nobody():
    assert stored({"phone": "call me"}).people.all == []


def test_a_changed_or_removed_email_is_no_longer_found():
    store = stored(
        attributes("ada", email="old@example.com"),
        attributes("ada", email="new@example.com"),
    )
    assert store.people.find({"email": "old@example.com"}) is None
    assert store.people.find({"email": "new@example.com"}) is not None
    store.apply({"attributes": [attributes("ada", email=None)]}, NOW)
    assert store.people.find({"email": "new@example.com"}) is None
