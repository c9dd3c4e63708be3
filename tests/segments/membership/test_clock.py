"""Windows move on with the time, without a count of everybody."""

import random
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from segments.membership import clock, evaluation, refresh
from segments.membership.moves import Change
from segments.models import Event, Membership, Segment
from segments.rules import tree
from tests.factories import make_people, make_profile, make_segment, make_source

pytestmark = pytest.mark.django_db

LEAD = {"event": "Lead", "within_days": 3}
MINUTE = timedelta(minutes=1)


def did(people, name, *ago):
    """Each so long ago, or each as long ago as the one time given."""
    source, now = make_source(), timezone.now()
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"{name}-{number}",
            profile=person,
            name=name,
            time=now - ago[number % len(ago)],
        )
        for number, person in enumerate(people)
    )


def pass_time(length):
    """As though everything had happened, and been looked at, so much earlier."""
    Event.objects.update(time=F("time") - length)
    Segment.objects.update(
        clock_at=F("clock_at") - length,
        refreshed_at=F("refreshed_at") - length,
        updated_at=F("updated_at") - length,
    )


def counted(rule):
    segment = make_segment(rule=rule, event_names=tree.event_names(rule))
    refresh.refresh(segment.pk)
    # Long after it was saved: it is not counted a second time for that.
    Segment.objects.update(updated_at=F("updated_at") - timedelta(hours=2))
    return segment


def members(segment):
    return set(segment.memberships.values_list("profile_id", flat=True))


def move_on(**limits):
    return clock.move_on(time.monotonic() + 20, **limits)


def test_who_did_it_too_long_ago_leaves():
    early, late = make_profile(), make_profile()
    did([early], "Lead", timedelta(days=3) - 5 * MINUTE)
    did([late], "Lead", timedelta(days=3) - 15 * MINUTE)
    segment = counted(LEAD)
    assert members(segment) == {early.pk, late.pk}
    assert move_on() == Change()
    pass_time(10 * MINUTE)
    assert move_on() == Change(left=1)
    assert members(segment) == {late.pk}
    assert segment.transitions.get(kind="exit").profile_id == early.pk
    pass_time(10 * MINUTE)
    assert move_on() == Change(left=1)


def test_who_did_something_too_long_ago_enters_where_that_was_in_the_way():
    person = make_profile()
    did([person], "Lead", timedelta(days=3) - 5 * MINUTE)
    segment = counted({"not": LEAD})
    assert members(segment) == set()
    pass_time(10 * MINUTE)
    assert move_on() == Change(entered=1)


def test_the_periodic_work_moves_windows_on_and_counts_nobody():
    person = make_profile()
    did([person], "Lead", timedelta(days=3) - 5 * MINUTE)
    segment = counted(LEAD)
    pass_time(20 * MINUTE)
    segment.refresh_from_db()
    before = segment.refreshed_at
    assert refresh.refresh_due(timezone.now()) == Change(left=1)
    segment.refresh_from_db()
    assert segment.refreshed_at == before
    assert timezone.now() - segment.clock_at < MINUTE


@pytest.mark.parametrize(
    ("rule", "behind", "is_counted"),
    [
        (LEAD, 20 * MINUTE, False),
        (LEAD, 61 * MINUTE, True),
        ({"attribute": "x", "is": "in_last_days", "value": 2}, 20 * MINUTE, True),
        (
            {"all": [LEAD, {"attribute": "x", "is": "in_last_days", "value": 2}]},
            20 * MINUTE,
            True,
        ),
        ({"event": "Lead"}, 20 * MINUTE, False),
    ],
)
def test_who_is_far_behind_or_reads_a_date_is_counted(rule, behind, is_counted):
    segment = counted(rule)
    pass_time(behind)
    refresh.refresh_due(timezone.now())
    segment.refresh_from_db()
    assert (timezone.now() - segment.refreshed_at < MINUTE) is is_counted


def test_very_many_are_moved_on_in_steps():
    people = make_people(3 * clock.MOST)
    for number in range(6):
        some = people[number * clock.MOST // 2 : (number + 1) * clock.MOST // 2]
        did(some, "Lead", timedelta(days=3) - (number * 5 + 2) * MINUTE)
    segment = counted(LEAD)
    assert len(members(segment)) == len(people)
    pass_time(40 * MINUTE)
    assert move_on(most=clock.MOST) == Change(left=len(people))
    assert refresh.refresh(segment.pk) == Change()


def test_very_many_at_one_moment_are_moved_on_some_after_the_other():
    people = make_people(2 * clock.MOST + 1)
    did(people, "Lead", timedelta(days=3) - 5 * MINUTE)
    segment, other = counted(LEAD), counted({"not": LEAD})
    before = Segment.objects.get(pk=segment.pk).refreshed_at
    pass_time(10 * MINUTE)
    assert move_on() == Change(left=len(people), entered=len(people))
    assert members(segment) == set()
    assert members(other) == {person.pk for person in people}
    for one in (segment, other):
        one.refresh_from_db()
        assert timezone.now() - one.clock_at < MINUTE
    assert segment.refreshed_at == before - 10 * MINUTE


def test_too_many_at_one_moment_are_left_to_a_count():
    people = make_people(clock.MOST + 1)
    did(people, "Lead", timedelta(days=3) - 5 * MINUTE)
    segment = counted(LEAD)
    pass_time(10 * MINUTE)
    assert move_on(most=clock.MOST) == Change()
    Event.objects.update(time=F("time") - 10 * MINUTE)
    Segment.objects.update(clock_at=F("clock_at") - timedelta(hours=1))
    assert refresh.refresh_due(timezone.now()) == Change(left=len(people))
    assert members(segment) == set()


@pytest.mark.parametrize("seed", range(3))
def test_a_count_at_the_same_time_finds_nothing_more(seed):
    """With people who are evaluated by other events in between."""
    dice = random.Random(seed)
    people = make_people(150)

    def one(depth=0):
        if depth < 3 and dice.random() < 0.5:
            parts = [one(depth + 1) for _ in range(2)]
            return dice.choice(({"all": parts}, {"any": parts}, {"not": parts[0]}))
        return {
            "event": dice.choice(("A", "B", "C")),
            "at_least": dice.choice((1, 1, 2)),
            "within_days": dice.choice((None, 1, 2, 3)),
        }

    def hours(count):
        return [timedelta(hours=dice.uniform(0, 80)) for _ in range(count)]

    for name in ("A", "B", "C"):
        for _ in range(6):
            did(dice.sample(people, 30), name, *hours(30))
    segments = [counted(one()) for _ in range(12)]
    found = Change()
    for _ in range(6):
        pass_time(timedelta(minutes=dice.uniform(2, 59)))
        some = dice.sample(people, 5)
        did(some, "B", *hours(5))
        evaluation.evaluate((), [person.pk for person in some], ["B"])
        found += move_on()
        for segment in segments:
            everybody = tree.people(segment.rule).values_list("pk", flat=True)
            assert members(segment) == set(everybody), segment.rule
    assert found.left and found.entered
    assert [refresh.refresh(segment.pk) for segment in segments] == [Change()] * 12


LAPSES = {"attribute": "lapses_on", "is": "in_next_days", "value": 3, "calendar": True}
KOLKATA = {**LAPSES, "zone": "Asia/Kolkata"}
ROLLING = {"attribute": "lapses_on", "is": "in_next_days", "value": 3}
WITH_ITEMS = {
    "attribute": "policies",
    "items": "any",
    "where": [{"property": "born", "is": "anniversary_in", "value": 7}],
}


@pytest.mark.parametrize(
    ("rule", "counted", "now", "expected"),
    [
        (LAPSES, "2026-03-01T00:00:00Z", "2026-03-01T23:59:59Z", False),
        (LAPSES, "2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z", True),
        (KOLKATA, "2026-03-01T18:30:00Z", "2026-03-02T18:29:59Z", False),
        (KOLKATA, "2026-03-01T18:29:59Z", "2026-03-01T18:30:00Z", True),
        ({"not": KOLKATA}, "2026-03-01T12:00:00Z", "2026-03-01T18:30:00Z", True),
        ({"any": [LAPSES, KOLKATA]}, "2026-03-01T18:30:00Z", "2026-03-01T23:59:59Z", False),
        ({"any": [LAPSES, KOLKATA]}, "2026-03-01T18:30:00Z", "2026-03-02T00:00:00Z", True),
        (WITH_ITEMS, "2026-03-01T00:00:00Z", "2026-03-01T23:00:00Z", False),
        (WITH_ITEMS, "2026-03-01T23:00:00Z", "2026-03-02T00:00:00Z", True),
        # The day on which the clocks are put forward has 23 hours.
        ({**LAPSES, "zone": "Europe/Berlin"}, "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", False),
        ({**LAPSES, "zone": "Europe/Berlin"}, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", True),
        # To the second: every now and then.
        (ROLLING, "2026-03-01T12:00:00Z", "2026-03-01T12:14:59Z", False),
        (ROLLING, "2026-03-01T12:00:00Z", "2026-03-01T12:15:00Z", True),
        ({"any": [LAPSES, ROLLING]}, "2026-03-01T12:00:00Z", "2026-03-01T12:15:00Z", True),
        ({"attribute": "at", "is": "weekday_in", "value": ["mon"]}, "2026-03-01T12:00:00Z", "2026-03-09T12:00:00Z", False),
    ],
)  # fmt: skip
def test_dates_are_counted_when_time_alone_changes_them(rule, counted, now, expected):
    counted, now = (datetime.fromisoformat(at) for at in (counted, now))
    segment = Segment(rule=rule, refreshed_at=counted)
    segment.updated_at = counted - timedelta(hours=2)
    assert refresh.is_due(segment, now) is expected


def test_windows_move_on_between_the_counts_of_days():
    segment = Segment(rule={"all": [LEAD, LAPSES]})
    counted = datetime(2026, 3, 1, 8, tzinfo=UTC)
    segment.refreshed_at, segment.updated_at = counted, counted - timedelta(hours=2)
    now = counted + timedelta(hours=8)
    segment.clock_at = now - MINUTE
    assert not refresh.is_due(segment, now)
    # What they are behind is too much to catch up with.
    segment.clock_at = now - timedelta(hours=2)
    assert refresh.is_due(segment, now)
    segment.clock_at = now + timedelta(hours=8)
    assert refresh.is_due(segment, now + timedelta(hours=8))


def test_who_is_not_near_a_date_any_more_leaves_when_the_day_changes():
    now = timezone.now()
    today = now.date()
    near, gone = (
        make_profile(lapses_on=(today + timedelta(days=n)).isoformat()) for n in (3, -1)
    )
    segment = counted(LAPSES)
    assert members(segment) == {near.pk}
    Membership.objects.create(segment=segment, profile=gone)
    assert refresh.refresh_due(now) == Change()
    Segment.objects.update(refreshed_at=F("refreshed_at") - timedelta(days=1))
    assert refresh.refresh_due(now) == Change(left=1)
    assert members(segment) == {near.pk}
