"""Who turns out to be whom: what others fell into, and what is undone."""

import pytest
from django.core.management import CommandError, call_command

from segments.ingest import inbox
from segments.models import Event, Identifier, Membership, MergeLog, Profile
from tests import plans
from tests.factories import make_profile, make_segment, make_source

pytestmark = pytest.mark.django_db

NOON = "2026-01-31T12:00:00+00:00"
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


def test_between_two_sources_that_say_it_at_once_one_always_wins(call, known, source):
    """Also where both call their messages by numbers."""
    other = make_source()
    said = [(source, "old"), (other, "new")]
    for number, order in enumerate((said, said[::-1])):
        for sender, plan in order:
            traits = {"userId": f"u{number}", "traits": {"plan": plan}}
            inbox.append(
                sender, [(f"1-{number}", "identify", {**traits, "timestamp": NOON})]
            )
            assert inbox.apply().errors == 0
    assert known("u0").attributes == known("u1").attributes == {"plan": "new"}


def test_between_two_aliases_at_once_of_two_sources_one_always_wins(source):
    other = make_source()
    called = set()
    for number, users in enumerate((("u", "v"), ("v", "u"), ("u", "v"), ("v", "u"))):
        # Made in one order and aliased in the other.
        for user in ("uv", "vu")[number // 2] + "p":
            said = {"userId": f"{user}{number}", "timestamp": NOON}
            inbox.append(source, [(f"{user}{number}", "identify", said)])
        for user in users:
            said = {"userId": f"{user}{number}", "previousId": f"p{number}"}
            sender = {"u": source, "v": other}[user]
            inbox.append(
                sender, [(f"1-{number}", "alias", {**said, "timestamp": NOON})]
            )
            assert inbox.apply().errors == 0
        (person,) = live().filter(external_id__endswith=number)
        called.add(person.external_id[0])
    assert len(called) == 1


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


@pytest.mark.parametrize(
    "value",
    [
        *("undefined", "NULL", " 0", "[object Object]", "N/A", "(null)"),
        # What nobody filled in.
        *("{{user_id}}", "{{ user.id }}", "${userId}", "%user_id%", "<%= id %>"),
        *("[[ID]]", "*|UID|*", "%%ID%%", "{% id %}"),
    ],
)
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


def test_a_chain_of_devices_ends_where_a_person_has_too_many(source, settings):
    """Anybody with a browser can say such things, one after another or all at once."""
    settings.IDENTITY_MOST = 10
    for chunk in (1, 40):
        calls = [
            (
                f"{chunk}-{n}",
                "track",
                {
                    "anonymousId": f"d{n}-{chunk}",
                    "ids": [["card", f"c{n}-{chunk}"], ["card", f"c{n + 1}-{chunk}"]],
                    "timestamp": NOON,
                    "event": "Lead",
                },
            )
            for n in range(40)
        ]
        for first in range(0, 40, chunk):
            inbox.append(source, calls[first : first + chunk])
            assert inbox.apply().errors == 0
        theirs = Profile.objects.filter(
            merged_into=None, identifiers__value__endswith=f"-{chunk}"
        ).distinct()
        sizes = [person.parts.count() + 1 for person in theirs]
        assert sum(sizes) == 40
        assert max(sizes) in (10, 11)


def test_a_long_chain_costs_no_more_than_its_length(source, settings):
    """It is read as a whole whenever something new is said of one of its people."""
    settings.IDENTITY_MOST = 10_000
    length = 2_000
    plans.note_size(100_000, 1_000, "segments_profile", "segments_identifier")

    def ids(*numbers):
        return [["card", f"c{number}"] for number in numbers]

    def send(*calls):
        said = {"timestamp": NOON, "event": "Lead"}
        inbox.append(source, [(name, "track", said | call) for name, call in calls])
        before = plans.rows_read_so_far()
        assert inbox.apply().errors == 0
        return plans.rows_read_so_far() - before

    links = (
        (f"m{n}", {"anonymousId": f"d{n}", "ids": ids(n, n + 1)}) for n in range(length)
    )
    send(*links)
    assert live().count() == 1
    read = send(("end", {"userId": "u1", "ids": ids(length)}))
    assert Event.objects.filter(profile__external_id="u1").count() == length + 1
    again = send(("more", {"userId": "u1", "ids": ids("new")}))
    assert length < read < 50 * length
    assert again < length


def test_ten_thousand_identifiers_of_one_person_stay_within_the_setting(source, known):
    said = [
        (f"m{n}", "track", {"userId": "u1", "anonymousId": f"d{n}", "event": "Lead"})
        for n in range(10_000)
    ]
    inbox.append(source, [(m, k, {**p, "timestamp": NOON}) for m, k, p in said])
    assert inbox.apply().errors == 0
    assert known().events.count() == 10_000
    joining = Identifier.objects.filter(profile=known(), is_void=False)
    assert joining.count() == 1_000
    alone = [
        (f"a{n}", "track", {"anonymousId": f"d{n}", "event": "Lead"})
        for n in (1, 9_999)
    ]
    inbox.append(source, [(m, k, {**p, "timestamp": NOON}) for m, k, p in alone])
    assert inbox.apply().errors == 0
    assert known().events.count() == 10_001


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


def snapshot():
    """All that is known of people, by row; what is void joins nobody, and is nothing."""
    people = [
        [
            *(row.pk, row.external_id, row.email, row.phone, row.merged_into_id),
            *(row.attributes, stamps(row.attributes, row.attribute_times)),
            *([row.own["key"][:2], row.own["data"]] if row.own else []),
        ]
        for row in Profile.objects.order_by("pk")
    ]
    # Columns say e-mail and phone too.
    said = Identifier.objects.filter(is_void=False).exclude(kind__in=("email", "phone"))
    events = Event.objects.order_by("pk").values_list("pk", "profile", "properties")
    members = Membership.objects.order_by("segment", "profile")
    return {
        "people": people,
        "said": sorted(said.values_list("kind", "value", "profile")),
        "events": list(events),
        "members": list(members.values_list("segment", "profile")),
    }


def stamps(data, times):
    """By name, in whatever form they are kept."""
    return {name: times.get(name, times.get("")) for name in {*data, *times} - {""}}


def undo(message_id):
    for merge in MergeLog.objects.filter(message_id=message_id, kind="merge"):
        call_command("undo_merge", str(merge.pk))


def two_devices_with_one_card(call):
    """The card makes one of them, and is not what joins them to anybody else."""
    for device, city in (("d1", "Pune"), ("d2", "Oslo")):
        said = {"anonymousId": device, "ids": [["card", "c"]]}
        call("identify", traits={"city": city, "email": f"{device}@a.io"}, **said)
        call("track", **said)


def a_customer(call):
    call("identify", userId="u", traits={"city": "Rome", "phone": "+4930123456"})
    call("track", userId="u", event="Lead")
    call("identify", userId="u", anonymousId="d0")


@pytest.mark.parametrize("device", ["d1", "d2"])
def test_undone_everybody_is_as_before(call, device):
    """Of two devices the one that was not asked for comes along, and goes along."""
    make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    a_customer(call)
    two_devices_with_one_card(call)
    before = snapshot()
    joined = call("track", userId="u", anonymousId=device, event="Visit")
    assert live().count() == 1
    undo(joined)
    event = Event.objects.get(message_id=joined)
    after = snapshot()
    after["events"].remove((event.pk, event.profile_id, {}))
    assert event.profile == Profile.objects.get(external_id="u")
    assert after == before
    call("track", userId="u", anonymousId=device, event="Visit")
    assert live().count() == 2
    assert snapshot()["people"] == before["people"]


def test_an_alias_is_undone_and_each_keeps_their_devices(call, known):
    a_customer(call)
    two_devices_with_one_card(call)
    call("identify", userId="p", anonymousId="d1", traits={"city": "Bonn"})
    before = snapshot()
    assert live().count() == 2
    joined = call("alias", userId="u", previousId="p")
    assert live().get() == known("u")
    undo(joined)
    after = snapshot()
    # That the one is called by it was noted meanwhile.
    after["said"].remove(("external_id", "p", known("p").pk))
    assert after == before
    call("alias", userId="u", previousId="p", timestamp=LATER)
    assert live().count() == 2


def test_an_alias_is_undone_when_a_newer_one_has_turned_it(call, known):
    call("track", userId="p")
    call("track", userId="u")
    joined = call("alias", userId="u", previousId="p")
    call("alias", userId="p", previousId="u", timestamp=LATER)
    assert live().get() == known("p")
    undo(joined)
    assert live().count() == 2
    assert known("p") != known("u")


def test_who_came_only_by_the_part_goes_with_it(call, known):
    """Also who came later."""
    call("identify", userId="u", traits={"city": "Rome"})
    two_devices_with_one_card(call)
    joined = call("identify", userId="u", anonymousId="d1")
    call("track", anonymousId="d3", ids=[["card", "c"]])
    assert live().get() == known("u")
    undo(joined)
    (other,) = live().exclude(external_id="u")
    assert other.parts.count() == 2


def test_what_was_learned_since_stays_with_whom_it_was_said_of(call, known):
    call("identify", userId="u", traits={"city": "Rome"})
    call("identify", anonymousId="a", traits={"pet": "cat"})
    joined = call("identify", userId="u", anonymousId="a")
    call("identify", userId="u", traits={"city": "Bonn"}, timestamp=LATER)
    call("identify", anonymousId="a", traits={"pet": "dog"}, timestamp=LATER)
    assert known("u").attributes == {"city": "Bonn", "pet": "dog"}
    undo(joined)
    assert known("u").attributes == {"city": "Bonn"}
    assert live().get(external_id=None).attributes == {"pet": "dog"}


def test_an_alias_is_undone(call, known, owner):
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
