"""People who are put off wait in other batches: nobody twice, nobody lost."""

import dataclasses
import threading
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from engagements.audience import erasure, expansion
from engagements.delivery import loop, writing
from engagements.delivery.attempts import intend
from engagements.delivery.claims import claim
from engagements.delivery.splitting import halve
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery, Run
from engagements.outbox.putting_off import put_off
from lemnisk_braze.lib import database_clock
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def sending(braze):
    """An active schedule of 100 people, in batches of 75 and 25."""
    engagement = factories.make_engagement(
        factories.make_segment(100),
        factories.make_version(connection=braze),
        trigger="schedule",
    )
    transitions.activate(engagement)
    while expansion.expand(expansion.expandable_runs()):
        pass
    return engagement


@pytest.fixture
def later():
    return database_clock.now() + HOUR


def waiting(run=None) -> Counter[int]:
    """How often each person is in a batch that may be sent."""
    batches = Batch.objects.open()
    return Counter(
        id
        for batch in (batches.filter(run=run) if run else batches)
        for place, id in enumerate(batch.profile_ids)
        if place not in batch.left_out
    )


def members(engagement) -> Counter[int]:
    return Counter(engagement.segment.memberships.values_list("profile_id", flat=True))


def sizes(**conditions) -> list[int]:
    found = Batch.objects.filter(**conditions).order_by("next_attempt_at", "sequence")
    return [len(b.profile_ids) - len(b.left_out) for b in found]


def test_some_of_a_batch_wait_elsewhere_and_the_rest_stays_claimed(sending, later):
    held = min(claim(10), key=lambda one: one.batch_id)
    put_off([(held, {0: later, 5: later, 7: later + HOUR})])

    assert waiting() == members(sending)
    batch = Batch.objects.get(pk=held.batch_id)
    assert (batch.state, batch.left_out) == ("leased", [0, 5, 7])
    others = list(Batch.objects.filter(next_attempt_at__gt=later - HOUR / 2))
    assert [(b.profile_ids, b.next_attempt_at) for b in sorted(others, key=lambda b: b.next_attempt_at)] == [
        ([held.profile_ids[0], held.profile_ids[5]], later),
        ([held.profile_ids[7]], later + HOUR),
    ]  # fmt: skip
    assert {(b.state, b.attempt_count, b.parent_id) for b in others} == {
        ("pending", 0, None)
    }


def test_those_of_a_time_go_together_out_of_all_batches(sending, later):
    claims = claim(10)
    assert len(claims) == 2
    due = {n: later if n % 2 else later + HOUR for n in range(75)}
    put_off(
        (c, {n: at for n, at in due.items() if n < len(c.profile_ids)}) for c in claims
    )

    assert waiting() == members(sending)
    assert sizes(next_attempt_at=later) == [49]
    assert sizes(next_attempt_at=later + HOUR) == [51]
    emptied = Batch.objects.filter(pk__in=[c.batch_id for c in claims])
    assert {b.state for b in emptied} == {"done"}
    run = Run.objects.get()
    assert run.next_sequence == run.batches.count()


def test_no_new_batch_takes_more_than_a_request_may(braze, later):
    people = factories.make_people(80)
    engagement = factories.make_engagement(
        factories.make_segment(0), factories.make_version(connection=braze)
    )
    engagement.move(["draft"], "active")
    run = factories.make_run(engagement, state="sending", next_sequence=80)
    for person in people:
        factories.make_batch(run, [person])
    put_off((held, {0: later}) for held in claim(80))

    assert sizes(next_attempt_at=later) == [75, 5]
    assert waiting() == Counter(person.pk for person in people)


def test_a_full_batch_waits_itself(sending, later):
    held = max(claim(10), key=lambda one: len(one.profile_ids))
    put_off([(held, dict.fromkeys(range(75), later))])

    batch = Batch.objects.get(pk=held.batch_id)
    assert (batch.state, batch.next_attempt_at) == ("pending", later)
    assert (batch.lease_token, batch.left_out) == (None, [])
    assert Batch.objects.count() == 2


def test_events_and_entries_go_along_by_person(later):
    people = factories.make_people(4)
    engagement = factories.make_engagement()
    engagement.move(["draft"], "active")
    run = factories.make_run(engagement, state="sending", next_sequence=1)
    factories.make_batch(
        run,
        people,
        event_ids=[11, None, 13, 14],
        transition_ids=[21, 22, 23, 24],
        left_out=[3],
    )
    (held,) = claim(1)
    put_off([(held, {1: later, 2: later, 3: later})])

    new = Batch.objects.get(next_attempt_at=later)
    assert new.profile_ids == [people[1].pk, people[2].pk]
    assert (new.event_ids, new.transition_ids) == ([None, 13], [22, 23])
    old = Batch.objects.get(pk=held.batch_id)
    assert old.left_out == [1, 2, 3]
    assert old.profile_ids == [people[0].pk, 0, 0, people[3].pk]
    assert (old.event_ids, old.transition_ids) == ([11, None, None, 14], [21, 22, 23, 24])  # fmt: skip


def test_what_was_tried_counts_for_those_who_are_put_off(sending, sandbox, later):
    sandbox.faults([{"kind": "status", "status": 500, "times": 2}])
    working.once()
    working.make_due(sending)
    held = max(claim(10), key=lambda one: len(one.profile_ids))
    put_off([(held, {3: later})])

    old = Batch.objects.get(pk=held.batch_id)
    new = Batch.objects.get(next_attempt_at=later)
    assert new.profile_ids == [old.profile_ids[3]]
    assert (new.state, new.parent, new.attempt_count) == ("retry", old, 1)
    assert new.written_at == old.written_at is not None


def test_halves_can_be_put_off_and_name_nobody_who_is_erased(sending, later):
    batch = Batch.objects.order_by("-pk").last()
    halve(batch, range(75))
    halves = claim(10)
    assert len(halves) == 3
    put_off((held, {0: later, 1: later + HOUR}) for held in halves)
    assert waiting() == members(sending)

    person = batch.profile_ids[0]
    erasure.forget([person])
    holding = [b for b in Batch.objects.all() if person in b.profile_ids]
    assert holding == []
    assert Delivery.objects.get().state == "erased"


def test_who_was_erased_meanwhile_stays_nobody(sending, later):
    held = max(claim(10), key=lambda one: len(one.profile_ids))
    erasure.forget([held.profile_ids[0]])
    put_off([(held, {0: later, 1: later})])

    assert sizes(next_attempt_at=later) == [1]
    assert sum(waiting().values()) == 99


def test_a_batch_that_is_not_held_any_more_stays(sending, later):
    claims = claim(10)
    Batch.objects.filter(pk=claims[0].batch_id).update(lease_token=uuid.uuid4())
    Batch.objects.filter(pk=claims[1].batch_id).update(
        lease_until=database_clock.now() - HOUR
    )
    put_off((held, {0: later}) for held in claims)

    assert Batch.objects.count() == 2
    assert waiting() == members(sending)


def test_a_run_that_was_cancelled_keeps_nobody_waiting(sending, later):
    claims = claim(10)
    put_off([(claims[0], {0: later})])
    transitions.cancel(Run.objects.get())
    put_off([(claims[1], {0: later})])

    assert Batch.objects.count() == 3
    assert not Batch.objects.filter(state="pending").exists()
    transitions.completion.cancel_leftovers()
    assert Delivery.objects.filter(state="cancelled").count() == 1


def test_who_waits_is_sent_after_a_pause(sending, sandbox, later):
    for held in claim(10):
        put_off([(held, dict.fromkeys(range(10), later))])
    transitions.pause(sending)
    transitions.resume(sending)
    working.make_due(sending)
    Batch.objects.filter(state="leased").update(state="pending", lease_token=None)
    working.to_the_end(sending)

    assert sum(invariants.received(sandbox).values()) == 100
    assert set(invariants.received(sandbox).values()) == {1}
    assert Delivery.objects.filter(state="sent").count() == 100


# --- At the last look before the wire -------------------------------------------------


def written(later, places):
    """The claimed batches as requests, those at these places put off."""
    for prepared in writing.write(claim(10)):
        going = [n for n in prepared.places if n not in places]
        yield dataclasses.replace(
            prepared,
            places=going,
            later={n: later for n in places if n < len(prepared.claim.profile_ids)},
            request=prepared.request if going else None,
        )


def test_who_is_put_off_is_on_no_wire(sending, later):
    going = intend(list(written(later, {0, 1})))

    assert [len(p.places) for p in sorted(going, key=lambda p: p.batch_id)] == [73, 23]
    taken = Batch.objects.filter(state="sending")
    assert [list(b.left_out) for b in taken] == [[0, 1], [0, 1]]
    assert [a.left_out for b in taken for a in b.attempts.all()] == [[0, 1], [0, 1]]
    assert sizes(next_attempt_at=later) == [4]
    assert waiting() == members(sending)


def test_where_all_are_put_off_nothing_goes(sending, later):
    assert intend(list(written(later, set(range(75))))) == []

    assert sizes(state="pending") == [75, 25]
    assert waiting() == members(sending)
    assert not Delivery.objects.exists()
    loop.work(timedelta(seconds=0.1))
    assert Run.objects.get().state == "sending"


@pytest.mark.django_db(transaction=True)
def test_two_who_put_off_while_somebody_is_erased_do_not_wait_for_each_other(
    sending, later
):
    """Locks are taken in one order: nobody ends in a deadlock."""
    claims = claim(10)
    erased = max((c.profile_ids for c in claims), key=len)[40]
    errors: list[BaseException] = []

    def at_once(action) -> None:
        try:
            begin.wait()
            action()
        except BaseException as e:
            errors.append(e)
        finally:
            connection.close()

    begin = threading.Barrier(3)
    threads = [
        threading.Thread(target=at_once, args=[action])
        for action in (
            lambda: put_off((c, {0: later, 1: later}) for c in claims),
            lambda: put_off((c, {2: later, 40: later}) for c in reversed(claims)),
            lambda: erasure.forget([erased]),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert errors == []
    assert waiting() == members(sending) - Counter([erased])


# --- Where the time is known when people are taken in ---------------------------------


def test_people_are_taken_in_by_when_they_are_due(later):
    people = factories.make_people(100)
    engagement = factories.make_engagement(factories.make_segment(people))
    run = factories.make_run(engagement)
    asked = {
        "run": run.pk, "sequence": 3, "size": 10, "chunk": 1_000, "cursor": 0,
        "segment": engagement.segment_id, "started_at": database_clock.now(),
        "first": people[4].pk, "later": later,
    }  # fmt: skip
    due = f"""
        SELECT p.*, CASE WHEN profile_id > %(first)s THEN %(later)s::timestamptz END
            AS due FROM ({expansion.FROM_MEMBERS}) p
    """
    with connection.cursor() as cursor:
        cursor.execute(expansion.TAKE_IN_ALL_BY_DUE.format(people=due), asked)
        row = cursor.fetchone()

    assert row == (100, people[-1].pk, 100, 11, 0)
    batches = Batch.objects.order_by("sequence")
    assert [b.sequence for b in batches] == list(range(3, 14))
    assert [len(b.profile_ids) for b in batches] == [*[10] * 9, 5, 5]
    assert [b.next_attempt_at == later for b in batches] == [True] * 10 + [False]
    assert waiting() == Counter(person.pk for person in people)
