from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from django.utils import timezone

from engagements.lifecycle import completion, transitions
from engagements.models import Engagement, Run
from engagements.schedules import making, words
from engagements.schedules.making import make_due_run, make_due_runs
from engagements.schedules.slots import Schedule
from segments.membership import refresh
from segments.models import Segment
from tests import factories

BERLIN = ZoneInfo("Europe/Berlin")


def at(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("repeat", "now", "newest", "following"),
    [
        # Start: Friday 27 March 2026, 09:00 in Berlin, 08:00 UTC.
        ("once", at(27, 7), None, at(27, 8)),
        ("once", at(27, 8), at(27, 8), None),
        ("once", at(30, 8), at(27, 8), None),
        ("hourly", at(27, 10, 59), at(27, 10), at(27, 11)),
        ("daily", at(28, 7, 59), at(27, 8), at(28, 8)),
        # On 29 March the clocks go forward: nine in Berlin is now seven in UTC.
        ("daily", at(29, 7), at(29, 7), at(30, 7)),
        ("daily", at(29, 6, 59), at(28, 8), at(29, 7)),
        ("hourly", at(29, 3, 30), at(29, 3), at(29, 4)),
        ("weekly", at(3, 7, month=4), at(3, 7, month=4), at(10, 7, month=4)),
        ("weekly", at(3, 6, month=4), at(27, 8), at(3, 7, month=4)),
    ],
)
def test_slots_keep_the_wall_clock(repeat, now, newest, following):
    schedule = Schedule(start=at(27, 8), repeat=repeat, zone=BERLIN)
    due, coming = schedule.newest(now), next(schedule.upcoming(now), None)
    assert (due and due.at) == newest
    assert (coming and coming.at) == following


def scheduled(**fields) -> Engagement:
    fields.setdefault("state", Engagement.State.ACTIVE)
    fields.setdefault("activated_at", timezone.now())
    return factories.make_engagement(trigger=Engagement.Trigger.SCHEDULE, **fields)


@pytest.mark.django_db
@pytest.mark.parametrize("stop", [transitions.pause, transitions.end])
def test_whoever_wakes_after_it_was_stopped_makes_no_run(stop):
    now = timezone.now()
    seen = scheduled(starts_at=now, activated_at=now - timedelta(days=1))
    assert stop(Engagement.objects.get())
    assert not make_due_run(seen, now)
    assert not seen.runs.exists()


@pytest.mark.django_db
def test_a_slot_gets_one_run_however_often_the_tick_comes():
    now = timezone.now()
    engagement = scheduled(
        starts_at=now - timedelta(days=2, minutes=1),
        activated_at=now - timedelta(days=3),
        repeat=Engagement.Repeat.DAILY,
    )

    assert [make_due_runs(now) for _ in range(3)] == [1, 0, 0]

    # Two days were missed: only the newest slot runs.
    run = engagement.runs.get()
    assert run.scheduled_for == now - timedelta(minutes=1)
    assert run.version_id == engagement.version_id
    assert run.values == engagement.values


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "runs"),
    [
        ({}, 1),  # no start: at activation
        ({"starts_at": timezone.now() + timedelta(hours=1)}, 0),
        ({"starts_at": timezone.now() - timedelta(hours=1)}, 1),  # once, in the past
        # A daily slot from before the activation is left out.
        (
            {
                "starts_at": timezone.now() - timedelta(hours=1),
                "repeat": Engagement.Repeat.DAILY,
            },
            0,
        ),
        ({"state": Engagement.State.PAUSED}, 0),
        ({"state": Engagement.State.DRAFT}, 0),
    ],
)
def test_which_schedules_are_due(fields, runs):
    scheduled(**fields)
    make_due_runs(timezone.now())
    assert Run.objects.count() == runs


NIGHT = datetime(2026, 10, 25, tzinfo=UTC)
MINUTES_10 = timedelta(minutes=10)
DAILY, HOURLY, WEEKLY = (
    Engagement.Repeat.DAILY,
    Engagement.Repeat.HOURLY,
    Engagement.Repeat.WEEKLY,
)
HOUR = timedelta(hours=1)


def ticks(begin: datetime, end: datetime, every: timedelta = MINUTES_10) -> None:
    """The tick, again and again, as time goes on."""
    now = begin
    while now <= end:
        make_due_runs(now)
        now += every


def run_times(engagement: Engagement) -> list[datetime]:
    runs = engagement.runs.order_by("scheduled_for")
    return list(runs.values_list("scheduled_for", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("first_tick", [0, 40, 70, 100])
def test_the_hour_that_comes_twice_has_one_run(first_tick):
    """The day before was missed: the first tick comes so many minutes after midnight.

    UTC's: the clock in Berlin shows 02:00 at 0 and at 60.
    """
    engagement = scheduled(
        starts_at=datetime(2026, 10, 20, 2, 30, tzinfo=BERLIN),
        activated_at=NIGHT - timedelta(days=9),
        repeat=DAILY,
        time_zone="Europe/Berlin",
    )
    ticks(NIGHT + first_tick * timedelta(minutes=1), NIGHT + timedelta(hours=6))

    assert run_times(engagement) == [NIGHT + timedelta(minutes=30)]


@pytest.mark.django_db
def test_a_slot_is_known_by_the_clock_and_not_by_the_moment():
    """As where a tick of the second reading came first: the name is the same."""
    engagement = scheduled(
        starts_at=datetime(2026, 10, 20, 2, 30, tzinfo=BERLIN),
        activated_at=NIGHT - timedelta(days=9),
        repeat=DAILY,
        time_zone="Europe/Berlin",
    )
    factories.make_run(
        engagement,
        scheduled_for=NIGHT + timedelta(minutes=90),
        slot="2026-10-25T02:30:00.000000",
        started_at=NIGHT - timedelta(days=2),
    )
    assert make_due_runs(NIGHT + timedelta(minutes=31)) == 0


def nine_daily(**fields) -> Engagement:
    """At nine, for two weeks; it ran yesterday, or did not."""
    fields.setdefault("starts_at", at(1, 9))
    fields.setdefault("activated_at", at(1, 8))
    fields.setdefault("repeat", DAILY)
    return scheduled(**fields)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("now", "runs"),
    [
        (at(14, 8, 58), [at(14, 9)]),  # 70 s before: the missed one is left out
        (at(14, 3, 1), [at(14, 9)]),  # less than six hours before
        (at(14, 2, 59), [at(13, 9), at(14, 9)]),
        (at(13, 9, 10), [at(13, 9), at(14, 9)]),
    ],
)
def test_a_missed_slot_never_doubles_the_next(now, runs):
    """Resumed, or the engine back, after the slot of the 13th was missed."""
    engagement = nine_daily()
    ticks(now, at(14, 12))
    assert run_times(engagement) == runs


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("repeat", "now", "runs"),
    [
        (HOURLY, at(14, 8, 50), [at(14, 9), at(14, 10)]),
        (HOURLY, at(14, 8, 40), [at(14, 8), at(14, 9), at(14, 10)]),
        (WEEKLY, at(14, 9), [at(15, 9)]),
        (WEEKLY, at(13, 9), [at(8, 9), at(15, 9)]),
    ],
)
def test_how_near_the_next_may_be(repeat, now, runs):
    engagement = nine_daily(repeat=repeat)
    end = at(14, 10, 5) if repeat == HOURLY else at(15, 10)
    ticks(now, end, MINUTES_10 / 2)
    assert run_times(engagement) == runs


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({"starts_at": at(1, 8)}, at(14, 8)),  # an hour earlier: tomorrow
        ({"starts_at": at(1, 9, 5)}, at(14, 9, 5)),  # five minutes later: tomorrow
        ({"starts_at": at(1, 17)}, at(13, 17)),  # this evening
        ({"time_zone": "Europe/Lisbon"}, at(14, 9)),
        ({"time_zone": "Asia/Tokyo"}, at(14, 9)),
        ({"repeat": WEEKLY}, at(15, 9)),
        ({"repeat": HOURLY}, at(13, 10)),
    ],
)
def test_a_changed_schedule_begins_with_its_next_slot(change, after):
    """Paused at 9:20 after the run of nine, changed, and resumed at once."""
    engagement = nine_daily()
    ticks(at(13, 8), at(13, 9, 10))
    assert run_times(engagement)[-1] == at(13, 9)
    Engagement.objects.update(**change, schedule_set_at=at(13, 9, 20))
    ticks(at(13, 9, 20), after + MINUTES_10)
    runs = [run for run in run_times(engagement) if run > at(13, 8, 30)]
    assert runs == [at(13, 9), after]


# --- Beats that come twice, late, or at another time ----------------------------------

KINDS: dict[str, dict[str, Any]] = {
    "hourly": {},
    "daily": {},
    "weekdays": {"weekdays": [0, 2, 6]},
    "weekly": {},
    "monthly": {"month_day": 31},
    "cron": {"cron": "30 2,9 * * MON,SUN"},
}
# About the night in which 02:30 is skipped.
SPRING = (at(23, 0), at(1, 0, month=4))


def spring(repeat: str, **fields) -> Engagement:
    return scheduled(
        starts_at=datetime(2026, 3, 23, 2, 30, tzinfo=BERLIN),
        activated_at=SPRING[0],
        repeat=repeat,
        time_zone="Europe/Berlin",
        **KINDS[repeat],
        **fields,
    )


def slots_of(engagement: Engagement, end: datetime = SPRING[1]) -> list[datetime]:
    coming = making.coming(engagement, SPRING[0])
    return [slot.at for slot in takewhile(lambda slot: slot.at < end, coming)]


@pytest.mark.django_db
@pytest.mark.parametrize("repeat", KINDS)
def test_two_beats_make_one_run_of_each_slot(repeat):
    engagement = spring(repeat)
    every = (4 if repeat == HOURLY else 16) * MINUTES_10
    now = SPRING[0]
    while now < SPRING[1]:
        make_due_runs(now)
        make_due_runs(now - timedelta(minutes=7))
        now += every
    assert run_times(engagement) == slots_of(engagement, now - every)


@pytest.mark.django_db
@pytest.mark.parametrize("repeat", KINDS)
def test_a_late_beat_makes_the_newest_slot_alone(repeat):
    """It comes when nine tenths of a gap are over, each time: nothing is left to do."""
    engagement = spring(repeat)
    slots = slots_of(engagement, at(5, 0, month=6))[:6]
    for slot, following in zip(slots, slots[1:], strict=False):
        late = slot + (following - slot) / 10
        assert make_due_runs(late) == 1
        assert make_due_runs(late) == 0
    assert run_times(engagement) == slots[:-1]
    assert make_due_runs(slots[-1] + timedelta(days=365)) <= 1
    assert engagement.runs.count() <= len(slots)


@pytest.mark.django_db
@pytest.mark.parametrize("repeat", KINDS)
def test_a_clock_that_jumps_doubles_no_slot(repeat):
    engagement = spring(repeat)
    slots = slots_of(engagement, at(5, 0, month=6))[:5]
    for slot, following in zip(slots, slots[1:], strict=False):
        for jump in (0.01, 0.5, -0.5, 0.7, -2, -20, 0.01):
            make_due_runs(slot + (following - slot) * jump)
    slots = slots[:-1]
    runs = run_times(engagement)
    assert set(slots) <= set(runs)
    names = list(engagement.runs.values_list("slot", flat=True))
    assert len(runs) == len(set(runs)) == len(set(names))


# --- Ends -----------------------------------------------------------------------------


@pytest.mark.django_db
def test_nothing_begins_after_the_end_and_the_engagement_ends_by_itself():
    engagement = nine_daily(ends_at=at(14, 9))
    ticks(at(12, 8), at(15, 12))
    assert run_times(engagement) == [at(12, 9), at(13, 9), at(14, 9)]
    engagement.refresh_from_db()
    assert engagement.state == "active", "its last run is at work"
    Run.objects.update(state=Run.State.COMPLETED)
    ticks(at(15, 12), at(15, 12))
    engagement.refresh_from_db()
    assert engagement.state == "ended"


@pytest.mark.django_db
def test_it_does_not_end_before_its_last_run_is_made():
    """The tick of the last slot comes late."""
    engagement = nine_daily(ends_at=at(14, 9))
    Run.objects.update(state=Run.State.COMPLETED)
    ticks(at(14, 9) + MINUTES_10, at(14, 9) + MINUTES_10)
    engagement.refresh_from_db()
    assert (run_times(engagement), engagement.state) == ([at(14, 9)], "active")


@pytest.mark.django_db
def test_one_that_was_put_off_meanwhile_does_not_end():
    engagement = nine_daily(ends_at=at(14, 9))
    seen = Engagement.objects.get()
    engagement.ends_at = timezone.now() + timedelta(days=3)
    engagement.save(update_fields=["ends_at"])
    assert not making._end(seen)
    engagement.refresh_from_db()
    assert engagement.state == "active"


@pytest.mark.django_db
def test_once_is_once_whenever_it_is_put_off_to():
    engagement = scheduled(starts_at=at(13, 9), activated_at=at(13, 8))
    ticks(at(13, 8), at(13, 9, 30))
    Engagement.objects.update(starts_at=at(13, 12), schedule_set_at=at(13, 11))
    ticks(at(13, 11), at(13, 13))
    assert run_times(engagement) == [at(13, 9)]


@pytest.mark.django_db
def test_a_daily_one_that_becomes_once_has_one_more_at_its_time():
    engagement = nine_daily()
    ticks(at(13, 8), at(13, 9, 10))
    Engagement.objects.update(
        repeat="once", starts_at=at(16, 9), schedule_set_at=at(13, 11)
    )
    completion.finish()
    ticks(at(13, 11), at(17, 9))
    assert run_times(engagement)[-2:] == [at(13, 9), at(16, 9)]


@pytest.mark.django_db
def test_a_zone_that_nobody_knows_stops_its_own_engagement_alone():
    broken = nine_daily(time_zone="Mars/Olympus")
    engagement = nine_daily()
    with pytest.raises(ZoneInfoNotFoundError):
        make_due_runs(at(13, 9))
    assert run_times(engagement) == [at(13, 9)]
    assert run_times(broken) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "now", "said"),
    [
        ("active", at(13, 10), "Next run: 14 March 2026 at 09:00 (UTC)."),
        (
            "paused",
            at(14, 8, 59),
            "If you resume it now: the missed run of 13 March 2026 at 09:00 (UTC) is "
            "left out, because the next one is near. Next run: 14 March 2026 at 09:00 "
            "(UTC).",
        ),
        (
            "paused",
            at(13, 9, 30),
            "If you resume it now: the missed run of 13 March 2026 at 09:00 (UTC) goes "
            "out now. Next run: 14 March 2026 at 09:00 (UTC).",
        ),
        ("ended", at(13, 9, 30), ""),
    ],
)
def test_the_page_says_what_it_will_do(state, now, said):
    engagement = nine_daily(state=state)
    if state == "active":
        make_due_runs(now)
    assert words.in_words(engagement, now) == said


@pytest.mark.django_db
def test_what_was_missed_goes_out_beside_the_run_that_is_approved():
    engagement = nine_daily(state="paused")
    factories.make_approval(engagement, run=factories.make_run(engagement))
    now = at(13, 9, 30)
    assert words.in_words(engagement, now).startswith(
        "If it is approved now: the missed run of 13 March 2026 at 09:00 (UTC) goes out"
        " now, too. Next run: 14 March"
    )


BIRTHDAY = {"attribute": "born", "is": "anniversary_in", "value": 0, "zone": "UTC"}


@pytest.mark.django_db
@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize(
    "beside", [None, {"attribute": "x", "is": "in_last_days", "value": 3}]
)
def test_a_run_waits_until_the_day_is_counted(is_nested, beside):
    """After an outage over midnight, or while others are counted: no one is a day late."""
    now = timezone.now()
    rule = {"any": [BIRTHDAY, beside]} if beside else BIRTHDAY
    segment = born = factories.make_segment(rule=rule)
    if is_nested:
        segment = factories.make_segment(
            rule={"segment": born.pk}, reads_segments=[born.pk]
        )
    long_ago = now - timedelta(days=1)
    Segment.objects.update(refreshed_at=now, updated_at=long_ago)
    Segment.objects.filter(pk=born.pk).update(refreshed_at=long_ago)
    engagement = scheduled(
        segment=segment, starts_at=now - timedelta(hours=1), activated_at=long_ago
    )
    assert make_due_runs(now) == 0
    refresh.refresh_due(now)
    assert make_due_runs(now) == 1
    assert engagement.runs.count() == 1


@pytest.mark.django_db
def test_a_run_does_not_wait_for_a_segment_that_cannot_be_counted():
    now = timezone.now()
    segment = factories.make_segment(rule=BIRTHDAY, problem="Counting takes too long.")
    Segment.objects.update(refreshed_at=now - timedelta(days=2))
    scheduled(segment=segment, starts_at=now, activated_at=now - timedelta(days=3))
    assert make_due_runs(now) == 1
