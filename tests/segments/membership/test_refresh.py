"""Refresh and evaluate: who enters, who leaves, and what is written about it."""

import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from segments.membership import refresh
from segments.membership.counts import at_work
from segments.membership.moves import Change
from segments.models import Membership, Profile, Segment, Transition
from segments.models.signals import segments_changed
from tests.factories import make_event, make_profile, make_segment

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
LEAD = {"event": "Lead"}


def members(segment):
    return set(segment.memberships.values_list("profile_id", flat=True))


def log(segment):
    rows = segment.transitions.order_by("id")
    return list(rows.values_list("kind", "profile_id", "event_id"))


@pytest.fixture
def bells():
    rung = []

    def on_change(**kwargs):
        rung.append(kwargs)

    segments_changed.connect(on_change)
    yield rung
    segments_changed.disconnect(on_change)


def test_a_refresh_lets_people_in_and_out():
    stays, comes = make_profile(city="Pune"), make_profile(city="Pune")
    goes = make_profile(city="Delhi")
    segment = make_segment([stays, goes], rule=PUNE)
    segment.transitions.all().delete()

    assert refresh.refresh(segment.pk) == Change(entered=1, left=1)
    assert members(segment) == {stays.pk, comes.pk}
    assert sorted(log(segment)) == [
        ("entry", comes.pk, None),
        ("exit", goes.pk, None),
    ]
    segment.refresh_from_db()
    assert segment.size == 2
    assert segment.refreshed_at
    assert timezone.now() - segment.refreshed_at < timedelta(minutes=1)


def test_a_second_refresh_changes_nothing():
    make_profile(city="Pune")
    segment = make_segment(rule=PUNE)
    refresh.refresh(segment.pk)
    assert refresh.refresh(segment.pk) == Change()
    assert len(log(segment)) == 1


def test_the_newest_event_that_the_rule_reads_goes_with_a_person():
    profile = make_profile()
    make_event(profile, "Lead")
    newest = make_event(profile, "Lead")
    make_event(profile, "Something else")
    make_event(make_profile(city="Elsewhere"), "Other")
    segment = make_segment(rule=LEAD, event_names=["Lead"])

    refresh.refresh(segment.pk)
    assert Membership.objects.get().event_id == newest.pk
    assert log(segment) == [("entry", profile.pk, newest.pk)]


def test_a_rule_that_reads_no_event_names_none():
    make_event(make_profile(city="Pune"), "Lead")
    segment = make_segment(rule=PUNE)
    refresh.refresh(segment.pk)
    assert Membership.objects.get().event_id is None


def test_evaluate_touches_only_the_given_people():
    here, other = make_profile(city="Pune"), make_profile(city="Pune")
    stale = make_profile(city="Delhi")
    segment = make_segment([stale], rule=PUNE)
    assert refresh.evaluate([here.pk]) == Change(entered=1)
    assert members(segment) == {here.pk, stale.pk}
    assert refresh.evaluate([stale.pk, other.pk]) == Change(entered=1, left=1)
    segment.refresh_from_db()
    assert (members(segment), segment.size) == ({here.pk, other.pk}, 2)


def test_evaluate_of_an_event_asks_only_the_segments_that_read_it():
    profile = make_profile(city="Pune")
    event = make_event(profile, "Lead")
    leads = make_segment(rule=LEAD, event_names=["Lead"])
    pune = make_segment(rule=PUNE)
    assert refresh.evaluate([profile.pk], ["Lead"]) == Change(entered=1)
    assert (members(leads), members(pune)) == ({profile.pk}, set())
    assert log(leads) == [("entry", profile.pk, event.pk)]
    assert refresh.evaluate([profile.pk], ["Other"]) == Change()
    assert refresh.evaluate([profile.pk], []) == Change()
    assert refresh.evaluate([profile.pk]) == Change(entered=1)


def test_an_inactive_segment_takes_nobody_in():
    profile = make_profile(city="Pune")
    segment = make_segment(rule=PUNE, is_active=False)
    assert refresh.evaluate([profile.pk]) == Change()
    assert members(segment) == set()


def test_a_count_of_events_is_asked_of_each_person_alone():
    once, twice = make_profile(), make_profile()
    for profile in (once, twice, twice):
        make_event(profile, "Lead")
    segment = make_segment(rule={"event": "Lead", "at_least": 2}, event_names=["Lead"])
    refresh.evaluate([once.pk, twice.pk], ["Lead"])
    assert members(segment) == {twice.pk}


def test_somebody_merged_into_another_is_in_no_segment():
    known = make_profile(city="Pune")
    merged = make_profile(city="Pune", merged=True)
    Profile.objects.filter(pk=merged.pk).update(merged_into=known)
    segment = make_segment(rule=PUNE)
    refresh.refresh(segment.pk)
    assert members(segment) == {known.pk}


def test_a_broken_rule_does_not_stop_the_others(caplog):
    profile = make_profile(city="Pune")
    broken = make_segment(rule={"broken": True})
    segment = make_segment(rule=PUNE)
    assert refresh.evaluate([profile.pk]) == Change(entered=1)
    assert members(segment) == {profile.pk}
    broken.refresh_from_db()
    assert "use exactly one of" in broken.problem
    assert "segment.failed" in caplog.text


def test_a_rule_that_cannot_be_read_any_more_does_not_stop_the_others():
    gone = make_segment(name="Gone", rule={"of a kind that is gone": 1})
    long_ago = timezone.now() - timedelta(days=1)
    Segment.objects.update(refreshed_at=long_ago, updated_at=long_ago)
    other = make_segment(name="Other", rule=PUNE, refreshed_at=None)
    refresh.refresh_due(timezone.now())
    gone.refresh_from_db()
    other.refresh_from_db()
    assert "use exactly one of" in gone.problem
    assert other.refreshed_at


@pytest.mark.parametrize("ago", [timedelta(minutes=5), timedelta(hours=2)])
def test_a_rule_that_was_right_once_does_not_stop_the_clock_of_others(ago):
    """As one of another version of the product, or of a zone that is no more."""
    make_profile(city="Pune")
    now = timezone.now()
    wrong = make_segment(
        rule={"attribute": "due", "is": "date_is", "value": "2026-01-31", "zone": "Mars/Base"},
        clock_at=now - ago,
        refreshed_at=now - ago,
    )  # fmt: skip
    broken = make_segment(
        rule={"broken": True}, clock_at=now - ago, refreshed_at=now - ago
    )
    Segment.objects.update(updated_at=now - timedelta(hours=3))
    segment = make_segment(rule=PUNE, refreshed_at=None)
    assert refresh.refresh_due(now) == Change(entered=1)
    assert len(members(segment)) == 1
    for one in (wrong, broken):
        one.refresh_from_db()
        assert one.problem


def test_a_segment_with_a_problem_is_left_alone_until_a_count_succeeds(caplog):
    profile, now = make_profile(city="Pune"), timezone.now()
    segment = make_segment(rule={"broken": True})
    refresh.evaluate([profile.pk])
    caplog.clear()
    refresh.evaluate([profile.pk])
    assert not caplog.records, "it was asked again"
    assert refresh.refresh_due(now) == Change()
    Segment.objects.update(rule=PUNE)
    later = now + refresh.TRIED_AGAIN_AFTER + timedelta(seconds=5)
    assert refresh.refresh_due(later) == Change(entered=1)
    segment.refresh_from_db()
    assert segment.problem == ""
    Profile.objects.update(attributes={})
    assert refresh.evaluate([profile.pk]) == Change(left=1)


@contextmanager
def membership_refused(profile, code, segment=None):
    """The database raises an error with this code when this person enters (this one)."""
    here = f"AND NEW.segment_id = {segment.pk}" if segment else ""
    with connection.cursor() as cursor:
        cursor.execute(f"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.profile_id = {profile.pk} {here} THEN
                    RAISE EXCEPTION 'odd' USING ERRCODE = '{code}';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON segments_membership
            FOR EACH ROW EXECUTE FUNCTION refuse();
        """)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION refuse CASCADE")


@pytest.mark.parametrize("code", ["22003", "54000", "23514", "XX000"])
@pytest.mark.parametrize("everybody", [True, False])
def test_one_persons_value_stops_only_that_person(code, everybody, caplog):
    people = [make_profile(city="Pune") for _ in range(9)]
    segment = make_segment(rule=PUNE)
    with membership_refused(people[3], code):
        if everybody:
            change = refresh.refresh(segment.pk)
        else:
            change = refresh.evaluate([p.pk for p in people])
    assert change == Change(entered=8)
    assert members(segment) == {p.pk for p in people} - {people[3].pk}
    segment.refresh_from_db()
    assert (segment.size, segment.problem) == (8, "")
    assert f"'profile_id': {people[3].pk}" in caplog.text


def test_what_is_not_about_a_person_stops_one_segment_alone():
    people = [make_profile(city="Pune") for _ in range(30)]
    hurt = make_segment(rule=LEAD, event_names=["Lead"], refreshed_at=None)
    other = make_segment(rule=PUNE)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE segments_event RENAME COLUMN name TO title")
        assert refresh.evaluate([p.pk for p in people]) == Change(entered=30)
        hurt.refresh_from_db()
        assert "ProgrammingError" in hurt.problem
        Segment.objects.update(problem="")
        assert refresh.refresh_due(timezone.now()) == Change()
        hurt.refresh_from_db()
        assert "ProgrammingError" in hurt.problem
        cursor.execute("ALTER TABLE segments_event RENAME COLUMN title TO name")
    assert len(members(other)) == 30


def test_a_segment_that_takes_too_long_for_a_few_is_left_alone():
    ann = make_profile(city="Pune")
    slow = make_segment(rule=PUNE)
    other = make_segment(rule={"any": [PUNE, LEAD]})
    with membership_refused(ann, "57014", slow):
        assert refresh.evaluate([ann.pk]) == Change(entered=1)
    assert members(other) == {ann.pk}
    slow.refresh_from_db()
    assert "takes too long" in slow.problem


def test_a_count_that_takes_too_long_is_ended_and_said(monkeypatch):
    monkeypatch.setattr(at_work, "LONGEST_COUNT", 0.1)
    profile = make_profile(city="Pune")
    slow, quick = make_segment(rule=PUNE), make_segment(rule={"not": PUNE})
    Segment.objects.update(refreshed_at=None)
    with connection.cursor() as cursor:
        cursor.execute(f"""
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.segment_id = {slow.pk} THEN PERFORM pg_sleep(20); END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER wait BEFORE INSERT ON segments_membership
            FOR EACH ROW EXECUTE FUNCTION wait();
        """)
    refresh.refresh_due(timezone.now())
    slow.refresh_from_db()
    quick.refresh_from_db()
    assert "takes too long" in slow.problem
    assert quick.refreshed_at and not quick.problem
    assert members(slow) == set()
    assert Profile.objects.get() == profile


@pytest.mark.django_db(transaction=True)
def test_a_segment_in_use_does_not_end_the_tick():
    segment, other = make_segment(rule=PUNE), make_segment(rule={"not": PUNE})
    Segment.objects.update(refreshed_at=None)

    def refresh_all():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        refresh.refresh_due(timezone.now())
        connection.close()

    with transaction.atomic():
        Segment.objects.select_for_update().get(pk=segment.pk)
        tick = threading.Thread(target=refresh_all)
        tick.start()
        tick.join(timeout=20)
    segment.refresh_from_db()
    other.refresh_from_db()
    assert (segment.refreshed_at, segment.problem) == (None, "")
    assert other.refreshed_at


def test_refreshing_a_broken_rule_says_so():
    with pytest.raises(ValidationError, match="exactly one of"):
        refresh.refresh(make_segment(rule={"broken": True}).pk)


def test_listeners_are_told_after_the_commit_and_only_for_a_change(
    bells, django_capture_on_commit_callbacks
):
    profile = make_profile(city="Pune")
    make_segment(rule=PUNE)
    with django_capture_on_commit_callbacks(execute=True):
        refresh.evaluate([profile.pk])
        assert bells == []
    assert len(bells) == 1
    with django_capture_on_commit_callbacks(execute=True):
        refresh.evaluate([profile.pk])
    assert len(bells) == 1


WINDOW = {"event": "Lead", "within_days": 30}


@pytest.mark.parametrize(
    ("rule", "saved", "counted", "expected"),
    [
        # Saved and counted so many minutes ago.
        (PUNE, 0, None, True),
        (PUNE, 600, 500, False),
        (WINDOW, 600, 16, True),
        (WINDOW, 600, 14, False),
        ({"attribute": "x", "is": "in_last_days", "value": 2}, 600, 60, True),
        # Counted once more a minute after it was saved.
        (PUNE, 0.9, 0.8, False),
        (PUNE, 1.1, 1.0, True),
        (PUNE, 1.1, 0.05, False),
    ],
)
def test_a_segment_is_due_when_uncounted_or_when_its_clock_ran_on(
    rule, saved, counted, expected
):
    now = timezone.now()
    segment = Segment(rule=rule, updated_at=now - timedelta(minutes=saved))
    if counted is not None:
        segment.refreshed_at = now - timedelta(minutes=counted)
    assert refresh.is_due(segment, now) is expected


def test_the_due_segments_are_refreshed():
    profile = make_profile(city="Pune")
    make_event(profile, "Lead")
    now = timezone.now()
    before = now - timedelta(minutes=20)

    def make(rule, refreshed_at, **fields):
        name = str(Segment.objects.count())
        return Segment.objects.create(
            name=name, rule=rule, refreshed_at=refreshed_at, **fields
        )

    uncounted, moving, still = (
        make(PUNE, None),
        make(WINDOW, before),
        make(PUNE, before),
    )
    inactive, broken = make(PUNE, None, is_active=False), make({"broken": 1}, None)
    assert refresh.refresh_due(now) == Change(entered=2)
    assert [len(members(s)) for s in (uncounted, moving, still, inactive, broken)] == [
        1, 1, 0, 0, 0,
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_entries_of_one_segment_commit_in_the_order_of_their_ids():
    """A writer that has not committed holds back everyone else's entries."""
    first, second = make_profile(city="Pune"), make_profile(city="Pune")
    segment = make_segment(rule=PUNE)

    def evaluate_second():
        refresh.evaluate([second.pk])
        connection.close()

    other = threading.Thread(target=evaluate_second)
    with transaction.atomic():
        refresh.evaluate([first.pk])
        other.start()
        other.join(timeout=0.5)
        assert other.is_alive()
    other.join(timeout=10)
    entries = Transition.objects.filter(segment=segment).order_by("id")
    assert list(entries.values_list("profile_id", flat=True)) == [first.pk, second.pk]
