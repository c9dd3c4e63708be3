"""A count reads without a lock, writes in ranges, and leaves alone who moved meanwhile."""

import os
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from django.db import Error, connection, connections, transaction
from django.db.models.functions import Now

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Delivery, Engagement
from segments.membership import counting, deleting, evaluation, refresh
from segments.membership.counts import at_work
from segments.membership.moves import Change
from segments.models import Membership, Profile, Segment, Touched, Transition
from segments.rules import tree
from tests.factories import (
    make_engagement,
    make_event,
    make_people,
    make_profile,
    make_segment,
    make_version,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
# The key of the lock that a count waits for between what it read and what it writes.
GATE = 815


class Paused:
    """A count in a thread of its own that stands still before it writes a range."""

    def __init__(self, segment, after):
        self.segment, self.after = segment, after
        self.pid, self.change, self.error = None, None, None
        self.is_connected = threading.Event()
        self.may_begin = threading.Event()
        self.thread = threading.Thread(target=self.count)

    def count(self):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.pid = cursor.fetchone()[0]
            self.is_connected.set()
            self.may_begin.wait(20)
            self.change = refresh.refresh(self.segment.pk)
        except Error as e:
            self.error = e
        finally:
            connection.close()

    def is_waiting(self):
        return is_waiting_for_the_gate(self.pid)

    def end(self):
        """Let it write, and wait until it is over."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [GATE])
        self.thread.join(20)
        assert not self.thread.is_alive()

    def kill(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [self.pid])
        self.thread.join(20)
        assert not self.thread.is_alive()


def is_waiting_for_the_gate(pid):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM pg_locks WHERE pid = %s AND locktype = 'advisory'"
            " AND NOT granted",
            [pid],
        )
        return cursor.fetchone() is not None


@contextmanager
def paused(segment, after=0):
    """Count the segment; it stands still with `after` lines of the log written.

    A trigger that fires before a statement, and so before it has locked a row.
    """
    count = Paused(segment, after)
    count.thread.start()
    assert count.is_connected.wait(20)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [GATE])
        cursor.execute(f"""
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF pg_backend_pid() = {count.pid} AND EXISTS (
                    SELECT FROM segments_segment
                    WHERE id = {segment.pk} AND counting_until IS NOT NULL
                ) AND (
                    SELECT count(*) FROM segments_transition
                    WHERE segment_id = {segment.pk}
                ) >= {after} THEN PERFORM pg_advisory_xact_lock_shared({GATE}); END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER wait BEFORE UPDATE ON segments_segment
            FOR EACH STATEMENT EXECUTE FUNCTION wait();
        """)
    count.may_begin.set()
    try:
        while not count.is_waiting():
            assert count.thread.is_alive(), "it was over before it was paused"
            count.thread.join(0.01)
        yield count
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            count.thread.join(20)
            cursor.execute("DROP FUNCTION wait CASCADE")


def move(person, city):
    """What applying does: the data and the evaluation in one transaction, at once."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '200ms'")
        Profile.objects.filter(pk=person.pk).update(attributes={"city": city})
        return evaluation.evaluate([person.pk])


def members(segment):
    return set(segment.memberships.values_list("profile_id", flat=True))


def log(segment, person):
    rows = segment.transitions.filter(profile=person).order_by("pk")
    return list(rows.values_list("kind", flat=True))


def check(segment):
    """It is what its rule says, and nobody has entered twice without leaving."""
    segment.refresh_from_db()
    everybody = set(tree.people(segment.rule).values_list("pk", flat=True))
    assert members(segment) == everybody
    assert segment.size == len(everybody)
    assert segment.counting_until is None
    assert segment.refreshed_at is not None
    assert not Touched.objects.exists()
    last = {}
    for kind, person in segment.transitions.order_by("pk").values_list(
        "kind", "profile_id"
    ):
        assert last.get(person, "exit") != kind
        last[person] = kind


def test_who_moves_while_everybody_is_counted_is_left_as_they_are():
    stays, goes = make_profile(city="Pune"), make_profile(city="Pune")
    comes, comes_and_goes = make_profile(city="Delhi"), make_profile(city="Delhi")
    out, back = make_profile(city="Pune"), make_profile(city="Delhi")
    segment = make_segment([out, back], rule=PUNE, refreshed_at=None)
    with paused(segment) as count:
        # Nobody waits for the count: each has 200 ms.
        assert move(goes, "Delhi") == Change()
        assert move(comes, "Pune") == Change(entered=1)
        assert move(comes_and_goes, "Pune") == Change(entered=1)
        assert move(comes_and_goes, "Delhi") == Change(left=1)
        assert move(out, "Delhi") == Change(left=1)
        # The count has read that this one leaves.
        assert move(back, "Pune") == Change()
        count.end()
    assert count.change == Change(entered=1)
    assert members(segment) == {stays.pk, comes.pk, back.pk}
    assert log(segment, comes_and_goes) == ["entry", "exit"]
    check(segment)


def test_who_is_deleted_meanwhile_is_nowhere():
    gone, stays = make_profile(city="Pune"), make_profile(city="Pune")
    segment = make_segment(rule=PUNE, refreshed_at=None)
    with paused(segment) as count:
        gone.delete()
        count.end()
    assert list(Membership.objects.values_list("profile_id", flat=True)) == [stays.pk]
    assert list(Transition.objects.values_list("profile_id", flat=True)) == [stays.pk]
    check(segment)


def test_who_is_deleted_leaves_the_size():
    gone, stays = make_profile(city="Pune"), make_profile(city="Pune")
    segment = make_segment([gone, stays], rule=PUNE)
    other = make_segment([stays], rule=PUNE)
    gone.delete()
    segment.refresh_from_db()
    other.refresh_from_db()
    assert (segment.size, other.size) == (1, 1)


def test_a_deletion_waits_for_who_writes():
    """The database itself would not: a row of somebody who is gone would stay."""
    person = make_profile(city="Pune")
    segment = make_segment(rule=PUNE)

    def delete():
        Profile.objects.get(pk=person.pk).delete()
        connection.close()

    deleting = threading.Thread(target=delete)
    with transaction.atomic():
        Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
        deleting.start()
        deleting.join(0.5)
        assert deleting.is_alive()
        Membership.objects.create(segment=segment, profile=person)
    deleting.join(20)
    assert not Membership.objects.exists()


def test_a_deleted_segment_leaves_nothing_behind():
    person = make_profile(city="Pune")
    segment = make_segment([person], rule=PUNE)

    def delete():
        Segment.objects.get(pk=segment.pk).delete()
        connection.close()

    deleting = threading.Thread(target=delete)
    other = make_profile(city="Pune")
    with transaction.atomic():
        evaluation.evaluate([other.pk])
        deleting.start()
        deleting.join(0.5)
        assert deleting.is_alive()
    deleting.join(20)
    assert not Membership.objects.exists()
    assert not Transition.objects.exists()


def test_nobody_waits_until_a_large_segment_is_cleared_away(monkeypatch):
    """What a deletion does not take along itself is seen nowhere, and goes later."""
    monkeypatch.setattr(deleting, "RANGE", 2)
    people = make_people(5)
    segment, other = make_segment(people), make_segment(people[:1])
    segment.delete()
    assert Membership.objects.count() == Transition.objects.count() == 3 + 1
    person = people[-1]
    found = person.memberships.select_related("segment")
    assert list(found) == []
    person.delete()

    assert deleting.clear() == 2 + 2
    assert members(other) == {people[0].pk}
    assert log(other, people[0]) == ["entry"]
    assert Membership.objects.count() == Transition.objects.count() == 1
    assert deleting.clear() == 0


def test_two_counts_of_a_segment_are_not_at_work_at_once():
    make_profile(city="Pune")
    segment = make_segment(rule=PUNE, refreshed_at=None)
    with paused(segment) as count:
        with pytest.raises(at_work.BusyError):
            refresh.refresh(segment.pk)
        assert refresh.try_refresh(segment.pk) == Change()
        segment.refresh_from_db()
        assert segment.problem == ""
        count.end()
    check(segment)


def test_a_count_by_the_old_rule_ends_when_a_new_one_is_saved():
    pune, delhi = make_profile(city="Pune"), make_profile(city="Delhi")
    segment = make_segment(rule=PUNE, refreshed_at=None)
    with paused(segment) as count:
        changed = Segment.objects.get(pk=segment.pk)
        changed.rule = {**PUNE, "value": "Delhi"}
        counting.mark_changed(changed)
        changed.save(update_fields=counting.CHANGED)
        assert refresh.refresh(segment.pk) == Change(entered=1)
        count.end()
    assert count.change == Change()
    segment.refresh_from_db()
    assert members(segment) == {delhi.pk}
    assert log(segment, pune) == []
    check(segment)


def is_due_after_a_minute(segment):
    segment.refresh_from_db()
    return refresh.is_due(segment, segment.updated_at + timedelta(minutes=2))


class Unknowing:
    """Somebody is written who fits, by who did not find the segment; in a thread."""

    def __init__(self):
        self.has_asked, self.may_end = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.write)

    def write(self):
        with transaction.atomic():
            person = make_profile(city="Pune")
            evaluation.evaluate([person.pk])
            self.has_asked.set()
            self.may_end.wait(20)
        connection.close()

    def __enter__(self):
        self.thread.start()
        assert self.has_asked.wait(20)
        return self

    def __exit__(self, *error):
        self.may_end.set()
        self.thread.join(20)


def test_a_count_waits_for_who_writes_without_knowing_of_the_segment(monkeypatch):
    monkeypatch.setattr(at_work, "SETTLING", 20)
    make_profile(city="Pune")
    with Unknowing() as writer:
        segment = make_segment(rule=PUNE, refreshed_at=None)
        count = threading.Thread(target=count_in_thread, args=(segment,))
        count.start()
        wait_until(lambda: was_begun(segment), "the count")
        count.join(timeout=0.5)
        assert count.is_alive()
        writer.may_end.set()
        count.join(20)
    assert len(members(segment)) == 2
    # All are found: nothing is left for a second count.
    assert not is_due_after_a_minute(segment)
    segment.save()
    assert is_due_after_a_minute(segment)


def test_a_second_count_finds_who_was_not_waited_for(monkeypatch):
    monkeypatch.setattr(at_work, "SETTLING", 0)
    with Unknowing():
        segment = make_segment(rule=PUNE, refreshed_at=None)
        assert refresh.refresh(segment.pk) == Change()
    assert is_due_after_a_minute(segment)
    assert refresh.refresh(segment.pk) == Change(entered=1)
    assert not is_due_after_a_minute(segment)


def test_who_writes_in_another_database_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(at_work, "SETTLING", 0)
    segment = make_segment(rule=PUNE, refreshed_at=None)
    with psycopg.connect(os.environ["DATABASE_URL"], dbname="postgres") as another:
        another.execute("SELECT pg_current_xact_id()")
        refresh.refresh(segment.pk)
    assert not is_due_after_a_minute(segment)


def count_in_thread(segment):
    refresh.refresh(segment.pk)
    connection.close()


def was_begun(segment):
    return Segment.objects.filter(pk=segment.pk, counting_until__isnull=False).exists()


def people_in_two_ranges():
    people = make_people(at_work.BLOCK * (at_work.FEW_BLOCKS + 2))
    Profile.objects.filter(pk__in=[p.pk for p in people]).update(
        attributes={"city": "Pune"}
    )
    return people


def test_the_page_says_that_people_are_partly_of_the_rule_before(admin_client):
    """docs/segments.md: while a changed rule is counted."""
    segment = make_segment([make_profile()], rule=PUNE, size=1, refreshed_at=None)
    said = "until then some of its people are those of the rule before"
    page = admin_client.get(segment.get_absolute_url()).text
    assert said in " ".join(page.split())
    refresh.refresh(segment.pk)
    assert said not in " ".join(
        admin_client.get(segment.get_absolute_url()).text.split()
    )


def test_a_killed_count_goes_on_where_it_was():
    people = people_in_two_ranges()
    segment = make_segment(rule=PUNE, refreshed_at=None)
    with paused(segment, after=1) as count:
        written = segment.memberships.count()
        assert 0 < written < len(people)
        count.kill()
        assert count.error is not None
        assert segment.memberships.count() == written
    # A process that is killed does not say so: nobody can tell yet whether it is dead.
    Segment.objects.update(counting_until=Now() + timedelta(seconds=at_work.LEASE))
    with pytest.raises(at_work.BusyError):
        refresh.refresh(segment.pk)
    assert move(people[0], "Delhi") == Change(left=1)
    assert move(people[-1], "Delhi") == Change()
    Segment.objects.update(counting_until=Now() - timedelta(seconds=1))
    left = len(people) - written - 1
    assert refresh.refresh(segment.pk) == Change(entered=left)
    check(segment)


@pytest.mark.parametrize("includes_present", [True, False])
def test_an_engagement_activated_amid_a_count_sends_to_each_once(
    includes_present, braze, sandbox
):
    """Who is written before is present, and who is written after has an entry."""
    people = [make_profile(city="Pune") for _ in range(10)]
    for number, person in enumerate(people):
        # One in each block of ids.
        Profile.objects.filter(pk=person.pk).update(id=10**6 + number * at_work.BLOCK)
    segment = make_segment(rule=PUNE, refreshed_at=None)
    engagement = make_engagement(
        segment,
        make_version(connection=braze),
        {"Name of the User": "{{ profile.city }}"},
        trigger=Engagement.Trigger.ON_ENTRY,
        includes_present=includes_present,
    )
    with paused(segment, after=1) as count:
        present = members(segment)
        assert len(present) == at_work.FEW_BLOCKS
        transitions.activate(engagement)
        loop.work()
        # One more comes in by what they do, while the count stands still.
        comes = make_profile(city="Delhi")
        assert move(comes, "Pune") == Change(entered=1)
        loop.work()
        count.end()
    loop.work()

    check(segment)
    everybody = members(segment)
    assert len(everybody) == 11
    expected = everybody if includes_present else everybody - present
    sent = Counter(Delivery.objects.values_list("profile_id", "state"))
    assert sent == Counter((person, "sent") for person in expected)
    assert sandbox.summary()["users"] == len(expected)


def test_a_segment_that_fails_while_it_is_counted_is_not_said_to_be_right():
    """The count leaves out whom it could not be asked about."""
    person = make_profile(city="Delhi")
    make_profile(city="Pune")
    segment = make_segment(rule=PUNE, refreshed_at=None)
    with paused(segment) as count:
        with transaction.atomic():
            evaluation.evaluate([person.pk])
            evaluation.leave_alone(segment.pk, ValueError("odd"))
        count.end()
    segment.refresh_from_db()
    assert "ValueError" in segment.problem
    assert segment.refreshed_at is None


def test_a_segment_with_a_problem_misses_nobody_when_it_is_counted():
    """Whoever wrote somebody's data before the count has committed when it reads."""
    person = make_profile(city="Delhi")
    segment = make_segment(rule=PUNE, problem="It takes too long.", problem_at=Now())

    def count():
        refresh.refresh(segment.pk)
        connection.close()

    counts = threading.Thread(target=count)
    with transaction.atomic():
        Profile.objects.filter(pk=person.pk).update(attributes={"city": "Pune"})
        assert evaluation.evaluate([person.pk]) == Change()
        counts.start()
        counts.join(0.5)
        assert counts.is_alive()
    counts.join(20)
    assert members(segment) == {person.pk}
    check(segment)


def test_a_range_waits_for_entries_that_are_not_committed():
    """Within a segment ids are committed in order: a reader keeps the last it saw."""
    first, second = make_profile(city="Pune"), make_profile(city="Pune")
    segment = make_segment(rule=PUNE)

    def count():
        refresh.refresh(segment.pk)
        connections.close_all()

    counts = threading.Thread(target=count)
    with transaction.atomic():
        evaluation.evaluate([second.pk])
        counts.start()
        counts.join(0.5)
        assert counts.is_alive()
    counts.join(20)
    entries = segment.transitions.order_by("pk").values_list("profile_id", flat=True)
    assert list(entries) == [second.pk, first.pk]


def test_who_stays_goes_with_an_event_of_the_new_rule_in_every_range():
    people = people_in_two_ranges()
    lead = make_event(people[-1], "Lead")
    segment = make_segment(rule=PUNE, refreshed_at=None)
    refresh.refresh(segment.pk)
    either = {"any": [PUNE, {"event": "Lead"}]}
    Segment.objects.update(rule=either, refreshed_at=None)
    assert refresh.refresh(segment.pk) == Change()
    with_event = Membership.objects.exclude(event=None)
    assert list(with_event.values_list("profile_id", "event_id")) == [
        (people[-1].pk, lead.pk)
    ]
    Segment.objects.update(rule=PUNE, refreshed_at=None)
    refresh.refresh(segment.pk)
    assert not with_event.exists()
