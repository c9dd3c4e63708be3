"""What is deleted when it is old enough, in chunks, and what must stay."""

import time
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from engagements import retention, tick
from engagements.models import Attempt, Batch, Delivery, Run
from externalapi.models import ConfigurationTest
from segments.ingest import inbox, seen
from segments.models import (
    Event,
    InboxRequest,
    IntakeMinute,
    Membership,
    Profile,
    RefusedMessage,
    Seen,
    Segment,
    Source,
)
from tests import factories, plans
from tests.doubles.sessions import somebody_waits_for_a_lock
from tests.faults.working import in_thread
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOW = timezone.now
# A state of a batch that has ended → that of its people.
ENDS = {
    "done": "sent",
    "dead": "dead",
    "cancelled": "cancelled",
    "uncertain": "uncertain",
}


def old_batch(state="done", people=2, age=100, changed=None, **fields) -> Batch:
    """A batch with an attempt, made `age` days ago, its people `changed` days ago."""
    run = fields.pop("run", None) or factories.make_run(state=Run.State.SENDING)
    batch = factories.make_batch(
        run, people, state=state, delivery_state=ENDS.get(state, ""), **fields
    )
    at = NOW() - (age if changed is None else changed) * DAY
    Batch.objects.filter(pk=batch.pk).update(created_at=NOW() - age * DAY)
    Delivery.objects.filter(batch=batch).update(updated_at=at)
    factories.make_attempt(batch, started_at=at, response_head='{"message": "success"}')
    return batch


def clean(seconds: float = 10.0) -> None:
    retention.clean(seconds)


def left() -> tuple[int, int, int]:
    models = (Batch, Delivery, Attempt)
    return tuple(m.objects.count() for m in models)  # type: ignore[return-value]


# --- Deliveries -----------------------------------------------------------------


@pytest.mark.parametrize("state", ["done", "dead", "cancelled"])
def test_what_ended_long_ago_goes_with_all_that_belongs_to_it(state):
    old_batch(state)
    kept = old_batch(state, age=80)
    clean()
    assert left() == (1, 2, 1)
    assert Batch.objects.get() == kept


@pytest.mark.parametrize("state", ["pending", "leased", "sending", "retry"])
def test_open_work_stays_however_old_it_is(state):
    old_batch(state, age=400)
    clean()
    assert left()[0] == 1


def test_who_is_uncertain_stays_until_somebody_has_decided():
    old_batch("uncertain", age=400)
    clean()
    assert left()[0] == 1


def test_a_batch_that_waited_long_is_as_old_as_its_last_attempt():
    old_batch(age=200, changed=10)
    clean()
    assert left() == (1, 2, 1)


def test_the_ended_batches_of_a_standing_run_go_and_the_run_stays():
    run = factories.make_run(state=Run.State.SENDING, is_standing=True)
    old_batch(run=run)
    young = old_batch(run=run, age=1)
    clean()
    assert list(Batch.objects.all()) == [young]
    assert Run.objects.get() == run


def test_who_was_erased_is_counted_no_longer_than_the_others():
    old_batch()
    Delivery.objects.all()[0].profile.delete()
    assert Delivery.objects.filter(profile=None).count() == 1
    Delivery.objects.update(updated_at=NOW() - 100 * DAY)
    clean()
    assert left() == (0, 0, 0)


def test_whom_no_batch_could_hold_goes_with_the_batch_that_holds_nobody():
    batch = old_batch("dead", people=0)
    factories.make_delivery(run=batch.run, batch=batch, state="dead")
    Delivery.objects.update(updated_at=NOW() - 100 * DAY)
    clean()
    assert left() == (0, 0, 0)


def test_a_batch_that_was_split_stays_as_long_as_its_parts():
    parent = old_batch("split", age=120)
    part = old_batch(age=80, run=parent.run, parent=parent)
    clean()
    assert Batch.objects.count() == 2

    Batch.objects.filter(pk=part.pk).update(created_at=NOW() - 100 * DAY)
    Attempt.objects.update(started_at=NOW() - 100 * DAY)
    Delivery.objects.update(updated_at=NOW() - 100 * DAY)
    clean()
    clean()
    assert left() == (0, 0, 0)


def test_a_heap_is_worked_off_in_chunks_within_the_time(monkeypatch):
    monkeypatch.setattr(retention, "BATCHES", 2)
    run = factories.make_run(state=Run.State.SENDING)
    for _ in range(7):
        old_batch(run=run, people=1)
    before = NOW() - 90 * DAY

    assert retention.clean_deliveries(before, time.monotonic()) == 0
    assert Batch.objects.count() == 7

    class Clock:
        """Time is up after two looks at it."""

        looks = 0

        @classmethod
        def monotonic(cls) -> float:
            cls.looks += 1
            return float(cls.looks)

    monkeypatch.setattr(retention, "time", Clock)
    assert retention.clean_deliveries(before, deadline=2.5) == 4
    assert Batch.objects.count() == 3
    monkeypatch.undo()
    assert retention.clean_deliveries(before, time.monotonic() + 10) == 3
    assert left() == (0, 0, 0)


def test_a_kind_that_has_nothing_to_do_leaves_its_time_to_the_others():
    """A heap of events is not worked off in a ninth of the time."""
    parts = {}

    def note(name):
        def clean_kind(before, deadline):
            parts[name] = deadline - time.monotonic()
            return 0

        return clean_kind

    kinds = [(DAY, note("first")), (timedelta(0), note("never")), (DAY, note("last"))]
    retention.in_turns(kinds, NOW(), 60)
    assert parts == {
        "first": pytest.approx(20, abs=5),
        "last": pytest.approx(60, abs=5),
    }


def test_what_must_stay_does_not_keep_the_rest(monkeypatch):
    monkeypatch.setattr(retention, "BATCHES", 2)
    run = factories.make_run(state=Run.State.SENDING)
    for state in ("pending", "pending", "pending", "done", "done"):
        old_batch(state, run=run, people=1)
    clean()
    assert set(Batch.objects.values_list("state", flat=True)) == {"pending"}


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_is_left_for_the_next_time():
    held, free = old_batch(), old_batch()
    holder = connection.copy()
    try:
        with holder.cursor() as cursor:
            cursor.execute(
                "BEGIN; SELECT FROM engagements_batch WHERE id = %s FOR UPDATE",
                [held.pk],
            )
        clean()
        assert list(Batch.objects.all()) == [held]
        assert not Delivery.objects.filter(batch=free.pk).exists()
        with holder.cursor() as cursor:
            # Heard before it goes on: a session that is closed lets go a moment later.
            cursor.execute("ROLLBACK")
    finally:
        holder.close()
    clean()
    assert left() == (0, 0, 0)


def test_0_days_keep_for_ever(settings):
    settings.RETENTION_DELIVERIES = settings.RETENTION_RESPONSES = timedelta(0)
    old_batch(age=4_000)
    clean()
    assert left() == (1, 2, 1)
    assert Attempt.objects.get().response_head


@pytest.mark.django_db(transaction=True)
def test_the_tick_cleans():
    old_batch()
    tick.tick()
    assert left() == (0, 0, 0)


# --- Answers ----------------------------------------------------------------------


def test_answers_are_forgotten_and_attempts_stay():
    old_batch(age=15)
    young = old_batch(age=13)
    clean()
    heads = dict(Attempt.objects.values_list("batch", "response_head"))
    assert {pk: bool(head) for pk, head in heads.items()} == {
        pk: pk == young.pk for pk in heads
    }
    assert Attempt.objects.filter(status=201).count() == 2


# --- Events, messages ---------------------------------------------------------------


def old_event(age=400, **fields) -> Event:
    event = factories.make_event(factories.make_profile(), **fields)
    Event.objects.filter(pk=event.pk).update(received_at=NOW() - age * DAY)
    return event


@pytest.mark.django_db(transaction=True)
def test_segments_are_locked_before_events_and_memberships():
    """As whoever deletes a person has them: else each waits for the other."""
    event = old_event(name="Lead")
    segment = factories.make_segment(rule={"event": "Lead"}, event_names=["Lead"])
    factories.enter(segment, event.profile, event)
    with ExitStack() as stack, transaction.atomic():
        Segment.objects.select_for_update(no_key=True).get()
        stack.enter_context(in_thread(clean))
        wait_until(somebody_waits_for_a_lock, "the one who deletes")
        Event.objects.select_for_update(nowait=True).get()
        Membership.objects.select_for_update(nowait=True).get()
    assert not Event.objects.exists()
    assert not Membership.objects.exists()


def test_old_events_go_and_memberships_stay_without_them():
    event = old_event()
    young = old_event(age=390)
    segment = factories.make_segment()
    factories.enter(segment, event.profile, event)
    clean()
    assert list(Event.objects.all()) == [young]
    assert Membership.objects.get().event is None
    assert segment.transitions.get().event is None


def test_who_was_in_a_segment_by_an_event_that_goes_leaves_it():
    event, other = old_event(name="Lead"), old_event(age=390, name="Lead")
    segment = factories.make_segment(
        [event.profile, other.profile], rule={"event": "Lead"}, event_names=["Lead"]
    )
    clean()
    assert Membership.objects.get().profile == other.profile
    assert segment.transitions.get(kind="exit").profile == event.profile


@pytest.mark.parametrize(("state", "stays"), [("pending", True), ("done", False)])
def test_an_event_that_somebody_waits_with_stays(state, stays):
    event = old_event()
    run = factories.make_run(state=Run.State.SENDING)
    factories.make_batch(run, [event.profile], state=state, event_ids=[event.pk])
    clean()
    assert Event.objects.exists() is stays


def test_asking_who_waits_with_an_event_takes_as_long_as_there_are_events():
    """Not as long as those that wait times those that are asked about."""
    run = factories.make_run()
    for number in range(4):
        first = number * 5_000
        waiting = list(range(first, first + 5_000))
        factories.make_batch(run, 1, event_ids=waiting, sequence=number)

    def took(many: int) -> float:
        """In seconds, the least of some tries; all but one are ids of nobody's."""
        asked = [*range(10**9, 10**9 + many), 19_999]
        best = float("inf")
        for _ in range(5):
            started = time.perf_counter()
            assert retention.needed_events(asked) == {19_999}
            best = min(best, time.perf_counter() - started)
        return best

    # To compare each with each would take 100 times as long.
    assert took(10_000) < 25 * took(100)


def test_who_waits_with_an_event_is_found_by_the_indexes_of_open_batches():
    factories.make_batch(event_ids=[1])
    sql = retention.NEEDED_EVENTS % {"ids": "ARRAY[1, 2]"}
    indexes = {step.get("Index Name") for step in plans.steps(sql)}
    assert {"batch_open", "batch_uncertain"} <= indexes


def test_a_page_of_somebody_whose_event_is_gone_opens(admin_page):
    event = old_event()
    delivery = factories.make_delivery(event.profile, event=event)
    clean()
    address = f"/admin/engagements/delivery/{delivery.pk}/change/"
    assert admin_page.get(address).status_code == 200


def test_what_was_seen_long_ago_is_forgotten_and_what_waits_stays():
    source = factories.make_source()
    for name in ("old", "young", "waiting"):
        inbox.append(source, [(name, "identify", {"userId": name})])
        if name != "waiting":
            inbox.apply()
    old, young = (seen.key_of(source.pk, name) for name in ("old", "young"))
    Seen.objects.filter(key=old).update(day=(NOW() - 397 * DAY).date())
    Seen.objects.filter(key=young).update(day=(NOW() - 395 * DAY).date())
    InboxRequest.objects.update(received_at=NOW() - 400 * DAY)
    IntakeMinute.objects.update(minute=NOW() - 3 * DAY)
    clean()
    assert Seen.objects.get().key == young
    assert InboxRequest.objects.count() == 1
    assert not IntakeMinute.objects.exists()


# --- People, events -----------------------------------------------------------------


def test_a_persons_events_go_with_them():
    """No foreign key does it."""
    gone, stays = factories.make_profile(), factories.make_profile()
    events = [factories.make_event(person) for person in (gone, gone, stays)]
    segment = factories.make_segment()
    factories.enter(segment, gone, events[1])
    factories.enter(segment, stays, events[2])
    gone.delete()
    assert list(Event.objects.all()) == [events[2]]
    assert Membership.objects.get().event == events[2]
    assert segment.transitions.get().event == events[2]


@pytest.mark.django_db(transaction=True)
def test_what_somebody_does_while_they_are_deleted_goes_with_them():
    """Their row is held by whoever applies: the one who deletes comes behind."""
    person = factories.make_profile(external_id="u1")
    event = {"userId": "u1", "event": "Lead", "timestamp": NOW().isoformat()}
    inbox.append(factories.make_source(), [("m1", "track", event)])
    with transaction.atomic():
        inbox.apply()
        assert Event.objects.filter(profile=person).count() == 1
        deleting = in_thread(person.delete)
        deleting.__enter__()
        wait_until(somebody_waits_for_a_lock, "the one who deletes")
    deleting.__exit__(None, None, None)
    assert not Event.objects.exists()
    assert not Profile.objects.exists()


# --- Tests ------------------------------------------------------------------------


def test_the_newest_tests_of_a_version_stay_for_they_say_something():
    version = factories.make_version()
    tests = [
        factories.make_test(version, is_success=success)
        for success in (True, True, False, False)
    ]
    other = factories.make_test(factories.make_version())
    ConfigurationTest.objects.update(at=NOW() - 500 * DAY)
    young = [factories.make_test(version, is_success=False) for _ in range(2)]
    clean()
    kept = set(ConfigurationTest.objects.values_list("pk", flat=True))
    assert kept == {tests[1].pk, other.pk, *(test.pk for test in young)}


# --- Refused messages -----------------------------------------------------------


def test_a_refused_message_can_be_read_for_two_weeks():
    source = Source.objects.create(name="Shop")
    for days in (13, 15):
        RefusedMessage.objects.create(
            source=source, at=NOW() - days * DAY, code="invalid", body=b"{}"
        )
    clean()
    assert NOW() - RefusedMessage.objects.get().at < 14 * DAY
