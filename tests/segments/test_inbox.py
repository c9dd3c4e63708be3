"""The inbox: messages become people, events and entries, in order and only once."""

import threading

import pytest
from django.db import connection, transaction

from segments import inbox
from segments.inbox import Applied
from segments.models import Event, InboxMessage, Membership, Profile
from segments.signals import segments_changed
from tests.factories import make_segment, make_source

pytestmark = pytest.mark.django_db

TIME = "2026-01-31T12:00:00+00:00"


@pytest.fixture
def source():
    return make_source()


@pytest.fixture
def send(source):
    numbers = iter(range(1_000_000))

    def send(kind, user_id=None, anonymous_id=None, message_id=None, **payload):
        payload |= {"userId": user_id, "anonymousId": anonymous_id, "timestamp": TIME}
        if kind == "track":
            payload.setdefault("event", "Lead")
        message_id = message_id or f"m{next(numbers)}"
        inbox.append(source, [(message_id, kind, payload)])

    return send


def person(external_id="u1"):
    return Profile.objects.get(external_id=external_id)


def test_an_identify_makes_a_person(send):
    send("identify", "u1", traits={"city": "Pune", "age": 30, "tags": ["a", {"b": 1}]})
    assert inbox.apply() == Applied(messages=1)
    assert person().attributes == {"city": "Pune", "age": 30, "tags": ["a", {"b": 1}]}
    assert not inbox.is_waiting()


def test_email_and_phone_have_their_own_columns(send):
    send("identify", "u1", traits={"email": " Ann@Example.COM ", "phone": " +49123 "})
    inbox.apply()
    assert (person().email, person().phone) == ("ann@example.com", "+49123")
    assert person().attributes == {}
    send("identify", "u1", traits={"email": None})
    inbox.apply()
    assert (person().email, person().phone) == ("", "+49123")


def test_later_traits_win_and_null_removes_one(send):
    send("identify", "u1", traits={"city": "Pune", "age": 30, "pet": "cat"})
    send("identify", "u1", traits={"city": "Delhi", "pet": None, "never": None})
    inbox.apply()
    send("identify", "u1", traits={"age": None})
    inbox.apply()
    assert person().attributes == {"city": "Delhi"}


def test_a_type_that_changes_is_a_change(send):
    for value in (1, True, 1.0, "1"):
        send("identify", "u1", traits={"x": value})
        inbox.apply()
        assert repr(person().attributes["x"]) == repr(value)


def test_the_same_traits_again_do_not_touch_the_person(send):
    send("identify", "u1", traits={"city": "Pune"})
    inbox.apply()
    before = person().updated_at
    send("identify", "u1", traits={"city": "Pune"})
    inbox.apply()
    assert person().updated_at == before


def test_a_track_becomes_an_event_once(send, source):
    send("track", "u1", message_id="same", properties={"form": "x"})
    inbox.apply()
    InboxMessage.objects.all().delete()  # what retention does, long before a resend
    send("track", "u1", message_id="same", properties={"form": "y"})
    assert inbox.apply() == Applied(messages=1)
    event = Event.objects.get()
    assert (event.name, event.properties) == ("Lead", {"form": "x"})
    assert event.time.isoformat() == TIME
    assert (event.profile, event.source) == (person(), source)


def test_a_message_id_is_taken_once_from_each_source(send, source):
    send("track", "u1", message_id="same")
    send("track", "u1", message_id="same")
    other = make_source()
    inbox.append(
        other, [("same", "track", {"userId": "u1", "event": "E", "timestamp": TIME})]
    )
    assert inbox.apply() == Applied(messages=2)
    assert Event.objects.count() == 2


def test_an_anonymous_person_becomes_the_known_one(send):
    send("track", anonymous_id="a1")
    send("identify", anonymous_id="a1", traits={"city": "Pune"})
    inbox.apply()
    anonymous = Profile.objects.get()
    send("identify", "u1", "a1", traits={"age": 30})
    inbox.apply()
    assert person().pk == anonymous.pk
    assert person().attributes == {"city": "Pune", "age": 30}
    assert person().events.count() == 1


@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "chunk by chunk"])
def test_an_anonymous_person_is_merged_into_the_known_one(send, together):
    def step():
        return None if together else inbox.apply()

    send("identify", "u1", traits={"city": "Pune"})
    step()
    send(
        "identify",
        anonymous_id="a1",
        traits={"city": "Delhi", "pet": "cat", "email": "a@b.c"},
    )
    send("track", anonymous_id="a1", event="Before")
    step()
    send("track", "u1", "a1", event="Link")
    step()
    send("track", anonymous_id="a1", event="After")
    inbox.apply()

    known = person()
    assert known.attributes == {"city": "Pune", "pet": "cat"}
    assert known.email == "a@b.c"
    assert set(known.events.values_list("name", flat=True)) == {
        "Before",
        "Link",
        "After",
    }
    assert known.identifiers.get().value == "a1"
    for husk in Profile.objects.exclude(pk=known.pk):
        assert (husk.merged_into, husk.attributes, husk.email) == (known, {}, "")


def test_the_merged_person_leaves_segments_and_the_known_one_enters(send):
    segment = make_segment(rule={"event": "Before"}, event_names=["Before"])
    send("identify", "u1")
    send("track", anonymous_id="a1", event="Before")
    inbox.apply()
    anonymous = Membership.objects.get().profile
    send("identify", "u1", "a1")
    inbox.apply()
    assert Membership.objects.get().profile == person()
    assert list(segment.transitions.order_by("id").values_list("kind", "profile")) == [
        ("entry", anonymous.pk),
        *sorted(
            [("entry", person().pk), ("exit", anonymous.pk)], key=lambda row: row[1]
        ),
    ]


def test_a_shared_device_stays_with_the_first_person(send):
    send("identify", "u1", "a1", traits={"city": "Pune"})
    send("identify", "u2", "a1", traits={"city": "Delhi"})
    send("track", "u2", "a1", event="Second")
    send("track", anonymous_id="a1", event="First")
    inbox.apply()
    assert person("u1").attributes == {"city": "Pune"}
    assert person("u2").attributes == {"city": "Delhi"}
    assert person("u1").events.get().name == "First"
    assert person("u2").events.get().name == "Second"


def test_one_person_has_several_devices(send):
    for device in ("a1", "a2"):
        send("track", anonymous_id=device, event=device)
        send("identify", "u1", device)
    inbox.apply()
    assert person().events.count() == 2
    assert person().identifiers.count() == 2


def test_an_event_lets_its_person_enter_with_it(send):
    make_segment(rule={"event": "Lead", "at_least": 2}, event_names=["Lead"])
    send("track", "u1")
    inbox.apply()
    assert not Membership.objects.exists()
    send("track", "u1", message_id="second")
    inbox.apply()
    membership = Membership.objects.get()
    assert membership.profile == person()
    assert membership.event == Event.objects.get(message_id="second")


def test_a_change_of_traits_moves_a_person_between_segments(send):
    def rule(city):
        return {"attribute": "city", "is": "equals", "value": city}

    pune, delhi = make_segment(rule=rule("Pune")), make_segment(rule=rule("Delhi"))
    send("identify", "u1", traits={"city": "Pune"})
    inbox.apply()
    send("identify", "u1", traits={"city": "Delhi"})
    inbox.apply()
    pune.refresh_from_db()
    delhi.refresh_from_db()
    assert (pune.size, delhi.size) == (0, 1)


def test_a_bad_message_keeps_its_error_and_does_not_stop_the_others(send):
    for number in range(20):
        send("identify", f"u{number}", traits={"n": number})
    send("identify", "bad", message_id="too long", traits={"phone": "1" * 33})
    send("track", "u1", message_id="no time")
    InboxMessage.objects.filter(message_id="no time").update(
        payload={"userId": "u1", "event": "E", "timestamp": "soon"}
    )
    send("identify", "last")
    assert inbox.apply() == Applied(messages=21, errors=2)
    assert Profile.objects.count() == 21
    failed = InboxMessage.objects.exclude(error="").order_by("id")
    assert [m.message_id for m in failed] == ["too long", "no time"]
    assert "too long for type" in failed[0].error
    assert all(m.applied_at for m in failed)


def test_work_is_cut_into_chunks_and_stops_in_time(send, monkeypatch):
    monkeypatch.setattr(inbox, "CHUNK", 2)
    for number in range(5):
        send("identify", f"u{number}")
    assert inbox.apply(seconds=-1) == Applied(remains=True)
    assert inbox.apply() == Applied(messages=5)


def test_a_chunk_costs_a_dozen_statements_whatever_it_holds(
    send, django_assert_max_num_queries
):
    make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    for number in range(50):
        send("identify", f"u{number}", f"a{number}", traits={"n": number})
        send("track", f"u{number}")
    with django_assert_max_num_queries(30):
        assert inbox.apply() == Applied(messages=100)


def test_the_doorbell_rings_when_someone_entered(
    send, django_capture_on_commit_callbacks
):
    rung = []

    def ring(**kwargs):
        rung.append(1)

    segments_changed.connect(ring)
    make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    with django_capture_on_commit_callbacks(execute=True):
        send("track", "u1")
        inbox.apply()
    with django_capture_on_commit_callbacks(execute=True):
        send("track", "u1")
        inbox.apply()
    segments_changed.disconnect(ring)
    assert rung == [1]


@pytest.mark.django_db(transaction=True)
def test_only_one_worker_applies_at_a_time(send):
    send("identify", "u1")
    found = []

    def second_worker():
        found.append(inbox.apply())
        connection.close()

    with transaction.atomic():
        assert inbox.apply() == Applied(messages=1)
        other = threading.Thread(target=second_worker)
        other.start()
        other.join(timeout=10)
    assert found == [Applied()]
    assert Profile.objects.count() == 1
