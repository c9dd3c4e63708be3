"""Somebody is erased: who is meant, what goes, and who is kept out from then on."""

import json
from contextlib import ExitStack

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from engagements import tick
from engagements.models import Delivery, Destination
from externalapi.models import TestCase
from segments.imports import storing
from segments.ingest import health, inbox
from segments.models import (
    BadRow,
    Erasure,
    Event,
    Identifier,
    Import,
    InboxMessage,
    InboxRequest,
    MergeLog,
    Profile,
    RefusedMessage,
    SourceWarning,
    Tombstone,
)
from segments.privacy import erasure
from segments.tracking import refused, replaying
from segments.tracking.errors import RefusedError
from tests import factories
from tests.doubles.sessions import locked, somebody_waits_for_a_lock
from tests.faults.working import in_thread
from tests.segments.privacy.conftest import LATER, tables_with
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

ANN = ("external_id", "ann-4711")
# Whatever of hers is found anywhere has one of these in it.
HERS = ("ann-4711", "ann@example", "device-ann", "89455512", "Annabel", "bezirk")


def erase(*keys, **options):
    return erasure.erase(keys or [ANN], asked_through="a test", **options)


@pytest.fixture
def ann(call):
    """Ann with a merged device, events and a phone; and Bob, who stays."""
    call("track", anonymousId="device-ann", properties={"area": "bezirk 7"})
    traits = {"email": "Ann@Example.com", "phone": "+49 30 8945 5512"}
    traits["first_name"] = "Annabel"
    call(userId="ann-4711", anonymousId="device-ann", traits=traits)
    call("track", userId="ann-4711", ids=[["loyalty_card", "ann@example-card"]])
    call(userId="bob-1", traits={"email": "bob@example.com", "quantity": 4711})
    return Profile.objects.get(external_id="ann-4711")


def everywhere(ann, source):
    """What else of hers there is, in every table that may have some."""
    body = json.dumps({"userId": "ann-4711", "traits": {"email": "ann@example.com"}})
    RefusedMessage.objects.create(
        source=source, code="x", message="“ann@example.com” is odd", body=body.encode()
    )
    escaped = b'{"type":"track","context":{"traits":{"email":"ANN\\u0040example.com"}}}'
    RefusedMessage.objects.create(source=source, code="x", body=escaped)
    RefusedMessage.objects.create(
        source=source, code="x", body=b'not JSON: phone 03089455512 "ann-4711"'
    )
    InboxMessage.objects.create(
        source=source, message_id="old", kind="track", payload={"userId": "ann-4711"}
    )
    SourceWarning.objects.create(
        source=source, code="w", message="Of ann@example.com the time is odd."
    )
    imported = factories.make_import(state=Import.State.DONE)
    BadRow.objects.create(
        of=imported, line=2, reason="odd", cells='["ann-4711", "Annabel"]'
    )
    Import.objects.filter(pk=imported.pk).update(
        columns=[{"name": "id", "examples": ["ann-4711"], "against": {}}],
        problem="Line 2: ann-4711 is odd.",
    )
    version = factories.make_version()
    factories.make_test(
        version, values={"User ID": "ann-4711"}, request={"body": '{"x": "Annabel"}'}
    )
    TestCase.objects.create(
        external_api=version.external_api, name="Ann", values={"User ID": "ann-4711"}
    )
    segment = factories.make_segment([ann])
    run = factories.make_run(
        factories.make_engagement(segment, version), failure="At ann-4711 it ended."
    )
    batch = factories.make_batch(
        run, [ann], delivery_state="rejected", reason="ann@example.com is no address"
    )
    factories.make_attempt(batch, response_head="ann@example.com?", message="ann-4711")
    Destination.objects.create(
        connection=version.connection, last_problem="400: ann-4711"
    )
    LogEntry.objects.create(
        user=factories.make_user(),
        content_type=ContentType.objects.get_for_model(Profile),
        object_id=ann.pk,
        object_repr="ann-4711",
        action_flag=CHANGE,
        change_message="Looked at ann@example.com",
    )


def test_nothing_of_them_is_left_in_any_table(ann, source, wait):
    everywhere(ann, source)
    wait(userId="ann-4711", traits={"city": "bezirk 8"})
    assert len(tables_with(*HERS)) > 15

    done = erase()

    assert tables_with(*HERS) == set()
    assert done.state == "done"
    assert done.went == {
        "people": 1,
        "identifiers": 5,
        "events": 2,
        "places in segments": 1,
        "entries and exits": 1,
        "deliveries": 1,
        "identifiers that are kept out": 5,
        "messages that waited": 1,
        "messages of the old inbox": 1,
        "refused messages": 3,
        "bad rows of imports": 1,
        "warnings of sources": 1,
        "examples of imports": 1,
        "problems of imports": 1,
        "tests of External APIs": 1,
        "test cases": 1,
        "failures of runs": 1,
        "problems of connections": 1,
        "lines of the history": 1,
    }
    assert Delivery.objects.get().state == "erased"


def test_nobody_else_loses_anything(ann, source, wait):
    RefusedMessage.objects.create(
        source=source, code="x", body=b'{"userId":"bob-1","traits":{"x":"ann-47112"}}'
    )
    near = {"email": "joann@example.com", "other": "ann@example.com.au"}
    wait(userId="bob-1", traits=near)
    wait("track", userId="bob-1", properties={"phone": "+493089455513"})

    assert erase().went.get("refused messages") is None

    assert RefusedMessage.objects.count() == 1
    assert inbox.apply().messages == 2
    bob = Profile.objects.get(external_id="bob-1")
    assert bob.attributes["other"] == "ann@example.com.au"


def test_of_a_request_only_their_messages_go(ann, source):
    time = "2026-01-31T12:00:00+00:00"
    payload = {"timestamp": time, "traits": {"seen": 1}}
    inbox.append(
        source,
        [
            ("a", "identify", {"userId": "ann-4711", **payload}),
            ("b", "identify", {"userId": "bob-1", **payload}),
            ("c", "identify", {"userId": "carl", **payload}),
        ],
    )
    # As if a chunk had ended behind the first.
    InboxRequest.objects.update(done=1)
    erase()
    request = InboxRequest.objects.get()
    assert (request.count, request.done) == (2, 0)
    assert b"ann" not in bytes(request.body)
    assert inbox.apply().messages == 2


@pytest.mark.parametrize(
    "key",
    [
        ("external_id", " ann-4711 "),
        ("email", "ANN@example.com"),
        ("phone", "+49 (30) 8945-5512"),
        ("anonymous_id", "device-ann"),
        ("loyalty_card", "ann@example-card"),
    ],
)
def test_any_identifier_finds_them(ann, key):
    erase(key)
    assert list(Profile.objects.values_list("external_id", flat=True)) == ["bob-1"]
    assert not Event.objects.exists()
    assert not MergeLog.objects.exists()
    assert set(Identifier.objects.values_list("value", flat=True)) <= {"bob-1"}


@pytest.mark.parametrize(
    "keys", [[], [("external_id", "")], [("", "x")], [("placeholder", "null")]]
)
def test_who_names_nobody_erases_nobody(ann, keys):
    with pytest.raises(erasure.NobodyMeantError):
        erasure.erase(keys, asked_through="a test")
    assert Profile.objects.filter(pk=ann.pk).exists()


def test_an_identifier_of_two_people_has_to_be_told_apart(call):
    for user in ("husband", "wife"):
        call(userId=user, traits={"email": "home@example.com"})
    with pytest.raises(erasure.SeveralPeopleError, match="2 people have the email"):
        erase(("email", "home@example.com"))
    assert Profile.objects.count() == 2
    erase(("email", "home@example.com"), ("external_id", "husband"))
    assert Profile.objects.get().external_id == "wife"
    # What is said of her as well keeps nobody out.
    assert call(userId="wife", traits={"email": "home@example.com"}) == (1, 0)
    assert call(userId="husband", traits={"a": 1}) == (0, 1)


def test_a_shared_device_s_own_history_is_another_person_s_matter(call):
    call("track", anonymousId="tablet")
    for user in ("u1", "u2"):
        call(userId=user, anonymousId="tablet")
    erase(("external_id", "u1"))
    assert Event.objects.count() == 1
    assert call("track", anonymousId="tablet") == (1, 0)
    erase(("anonymous_id", "tablet"))
    assert not Event.objects.exists()
    assert Profile.objects.get().external_id == "u2"


# --- Kept out ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        {"userId": "ann-4711"},
        {"anonymousId": "device-ann"},
        {"userId": "new", "traits": {"email": "Ann@example.com"}},
        {"anonymousId": "new", "traits": {"phone": "+49 30 89455512"}},
        {"userId": "new", "ids": [["loyalty_card", "ann@example-card"]]},
        {"kind": "alias", "userId": "new", "previousId": "ann-4711"},
        {"kind": "alias", "userId": "new", "previousId": "device-ann"},
    ],
)
def test_messages_about_them_are_refused_without_a_body(ann, call, payload):
    erase()
    before = tables_with(*HERS)
    kind = payload.pop("kind", "identify")
    assert call(kind, timestamp=LATER, **payload) == (0, 1)
    assert tables_with(*HERS) == before == set()
    [kept] = RefusedMessage.objects.filter(code="erased")
    assert (bytes(kept.body), kept.message_id) == (b"", "")
    assert not Profile.objects.filter(external_id="new").exists()


def test_nobody_is_alarmed_by_it_and_nothing_is_sent_in_again(ann, call):
    erase()
    call(userId="ann-4711")
    found = health.read()
    assert (found.refused, found.newest_refused) == (0, 0)
    again = replaying.replay(RefusedMessage.objects.all())
    assert (again.taken, again.refused) == (0, 0)


@pytest.mark.parametrize(
    "body",
    [
        b'{"userId": "ann-4711", "event": 5}',
        b'{"userId":"x","traits":{"email":"ANN@example.com","n":{}}}',
        b'{"type":"x","context":{"traits":{"phone":"+49 30 89455512"}}}',
        b'{"batch": [{"user_id": "ann-4711"}]',
        b'no JSON about ann@example.com, "',
        b'{"userId": "x", "context": {"externalIds": [{"id": "ann-4711"}]}}',
    ],
)
def test_of_a_message_refused_at_the_door_nothing_is_kept_either(ann, source, body):
    erase()
    error = RefusedError(400, "bad_request", "It is odd: ann-4711.")
    odd = RefusedError(400, "bad_request", "It is odd.")
    other = refused.Refusal(error=odd, body=b'{"userId":"bob-1"}')
    refusals = [refused.Refusal(error=error, body=body, message_id="ann-4711"), other]
    refused.keep(source, refusals)
    first, second = RefusedMessage.objects.order_by("pk")
    assert (first.code, bytes(first.body)) == ("erased", b"")
    assert tables_with(*HERS) == set()
    assert bytes(second.body) == other.body


def test_nor_of_one_that_came_before_and_says_something_else(ann, source):
    inbox.append(source, [("m002", "identify", {"userId": "x", "timestamp": LATER})])
    inbox.apply()
    erase()
    said = {"userId": "ann-4711", "timestamp": LATER}
    inbox.append(source, [("m002", "identify", said)])
    inbox.apply()
    assert tables_with(*HERS) == set()
    assert RefusedMessage.objects.filter(code="erased").count() == 1


def test_somebody_else_on_their_device_is_let_in(ann, call):
    erase()
    assert call(userId="carl", anonymousId="device-ann") == (1, 0)


def test_who_nobody_knows_yet_is_kept_out_as_well(call):
    done = erase(("external_id", "not-here"), ("email", "Not.Here@example.com"))
    assert (done.state, done.went["people"]) == ("done", 0)
    assert call(userId="not-here") == (0, 1)
    assert call(userId="other", traits={"email": "not.here@example.com"}) == (0, 1)


def test_who_may_return_is_a_new_person(ann, call):
    erase(may_return=True)
    assert call(userId="ann-4711", traits={"old": 1}) == (0, 1)
    assert call(userId="ann-4711", timestamp=LATER, traits={"new": 1}) == (1, 0)
    again = Profile.objects.get(external_id="ann-4711")
    assert again.attributes == {"new": 1}
    assert (again.email, again.identifiers.count()) == ("", 0)


def test_who_may_not_return_may_not_after_another_erasure(ann, call):
    erase()
    erase(may_return=True)
    assert call(userId="ann-4711", timestamp=LATER) == (0, 1)


def test_tombstones_cannot_be_tried_out_without_the_key(ann, call, settings):
    erase()
    assert Tombstone.objects.count() == 5
    settings.TOMBSTONE_KEY = "another"
    assert call(userId="ann-4711") == (1, 0)


# --- Going on ---------------------------------------------------------------------------


def test_what_was_cut_short_is_gone_on_with_by_the_tick(ann, source):
    everywhere(ann, source)
    at_work = erase(seconds=0)
    assert at_work.state == "working"
    assert not Profile.objects.filter(pk=ann.pk).exists()
    assert tables_with("ann-4711") > {"segments_erasure"}
    tick.CHORES["go on with erasures"]()
    at_work.refresh_from_db()
    assert at_work.state == "done"
    assert at_work.went["refused messages"] == 3
    assert tables_with(*HERS) == set()


def test_a_file_at_work_is_waited_for(ann, folder):
    folder.mkdir()
    (folder / "f").write_text("id;name\nbob;Bob\nANN-4711;Annabel\n")
    (folder / "g").write_text("id;name\nbob;Bob\nann-47112;Ann\n")
    other = factories.make_import(path="g", size=9, state=Import.State.DONE)
    imported = factories.make_import(path="f", size=9, state=Import.State.RUNNING)

    at_work = erase()
    assert at_work.state == "working"
    assert f"“{imported.name}” is still being imported." in at_work.problem
    Import.objects.filter(pk=imported.pk).update(state=Import.State.DONE)
    with transaction.atomic():
        Erasure.objects.update(next_at="2020-01-01T00:00Z")
        erasure.go_on(at_work.pk)

    at_work.refresh_from_db()
    assert (at_work.state, at_work.problem) == ("done", "")
    assert at_work.went["files of imports"] == 1
    assert Import.objects.get(pk=imported.pk).path == ""
    assert Import.objects.get(pk=other.pk).path == "g"
    assert [file.name for file in folder.iterdir()] == ["g"]


def test_a_file_that_nobody_started_goes_with_a_word(ann, folder):
    folder.mkdir()
    (folder / "f").write_text("id;mail\n1;Ann@Example.com\n")
    imported = factories.make_import(path="f", size=9, state=Import.State.READY)
    assert erase().state == "done"
    imported.refresh_from_db()
    assert (imported.state, imported.path) == ("failed", "")
    assert "Import it again" in imported.problem


@pytest.mark.parametrize("encoding", ["utf-16-le", "cp1252"])
def test_a_file_in_nobody_knows_which_encoding_goes_as_well(ann, folder, encoding):
    data = "id;mail\n1;Ann@Example.com\n2;Zoë\n".encode(encoding)
    imported = storing.take("people.csv", [data])
    imported.save()
    assert (imported.state, imported.encoding) == ("uploaded", "")
    assert erase().state == "done"
    imported.refresh_from_db()
    assert (imported.state, imported.path) == ("failed", "")
    assert list(folder.iterdir()) == []


def test_it_can_be_closed_before_all_is_done(ann):
    at_work = erase(seconds=0)
    assert erasure.close(at_work, "eve")
    at_work.refresh_from_db()
    assert (at_work.state, at_work.keys, at_work.people) == ("done", [], [])
    assert not erasure.close(at_work, "eve")


@pytest.mark.django_db(transaction=True)
def test_no_applied_message_slips_between(ann, wait):
    """While a chunk is being applied an erasure waits, and sees what it wrote."""
    wait(userId="ann-4711", traits={"city": "Pune"})
    with ExitStack() as stack, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [inbox.LOCK])
        stack.enter_context(in_thread(erase))
        wait_until(somebody_waits_for_a_lock, "the erasure")
        # As the chunk's last statements.
        Identifier.objects.create(kind="card", value="c-1234567", profile=ann)
    inbox.apply()
    assert list(Profile.objects.values_list("external_id", flat=True)) == ["bob-1"]
    wait("track", ids=[["card", "c-1234567"]])
    assert inbox.apply().errors == 1


KILL_WHO_WAITS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.mark.django_db(transaction=True)
def test_a_kill_in_the_middle_loses_no_place(ann, source):
    """Its session is ended while it waits for a table; the tick goes on behind it."""
    everywhere(ann, source)

    def be_killed():
        with pytest.raises(OperationalError):
            erase()

    with locked("segments_badrow"), in_thread(be_killed):
        wait_until(somebody_waits_for_a_lock, "the erasure")
        with connection.cursor() as cursor:
            cursor.execute(KILL_WHO_WAITS)
    cut = Erasure.objects.get()
    assert (cut.state, cut.went["refused messages"]) == ("working", 3)
    assert "bad rows of imports" not in cut.went
    assert not Profile.objects.filter(pk=ann.pk).exists()

    # Its lease has run out.
    Erasure.objects.update(next_at=Now())
    tick.CHORES["go on with erasures"]()

    cut.refresh_from_db()
    assert (cut.state, cut.went["refused messages"]) == ("done", 3)
    assert cut.went["bad rows of imports"] == 1
    assert tables_with(*HERS) == set()
