"""Who turns out to be whom: what others fell into, and what is undone."""

import pytest
from django.core.management import CommandError, call_command

from segments.ingest import inbox
from segments.models import Event, Identifier, Membership, MergeLog, Profile
from tests.factories import make_profile, make_segment

pytestmark = pytest.mark.django_db

EARLIER, LATER = "2026-01-31T09:00:00+00:00", "2026-01-31T15:00:00+00:00"


def live():
    return Profile.objects.filter(merged_into=None)


# --- Values ---------------------------------------------------------------------------


def test_late_data_does_not_overwrite_newer(call, known):
    call("identify", userId="u1", traits={"plan": "pro"}, timestamp=LATER)
    call("identify", userId="u1", traits={"plan": "free"}, timestamp=EARLIER)
    assert known().attributes == {"plan": "pro"}


def test_late_data_does_not_overwrite_newer_in_a_merge(call, known):
    call("identify", userId="u1", traits={"plan": "free"}, timestamp=EARLIER)
    call("identify", anonymousId="a", traits={"plan": "pro"}, timestamp=LATER)
    call("track", anonymousId="a", userId="u1")
    assert known().attributes == {"plan": "pro"}


def test_what_was_taken_away_later_does_not_come_back(call, known):
    call("identify", userId="u1", traits={"plan": None, "email": None}, timestamp=LATER)
    old = {"plan": "pro", "email": "a@b.io"}
    call("identify", userId="u1", traits=old, timestamp=EARLIER)
    assert (known().attributes, known().email) == ({}, "")


def test_between_equal_times_the_larger_message_id_wins(call, known):
    call("identify", userId="u1", traits={"plan": "b"}, messageId="b")
    call("identify", userId="u1", traits={"plan": "a"}, messageId="a")
    assert known().attributes == {"plan": "b"}


def test_a_value_said_again_later_outlives_one_of_between(call, known):
    call("identify", userId="u1", traits={"plan": "pro"}, timestamp=EARLIER)
    call("identify", userId="u1", traits={"plan": "pro"}, timestamp=LATER)
    call("identify", userId="u1", traits={"plan": "free"})
    assert known().attributes == {"plan": "pro"}


def test_what_was_there_before_times_were_kept_is_older_than_anything(call, known):
    make_profile(external_id="u1", plan="free", city="Pune")
    call("identify", userId="u1", traits={"plan": "pro"}, timestamp=EARLIER)
    assert known().attributes == {"plan": "pro", "city": "Pune"}


def test_each_attribute_keeps_its_time_message_and_source(call, known, source):
    call("identify", userId="u1", traits={"plan": "pro", "city": "Pune"})
    call("identify", userId="u1", traits={"plan": "free"}, timestamp=LATER)
    noon, later = 1769860800000000, 1769871600000000
    assert known().attribute_times == {
        "": [noon, "m000", source.pk],
        "plan": [later, "m001", source.pk],
    }


# --- E-mail and phone -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Example.com", "ann@example.com"),
        ("jose\u0301@a.io", "jos\u00e9@a.io"),
        ("ann@a.io\u00a0", "\u200bann@a.io"),
    ],
    ids=["case", "two forms", "invisible"],
)
def test_an_address_typed_in_two_ways_is_one(call, one, other):
    call("identify", anonymousId="a", traits={"email": one})
    call("identify", anonymousId="b", traits={"email": other})
    assert live().count() == 1


def test_dots_are_not_everybodys(call):
    for number, email in enumerate(
        ["j.doe@gmail.com", "jdoe@firm.io", "j.doe@firm.io"]
    ):
        call("identify", anonymousId=f"d{number}", traits={"email": email})
    assert live().count() == 3


def test_a_number_with_and_without_plus_is_one(call, known):
    call("identify", userId="u1", traits={"phone": "+44 7700 900123"})
    call("identify", anonymousId="a", traits={"phone": "447700900123"})
    call("identify", anonymousId="b", traits={"phone": "+44 (0)7700 900123"})
    assert live().get() == known()
    assert known().phone == "+447700900123"


def test_a_national_number_needs_a_country(call, known, settings):
    call("identify", userId="u1", traits={"phone": "07700 900123"})
    call("identify", anonymousId="a", traits={"phone": "07700 900123"})
    assert known().phone == "07700 900123"
    assert live().count() == 2
    settings.PHONE_REGION = "GB"
    call("identify", userId="u2", traits={"phone": "07700 900124"})
    call("identify", anonymousId="b", traits={"phone": "+447700900124"})
    assert known("u2").phone == "+447700900124"
    assert live().count() == 3


def test_what_was_typed_is_kept_beside(call, known):
    call("identify", userId="u1", traits={"email": " Ann@A.io", "phone": "+4930123456"})
    assert known().attribute_times["email"][3] == " Ann@A.io"
    assert "phone" not in known().attribute_times


def test_an_address_said_once_joins_though_it_was_replaced(call, known):
    call("identify", userId="u1", traits={"email": "old@a.io"}, timestamp=EARLIER)
    call("identify", userId="u1", traits={"email": "new@a.io"})
    said = {"traits": {"email": "old@a.io"}, "timestamp": EARLIER}
    event = call("track", anonymousId="a", **said)
    assert Event.objects.get(message_id=event).profile == known()
    assert known().email == "new@a.io"


def test_two_customers_with_one_address_are_two_and_it_joins_nobody(call):
    for user in ("u1", "u2"):
        call("identify", userId=user, traits={"email": "family@a.io"})
    call("identify", anonymousId="a", traits={"email": "family@a.io"})
    assert live().count() == 3
    assert not MergeLog.objects.exists()


def test_a_kind_that_may_not_join_does_not(call, settings):
    settings.IDENTITY_JOINS = ["anonymous_id"]
    call("identify", userId="u1", traits={"email": "a@b.io"})
    call("identify", anonymousId="a", traits={"email": "a@b.io"})
    assert live().count() == 2


def test_the_device_is_trusted_more_than_the_address(call, owner):
    call("identify", userId="u1", traits={"email": "a@b.io"})
    event = call("track", anonymousId="a", traits={"email": "a@b.io"})
    assert owner(event).external_id == "u1"
    call("identify", userId="u2", anonymousId="a")
    assert owner(event).external_id == "u2"


# --- Devices --------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["undefined", "NULL", " 0", "[object Object]"])
def test_placeholders_name_nobody(call, value, owner):
    events = [
        call("track", anonymousId=device, userId=value) for device in ("a", "b", "a")
    ]
    assert live().count() == 2
    assert owner(events[0]) == owner(events[2]) != owner(events[1])
    alone = call("track", userId=value)
    assert owner(alone).identifiers.get().kind == "placeholder"
    call("identify", userId=value, traits={"name": "Somebody else"})
    assert owner(alone).attributes == {}


def test_a_shared_device_does_not_chain_two_customers(call, owner, known):
    before = call("track", anonymousId="a")
    call("identify", anonymousId="a", userId="b")
    assert owner(before) == known("b")
    call("identify", anonymousId="a", userId="c")
    theirs = call("track", anonymousId="a", userId="c")
    assert known("b") != known("c")
    assert owner(theirs) == known("c")
    assert owner(before).external_id is None
    assert owner(before) == Identifier.objects.get(is_own=True).profile


def test_what_a_shared_device_brought_goes_back_with_its_values(call, known):
    call("identify", anonymousId="a", traits={"city": "Pune", "email": "a@b.io"})
    call("identify", userId="b", traits={"city": "Oslo"}, timestamp=EARLIER)
    call("track", anonymousId="a", userId="b")
    assert (known("b").attributes, known("b").email) == ({"city": "Pune"}, "a@b.io")
    call("track", anonymousId="a", userId="c")
    assert (known("b").attributes, known("b").email) == ({"city": "Oslo"}, "")
    device = live().get(external_id=None)
    assert (device.attributes, device.email) == ({"city": "Pune"}, "a@b.io")


def test_alias_does_not_go_round_the_guard_of_identify(call, known):
    for user, device in (("u1", "d1"), ("u2", "d2")):
        call("identify", userId=user, anonymousId=device)
    call("alias", userId="u1", previousId="d2")
    call("alias", userId="u2", previousId="d1")
    assert known("u1") != known("u2")
    assert live().count() == 2


def test_after_chained_aliases_all_events_are_one_persons(call, owner, known):
    events = [call("track", userId=user) for user in ("a", "b", "u")]
    events.append(call("track", anonymousId="device"))
    call("alias", userId="b", previousId="a")
    call("alias", userId="u", previousId="b", timestamp=LATER)
    call("alias", userId="u", previousId="device")
    events.append(call("track", userId="a"))
    assert {owner(event) for event in events} == {known("u")}
    assert live().get() == known("u")


def test_an_anonymous_person_stays_in_their_segments_as_they_become_known(call, known):
    """Whatever entries set going has begun for them already."""
    segment = make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    call("track", anonymousId="a")
    call("identify", anonymousId="a", userId="u1")
    assert segment.transitions.count() == 1
    assert Membership.objects.get().profile == known()


def test_who_has_too_many_identifiers_gets_no_more(call, settings, known):
    settings.IDENTITY_MOST = 3
    for number in range(5):
        call("identify", userId="u1", anonymousId=f"d{number}")
        call("track", anonymousId=f"d{number}")
    assert known().parts.count() == 3
    assert live().count() == 3


def test_an_identifier_of_very_many_joins_nobody(call, settings):
    settings.IDENTITY_MOST = 3
    for number in range(3):
        call("identify", anonymousId=f"d{number}", traits={"email": "info@a.io"})
    assert live().count() == 1
    call("identify", anonymousId="d3", traits={"email": "info@a.io"})
    assert live().count() == 4
    call("identify", anonymousId="d4", traits={"email": "info@a.io"})
    assert live().count() == 5


def test_a_call_about_nobody_is_refused_alone(source, known):
    nobody = ("m1", "identify", {"traits": {"city": "Pune"}, "timestamp": EARLIER})
    good = ("m2", "identify", {"userId": "u1", "timestamp": EARLIER})
    inbox.append(source, [nobody, good])
    assert (inbox.apply().errors, known().external_id) == (1, "u1")


# --- Logged, undone, erased -----------------------------------------------------------


def test_merges_and_splits_are_logged_with_their_reason(call, known):
    call("identify", userId="b")
    call("track", anonymousId="a")
    call("identify", anonymousId="a", userId="b")
    call("identify", anonymousId="a", userId="c")
    device = Profile.objects.get(external_id=None)
    merge, split = MergeLog.objects.order_by("pk")
    assert (merge.kind, merge.profile, merge.part) == ("merge", known("b"), device)
    assert merge.reason == "Anonymous id “a” was said of both."
    assert merge.message_id == "m002"
    assert (split.kind, split.profile, split.part) == ("split", known("b"), device)
    assert "more than one known person" in split.reason


def test_a_merge_is_undone_exactly_and_for_good(call, known, owner):
    segment = make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    call("identify", userId="u1", traits={"city": "Oslo"}, timestamp=EARLIER)
    event = call("track", anonymousId="a", traits={"city": "Pune", "email": "a@b.io"})
    call("identify", anonymousId="a", userId="u1")
    assert known().attributes == {"city": "Pune"}
    merge = MergeLog.objects.get()
    call_command("undo_merge", str(merge.pk))
    assert (known().attributes, known().email) == ({"city": "Oslo"}, "")
    assert owner(event) == merge.part != known()
    assert owner(event).attributes == {"city": "Pune"}
    assert segment.memberships.get().profile == merge.part
    call("identify", anonymousId="a", userId="u1")
    again = call("track", anonymousId="a")
    assert owner(again) == merge.part
    merge.refresh_from_db()
    assert merge.undone_at is not None
    with pytest.raises(CommandError, match="part of nobody"):
        call_command("undo_merge", str(merge.pk))


@pytest.mark.parametrize("part", ["p", "u"])
def test_an_alias_is_undone(call, known, owner, part):
    events = {user: call("track", userId=user) for user in ("p", "u")}
    call("alias", userId="u", previousId="p")
    merge = MergeLog.objects.get()
    call_command("undo_merge", str(merge.pk))
    assert {user: owner(event).external_id for user, event in events.items()} == {
        "p": "p",
        "u": "u",
    }
    call("alias", userId="u", previousId="p")
    assert known("p") != known("u")


def test_a_merge_by_an_address_is_undone(call, owner, known):
    events = [
        call("track", anonymousId=device, traits={"email": "a@b.io"})
        for device in ("a", "b", "c")
    ]
    assert len({owner(event) for event in events}) == 1
    call_command("undo_merge", str(MergeLog.objects.order_by("pk")[0].pk))
    assert len({owner(event) for event in events}) == 2
    call("identify", userId="u1", traits={"email": "a@b.io"})
    assert sum(owner(event) == known() for event in events) == 2


def test_who_is_erased_is_erased_with_all_parts(call, known):
    call("identify", userId="u1")
    call("identify", anonymousId="a", traits={"city": "Pune"})
    call("identify", anonymousId="a", userId="u1")
    assert Profile.objects.count() == 2
    known().delete()
    assert not Profile.objects.exists()
    assert not Identifier.objects.exists()
    assert not MergeLog.objects.exists()


# --- From before ----------------------------------------------------------------------


def test_a_device_of_the_old_version_goes_with_its_history(call, known, owner):
    """Its events say nothing of how they came."""
    visitor = make_profile(external_id=None, email="", city="Pune")
    Identifier.objects.create(
        kind="anonymous_id", value="a", profile=visitor, is_own=True
    )
    event = call("track", anonymousId="a")
    Event.objects.update(via_id=None)
    call("identify", anonymousId="a", userId="b")
    assert owner(event) == known("b")
    assert known("b").attributes == {"city": "Pune"}
    call("identify", anonymousId="a", userId="c")
    assert known("b").attributes == {}
    assert owner(event).attributes == {"city": "Pune"}
    assert owner(event).external_id is None
