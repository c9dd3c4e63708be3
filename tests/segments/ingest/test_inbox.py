"""The inbox: messages become people, events and entries, in order and only once."""

import gc
import json
import random
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import Error, connection, transaction
from django.test.utils import CaptureQueriesContext

from segments.identity import limits
from segments.ingest import inbox, old_inbox, requests
from segments.ingest.inbox import Applied
from segments.models import (
    Event,
    InboxMessage,
    InboxRequest,
    IntakeMinute,
    Membership,
    Profile,
    RefusedMessage,
    Segment,
)
from segments.models.signals import segments_changed
from segments.tracking import replaying
from tests.doubles.sessions import somebody_waits_for_a_lock
from tests.factories import make_segment, make_source
from tests.faults.working import in_thread
from tests.inbox import refusals, waiting
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

TIME = "2026-01-31T12:00:00+00:00"


@pytest.fixture
def source():
    return make_source()


@pytest.fixture
def send(source):
    numbers = iter(range(1_000_000))

    def send(kind, user_id=None, anonymous_id=None, message_id=None, **payload):
        payload |= {"userId": user_id, "anonymousId": anonymous_id}
        payload.setdefault("timestamp", TIME)
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


@pytest.mark.parametrize(
    "unseen", ["\u202a", "\u202e", "\u200b", "\ufeff", "\n", "\x1b"]
)
def test_what_nobody_sees_is_no_part_of_an_address(send, unseen):
    """As it comes along where somebody copies a number out of an address book."""
    send("identify", "u1", traits={"email": f"{unseen}ann@{unseen}a.io{unseen}"})
    send("identify", "u1", traits={"phone": f"{unseen}+49 123{unseen}"})
    inbox.apply()
    assert (person().email, person().phone) == ("ann@a.io", "+49 123")


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


def test_a_track_becomes_an_event(send, source):
    send("track", "u1", message_id="m1", properties={"form": "x"})
    assert inbox.apply() == Applied(messages=1)
    event = Event.objects.get()
    assert event.message_id == "m1"
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


@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "chunk by chunk"])
def test_what_is_sent_again_is_applied_once_and_nobody_is_told(send, together):
    """As SDKs do: the same message, its time corrected by another clock."""
    for seconds in range(3):
        send(
            "track",
            "u1",
            message_id="m1",
            properties={"a": 1, "b": 2},
            timestamp=f"2026-01-31T12:00:0{seconds}+00:00",
        )
        if not together:
            inbox.apply()
    inbox.apply()
    assert Event.objects.get().time.isoformat() == TIME
    assert not refusals()


@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "chunk by chunk"])
def test_another_message_under_a_known_id_is_refused_and_kept(send, source, together):
    send("track", "u1", message_id="m1", properties={"form": "x"})
    if not together:
        inbox.apply()
    send("track", "u2", message_id="m1", properties={"form": "y"})
    send("identify", "u1", message_id="m1")
    send("track", "u1", message_id="m1", properties={"form": "x"})
    assert inbox.apply() == Applied(messages=int(together), errors=2)
    assert Event.objects.get().properties == {"form": "x"}
    assert not Profile.objects.filter(external_id="u2").exists()
    found = RefusedMessage.objects.order_by("pk")
    assert {(m.source, m.code, m.message_id) for m in found} == {
        (source, "different_message", "m1")
    }
    assert [m.kind for m in found] == ["track", "identify"]
    assert json.loads(bytes(found[0].body))["properties"] == {"form": "y"}


def test_a_batch_with_a_bad_item_sent_twice_is_stored_once(source):
    good = {"userId": "u1", "event": "E", "timestamp": TIME}
    batch = [("a", "track", good), ("b", "track", {"event": "E"}), ("c", "track", good)]
    for _ in range(2):
        inbox.append(source, batch)
    assert inbox.apply() == Applied(messages=2, errors=1)
    assert Event.objects.count() == 2
    assert set(refusals()) == {"b"}


def test_an_alias_says_whose_a_device_is(send):
    send("track", anonymous_id="a1", event="Before")
    send("alias", "u1", previousId="a1")
    send("track", anonymous_id="a1", event="After")
    assert inbox.apply() == Applied(messages=3)
    assert person().events.count() == 2


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
    assert known.attributes == {"city": "Delhi", "pet": "cat"}
    assert known.email == "a@b.c"
    assert set(known.events.values_list("name", flat=True)) == {
        "Before",
        "Link",
        "After",
    }
    assert known.identifiers.get().value == "a1"
    for husk in Profile.objects.exclude(pk=known.pk):
        assert (husk.merged_into, husk.attributes, husk.email) == (known, {}, "")


def test_the_merged_persons_membership_is_the_known_ones(send):
    segment = make_segment(rule={"event": "Before"}, event_names=["Before"])
    send("identify", "u1")
    send("track", anonymous_id="a1", event="Before")
    inbox.apply()
    anonymous = Membership.objects.get().profile
    send("identify", "u1", "a1")
    inbox.apply()
    assert Membership.objects.get().profile == person()
    assert segment.transitions.get().profile == anonymous


def test_a_shared_device_is_nobodys_and_its_users_are_two(send):
    send("identify", "u1", "a1", traits={"city": "Pune"})
    send("identify", "u2", "a1", traits={"city": "Delhi"})
    send("track", "u2", "a1", event="Second")
    send("track", anonymous_id="a1", event="Alone")
    inbox.apply()
    assert person("u1").attributes == {"city": "Pune"}
    assert person("u2").attributes == {"city": "Delhi"}
    assert not person("u1").events.exists()
    assert person("u2").events.get().name == "Second"
    nobody = Event.objects.get(name="Alone").profile
    assert (nobody.external_id, nobody.merged_into) == (None, None)


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
    send("track", "u1", message_id="no time", timestamp="soon")
    send("identify", "last")
    assert inbox.apply() == Applied(messages=21, errors=2)
    assert Profile.objects.count() == 21
    assert list(refusals()) == ["too long", "no time"]
    assert "too long for type" in refusals()["too long"]
    assert not inbox.is_waiting()
    counted = IntakeMinute.objects.get()
    assert (counted.applied, counted.refused) == (21, 2)


# Random characters do not compress: 2,850 bytes are too long for an index.
CJK = "".join(map(chr, random.Random(1).sample(range(0x4E00, 0x9FA5), 950)))


def write(source, **payloads):
    """Put payloads into the inbox as no door would let them in; the names are the ids."""
    inbox.append(
        source, [(name, "identify", value) for name, value in payloads.items()]
    )


def add(source, body, count=1):
    InboxRequest.objects.create(source=source, body=body.encode(), count=count)


def test_whatever_class_an_error_has_it_is_one_messages(send, source):
    send("identify", "first")
    write(
        source,
        too_long={"userId": CJK},
        a_list=["userId"],
        a_number=5,
        wrong_traits={"userId": "u1", "traits": [1]},
        wrong_email={"userId": "u2", "traits": {"email": 5}},
        no_id={"traits": {}},
        nul={"userId": "u4", "traits": {"a": "\0"}},
        nul_id={"userId": "\0"},
    )
    # Deeper than a parser of ours goes, or than it writes; a number beyond a double.
    for value in ("[" * 1500 + "]" * 1500, "[" * 300 + "]" * 300, "1e400"):
        add(source, f'[["m", "identify", {{"userId": "u", "x": {value}}}]]')
    # What is no list of messages.
    for body in (
        "",
        "5",
        "[5]",
        '[["m"]]',
        '[["m", "identify", {}, 5]]',
        "[[1, 2, 3]]",
    ):
        add(source, body)
    add(source, '[["m", "page", {"userId": "u1"}]]')
    send("identify", "last")
    started = time.monotonic()
    applied = inbox.apply()
    assert time.monotonic() - started < 1
    assert not inbox.is_waiting()
    found = refusals()
    assert found.keys() >= {"too_long", "wrong_traits", "wrong_email", "nul", "nul_id"}
    assert "index row" in found["too_long"]
    assert RefusedMessage.objects.filter(code="unreadable").count() == 12
    assert applied.errors == RefusedMessage.objects.count()
    assert applied.messages + applied.errors == 2 + 8 + 3 + 6 + 1
    assert {"first", "last"} <= set(
        Profile.objects.values_list("external_id", flat=True)
    )


@contextmanager
def event_trigger(body, table="segments_event"):
    """What the database does at each event, or another row, beside storing it."""
    with connection.cursor() as cursor:
        cursor.execute(f"""
            CREATE FUNCTION at_event() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN {body} RETURN NEW; END $$;
            CREATE TRIGGER at_event BEFORE INSERT ON {table}
            FOR EACH ROW EXECUTE FUNCTION at_event();
        """)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION at_event CASCADE")


def raises(code, message_id):
    return (
        f"IF NEW.message_id = '{message_id}' THEN"
        f" RAISE EXCEPTION 'odd' USING ERRCODE = '{code}'; END IF;"
    )


@pytest.mark.parametrize(
    "code",
    ["22003", "23514", "54000", "XX000", "42804", "0A000", "53200", "53400"],
)
def test_an_error_that_one_message_alone_has_is_that_messages(send, code):
    for number in range(30):
        send("track", f"u{number}", message_id=f"t{number}")
    with event_trigger(raises(code, "t7")):
        assert inbox.apply() == Applied(messages=29, errors=1)
    assert refusals() == {"t7": "odd"}


@pytest.fixture
def careless(monkeypatch):
    """No memory of an earlier trouble, and none left behind."""
    monkeypatch.setattr(inbox, "_care", inbox.Care())


@pytest.fixture
def broken(careless):
    """Events cannot be stored, by a mistake of ours."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE segments_event RENAME COLUMN name TO title")

    def repair():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE segments_event RENAME COLUMN title TO name")

    return repair


def test_a_mistake_of_ours_refuses_nobody_and_does_not_spin(send, broken, caplog):
    for number in range(60):
        send("track", f"u{number}")
        send("identify", f"u{number}")
    started = time.process_time()
    assert inbox.apply() == Applied()
    assert time.process_time() - started < 2
    assert "inbox.stuck" in caplog.text
    assert not refusals()
    # Why it waits is written beside the first.
    assert len(waiting()) == 120
    assert "does not exist" in InboxRequest.objects.earliest("pk").note
    # It is left alone for a while, also by whoever rings.
    assert inbox.is_waiting() and not inbox.has_work()
    caplog.clear()
    assert inbox.apply() == Applied() and not inbox.apply_some()
    assert not caplog.records

    broken()
    inbox._care.rests_until = 0
    assert inbox.apply() == Applied(messages=120)
    assert not refusals()


def test_a_server_without_memory_refuses_nobody(send, careless):
    for number in range(30):
        send("track", f"u{number}")
    always = "RAISE EXCEPTION 'out of memory' USING ERRCODE = '53200';"
    with event_trigger(always), pytest.raises(Error, match="out of memory"):
        inbox.apply()
    assert not refusals()
    assert inbox.apply() == Applied(messages=30)


def test_one_message_that_takes_too_long_is_given_up(send, careless, monkeypatch):
    monkeypatch.setattr(inbox, "LONGEST", 0.3)
    monkeypatch.setattr(inbox, "LONGEST_ALONE", 0.3)
    for number in range(100):
        send("track", f"u{number}", message_id=f"t{number}")
    slow = "IF NEW.message_id = 't50' THEN PERFORM pg_sleep(30); END IF;"
    with event_trigger(slow):
        started = time.monotonic()
        assert inbox.apply() == Applied(messages=99, errors=1)
        # Who waited for it would take 30.
        assert time.monotonic() - started < 25
    assert list(refusals()) == ["t50"]
    assert "statement timeout" in refusals()["t50"]
    send("track", "later")
    assert inbox.apply() == Applied(messages=1)


@contextmanager
def at_error(act):
    """Act beside us, in a session of its own, as soon as a statement here fails."""

    def execute(call, *args):
        try:
            return call(*args)
        except Error:
            with in_thread(act):
                pass
            raise

    with connection.execute_wrapper(execute):
        yield


def apply_elsewhere(number):
    """What another worker leaves when it has applied the oldest request."""
    oldest = InboxRequest.objects.order_by("pk")[:number].values_list("pk", flat=True)
    ids = list(oldest)
    return lambda: InboxRequest.objects.filter(pk__in=ids).delete()


@pytest.mark.django_db(transaction=True)
def test_only_the_message_that_took_too_long_is_given_up(send, careless, monkeypatch):
    """Another worker applied it as soon as this one let go: nobody is at fault."""
    monkeypatch.setattr(inbox, "LONGEST_ALONE", 0.3)
    for name in ("slow", "next"):
        send("track", name, message_id=name)
    slow = "IF NEW.value = 'slow' THEN PERFORM pg_sleep(30); END IF;"
    with event_trigger(slow, "segments_identifier"), at_error(apply_elsewhere(1)):
        inbox.apply_some(1)
    assert not refusals()
    assert inbox.apply() == Applied(messages=1)


@pytest.mark.django_db(transaction=True)
def test_why_it_waits_is_not_written_beside_what_was_applied(send, careless):
    send("track", "u1", message_id="m")
    is_marked = threading.Event()

    def apply_it():
        with transaction.atomic():
            apply_elsewhere(1)()
            is_marked.set()
            wait_until(somebody_waits_for_a_lock, "the note")

    with event_trigger(raises("42804", "m")), in_thread(apply_it):
        assert is_marked.wait(20)
        assert inbox.apply() == Applied()
    assert not waiting()


@pytest.mark.django_db(transaction=True)
def test_a_segment_that_somebody_holds_keeps_nobody_waiting(send, careless):
    segment = make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    send("track", "u1")
    found = []

    def worker():
        started = time.monotonic()
        found.append((inbox.apply_some(), time.monotonic() - started))
        connection.close()

    with transaction.atomic():
        Segment.objects.select_for_update().get(pk=segment.pk)
        other = threading.Thread(target=worker)
        other.start()
        other.join(timeout=20)
    [(is_tried, seconds)] = found
    assert is_tried and seconds < 2
    assert inbox.has_work()
    assert inbox.apply() == Applied(messages=1)
    assert segment.memberships.count() == 1


def test_a_person_has_so_many_attributes_and_no_more(send, monkeypatch):
    monkeypatch.setattr(limits, "MAX_ATTRIBUTES", 5)
    send("identify", "u1", traits={f"a{n}": n for n in range(4)}, message_id="1")
    send("identify", "u1", traits={"b1": 1, "b2": 2}, message_id="2")
    send("identify", "u1", traits={"a0": None, "b1": 1, "b2": 2}, message_id="3")
    send("identify", "u1", traits={"email": "a@b.c", "a1": "new"}, message_id="4")
    send("identify", "u2", traits={f"a{n}": n for n in range(6)}, message_id="5")
    send("track", "u1", message_id="event")
    assert inbox.apply() == Applied(messages=4, errors=2)
    assert person().attributes == {"a1": "new", "a2": 2, "a3": 3, "b1": 1, "b2": 2}
    assert person().email == "a@b.c"
    words = "A person has at most 5 attributes; with these it would be 6."
    assert refusals() == {"2": words, "5": words}
    assert person().events.count() == 1


def test_a_persons_attributes_have_so_many_bytes_and_no_more(send, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 4 << 10)
    for number in range(5):
        send("identify", "u1", traits={f"a{number}": "é" * 450})
    # The same again is nothing new.
    for _ in range(20):
        send("identify", "u1", traits={"a0": "é" * 450})
    send("identify", "u1", traits={"a0": "short"})
    assert inbox.apply() == Applied(messages=25, errors=1)
    assert set(person().attributes) == {"a0", "a1", "a2", "a3"}
    assert "at most 4 KB" in next(iter(refusals().values()))


def test_a_merge_that_would_be_too_much_still_makes_them_one(send, monkeypatch):
    monkeypatch.setattr(limits, "MAX_ATTRIBUTES", 3)
    send("identify", "u1", traits={"a": 1, "b": 2})
    send("identify", None, "a1", traits={"c": 3, "d": 4, "email": "a@b.c"})
    send("track", None, "a1", event="Before")
    send("track", "u1", "a1", event="Link")
    assert inbox.apply() == Applied(messages=4)
    assert person().attributes == {"a": 1, "b": 2}
    assert person().email == "a@b.c"
    assert person().events.count() == 2


def test_work_is_cut_into_chunks_and_stops_in_time(send, monkeypatch):
    monkeypatch.setattr(inbox, "CHUNK", 2)
    for number in range(5):
        send("identify", f"u{number}")
    assert inbox.apply(seconds=-1) == Applied(remains=True)
    assert inbox.apply() == Applied(messages=5)


@pytest.mark.parametrize("size", [1, 3, 4, 7, 10])
def test_a_request_is_cut_where_a_chunk_ends(source, monkeypatch, size):
    """And goes on where it was cut: each of its messages once."""
    monkeypatch.setattr(inbox, "CHUNK", size)
    names = [f"m{number}" for number in range(10)]
    event = {"userId": "u1", "event": "E", "timestamp": TIME}
    for some in (names[:4], names[4:]):
        inbox.append(source, [(name, "track", event) for name in some])
    while inbox.is_waiting():
        left = [message.message_id for message in waiting()]
        assert inbox.apply_some(size)
        assert [m.message_id for m in waiting()] == left[size:]
    assert list(Event.objects.order_by("pk").values_list("message_id", flat=True)) == (
        names
    )


def test_a_chunk_has_so_many_bytes_and_one_request_in_any_case(send, monkeypatch):
    monkeypatch.setattr(requests, "MOST", 1_000)
    for number in range(4):
        send("identify", f"u{number}", traits={"a": "x" * 700})
    send("identify", "large", traits={"a": "x" * 5_000})
    left = []
    while inbox.apply_some(1_000):
        left.append(len(waiting()))
    assert left == [3, 1, 0] or left == [2, 1, 0] or left == [2, 0]
    assert Profile.objects.count() == 5


def test_what_could_not_be_applied_is_tried_again_when_it_is_asked_for(send, source):
    send("track", "u1", message_id="m1")
    with event_trigger(raises("22003", "m1")):
        assert inbox.apply() == Applied(errors=1)
    assert refusals() == {"m1": "odd"}
    assert replaying.replay(RefusedMessage.objects.all()).taken == 1
    assert replaying.replay(RefusedMessage.objects.all()).taken == 0
    assert inbox.apply() == Applied(messages=1)
    assert Event.objects.get().source == source


def test_what_an_old_web_process_writes_is_applied_too(source):
    """During an upgrade from 0.1.0 both run; the tick moves what the old one took."""
    for number in range(3):
        InboxMessage.objects.create(
            source=source,
            message_id=f"m{number}",
            kind="track",
            payload={"userId": "u1", "event": f"E{number}", "timestamp": TIME},
        )
    received = InboxMessage.objects.earliest("pk").received_at
    assert old_inbox.move() == 3
    assert old_inbox.move() == 0
    assert InboxRequest.objects.earliest("pk").received_at == received
    assert inbox.apply() == Applied(messages=3)
    names = person().events.order_by("pk").values_list("name", flat=True)
    assert list(names) == ["E0", "E1", "E2"]


def test_events_are_stored_as_they_were_sent(send):
    """Whatever a line of COPY would take for something else."""
    odd = 'a\\b\tc\nd\re\\N \u2028 \\. é 💶 {"}, \\x41'
    value = {odd: [odd, None, {"x": odd}], "n": 12345678901234567890, "f": 0.1}
    send("track", "u1", message_id=odd[:99], event=odd, properties=value)
    assert inbox.apply() == Applied(messages=1)
    event = Event.objects.get()
    assert (event.name, event.message_id, event.properties) == (odd, odd[:99], value)


def test_a_chunk_costs_the_same_statements_whatever_it_holds(send):
    make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    costs = []
    for people in (range(3), range(3, 53)):
        for number in people:
            send("identify", f"u{number}", f"a{number}", traits={"n": number})
            send("track", f"u{number}")
        with CaptureQueriesContext(connection) as queries:
            assert inbox.apply() == Applied(messages=2 * len(people))
        # What comes again is planned once in a while, whatever it holds.
        planned = ("PREPARE", "DEALLOCATE")
        asked = [q["sql"] for q in queries if not q["sql"].startswith(planned)]
        costs.append(len(asked))
    small, large = costs
    assert large <= small < 40


def test_a_chunk_is_not_searched_for_circles_among_its_messages(send):
    looked = []

    def look(phase, info):
        looked.append(phase)

    before = gc.get_threshold()
    for number in range(1_000):
        send("identify", f"u{number}", traits={"n": number})
    gc.collect()
    gc.set_threshold(700, 10, 10)
    gc.callbacks.append(look)
    try:
        assert inbox.apply() == Applied(messages=1_000)
    finally:
        gc.callbacks.remove(look)
        gc.set_threshold(*before)
    # One before and one behind it, each with its end.
    assert len(looked) <= 4


def test_listeners_are_told_when_someone_entered(
    send, django_capture_on_commit_callbacks
):
    rung = []

    def on_change(**kwargs):
        rung.append(1)

    segments_changed.connect(on_change)
    make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    with django_capture_on_commit_callbacks(execute=True):
        send("track", "u1")
        inbox.apply()
    with django_capture_on_commit_callbacks(execute=True):
        send("track", "u1")
        inbox.apply()
    segments_changed.disconnect(on_change)
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
