"""A schedule in each person's own zone: one run a slot, each person by their own clock."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.urls import reverse

from engagements.audience import expansion
from engagements.lifecycle import completion, transitions
from engagements.models import Batch, Delivery, Engagement, Run
from engagements.schedules import making, own_zone, words
from engagements.schedules.making import make_due_runs
from tests import factories
from tests.faults import invariants, working
from tests.pages import words as page_words

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
ZONES = {
    "kiritimati": "Pacific/Kiritimati",
    "tokyo": "Asia/Tokyo",
    "berlin": "Europe/Berlin",
    "lima": "America/Lima",
    "honolulu": "US/Hawaii",
    "last": "Etc/GMT+12",
}
# All of them bad in a way of their own: they go by the engagement's zone (TRAPS 21).
NONE = {"nothing": None, "empty": "", "label": "(GMT-08:00) Pacific", "list": ["Asia/Tokyo"], "number": 9}  # fmt: skip


def on(day: int, hour: int, zone: str = "UTC", month: int = 6) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.fixture
def people():
    return {
        name: factories.make_profile(
            external_id=name, first_name=name, **({} if zone is None else {"tz": zone})
        )
        for name, zone in {**ZONES, **NONE}.items()
    }


@pytest.fixture
def daily(braze, people):
    """Each day at nine, where each person is; active since the 1st at 00:00 UTC."""

    def make(**fields) -> Engagement:
        fields.setdefault("repeat", "daily")
        fields.setdefault("starts_at", on(1, 9, "Europe/Madrid"))
        fields.setdefault("activated_at", on(1, 0))
        fields.setdefault("time_zone", "Europe/Madrid")
        if "segment" not in fields:
            fields["segment"] = factories.make_segment(people.values())
        return factories.make_engagement(
            version=factories.make_version(connection=braze),
            trigger="schedule",
            state="active",
            zone_attribute="tz",
            **fields,
        )

    return make


def expand() -> None:
    while expansion.expand(expansion.expandable_runs()):
        pass


def due(run: Run, people) -> dict[str, datetime]:
    names = {person.pk: name for name, person in people.items()}
    return {
        names[id]: batch.next_attempt_at
        for batch in run.batches.all()
        for id in batch.profile_ids
    }


def test_a_run_is_made_when_the_first_place_reaches_the_time(daily):
    engagement = daily()
    first = on(9, 9, "Pacific/Kiritimati")
    factories.make_run(engagement, slot="2026-06-08T09:00:00.000000", scheduled_for=first - 24 * HOUR)  # fmt: skip
    assert make_due_runs(first - HOUR / 60) == 0
    assert make_due_runs(first) == 1
    assert make_due_runs(first + HOUR) == 0
    run = engagement.runs.latest("pk")
    assert (run.slot, run.scheduled_for) == ("2026-06-09T09:00:00.000000", first)


def test_each_person_is_due_when_their_own_clock_shows_it(daily, people):
    engagement = daily()
    make_due_runs(on(9, 9, "Pacific/Kiritimati"))
    expand()
    expected = {name: on(9, 9, zone) for name, zone in ZONES.items()}
    expected |= dict.fromkeys(NONE, on(9, 9, "Europe/Madrid"))
    run = engagement.runs.get()
    assert due(run, people) == expected
    # Berlin has the time of Madrid.
    sizes = Counter(len(batch.profile_ids) for batch in run.batches.all())
    assert sizes == {1: 5, 6: 1}


def test_every_zone_that_there_is_has_its_time(daily):
    """Also where clocks skip it, or show it twice, in that night."""
    zones = sorted(available_timezones())
    members = [factories.make_profile(tz=zone) for zone in zones]
    engagement = daily(
        segment=factories.make_segment(members),
        starts_at=datetime(2026, 3, 29, 2, 30, tzinfo=UTC),
        time_zone="UTC",
        activated_at=on(28, 12, month=3),
    )  # fmt: skip
    make_due_runs(datetime(2026, 3, 28, 12, 30, tzinfo=UTC))
    expand()
    names = dict(zip((m.pk for m in members), zones, strict=True))
    found = {
        names[id]: batch.next_attempt_at
        for batch in engagement.runs.get().batches.all()
        for id in batch.profile_ids
    }
    reading = datetime(2026, 3, 29, 2, 30)
    for zone, at in found.items():
        local = at.astimezone(ZoneInfo(zone))
        is_skipped = local.replace(tzinfo=None) != reading
        before = (at - 24 * HOUR).astimezone(ZoneInfo(zone))
        forward = local.utcoffset() - before.utcoffset()
        assert local.replace(tzinfo=None) - forward * is_skipped == reading, zone
        assert not is_skipped or forward > timedelta(0), zone
    assert found.keys() == set(zones)


def test_for_whom_it_is_over_at_the_activation_the_next_one_counts(daily, people):
    engagement = daily(activated_at=on(9, 10))
    make_due_runs(on(9, 10))
    expand()
    run = engagement.runs.get()
    assert set(due(run, people)) == {"lima", "honolulu", "last"}
    assert run.own_time_over == 8
    assert run.repeats_left_out == 0
    make_due_runs(on(10, 9, "Pacific/Kiritimati"))
    expand()
    assert due(engagement.runs.latest("pk"), people).keys() == people.keys()


def test_after_a_change_in_the_middle_nobody_is_sent_for_before(daily, people):
    engagement = daily(schedule_set_at=on(9, 10))
    make_due_runs(on(9, 10))
    expand()
    assert set(due(engagement.runs.get(), people)) == {"lima", "honolulu", "last"}


def test_who_was_missed_in_an_outage_is_sent_late_and_not_soon_before_the_next(
    daily, people
):
    """Back when it is half past three of the next morning in Tokyo: nine is near."""
    engagement = daily()
    make_due_runs(on(9, 18) + HOUR / 2)
    expand()
    assert set(due(engagement.runs.get(), people)) == {
        *(people.keys() - {"kiritimati", "tokyo"})
    }


def test_once_it_is_at_once_for_whom_it_is_over(daily, people):
    engagement = daily(
        repeat="once", starts_at=on(9, 9, "Europe/Madrid"), activated_at=on(9, 10)
    )
    make_due_runs(on(9, 10))
    expand()
    run = engagement.runs.get()
    assert due(run, people).keys() == people.keys()
    assert run.own_time_over == 0


def test_a_run_keeps_what_it_was_made_with(daily, people):
    engagement = daily()
    make_due_runs(on(9, 9, "Pacific/Kiritimati"))
    Engagement.objects.update(zone_attribute="other", time_zone="Asia/Kolkata")
    expand()
    assert due(engagement.runs.get(), people)["tokyo"] == on(9, 9, "Asia/Tokyo")


def test_who_was_sent_already_is_left_out(daily, people):
    engagement = daily(again="once")
    run = factories.make_run(engagement, scheduled_for=on(7, 9), state="completed")
    factories.make_delivery(people["lima"], run)
    make_due_runs(on(9, 9, "Pacific/Kiritimati"))
    expand()
    run = engagement.runs.latest("pk")
    assert due(run, people).keys() == people.keys() - {"lima"}
    assert (run.repeats_left_out, run.own_time_over) == (1, 0)


def test_chunks_of_which_nobody_is_due_do_not_end_the_run(daily, people, monkeypatch):
    monkeypatch.setattr(expansion, "CHUNK", 2)
    engagement = daily(activated_at=on(9, 10))
    make_due_runs(on(9, 10))
    expand()
    assert set(due(engagement.runs.get(), people)) == {"lima", "honolulu", "last"}


def test_each_is_sent_once_and_the_run_waits_for_the_last(daily, people, sandbox):
    engagement = daily()
    make_due_runs(on(9, 9, "Pacific/Kiritimati"))
    expand()
    run = engagement.runs.get()
    future = on(9, 9, month=12) + timedelta(days=3650)
    late = run.batches.order_by("-next_attempt_at").first()
    Batch.objects.filter(pk=late.pk).update(next_attempt_at=future)
    working.once()
    assert set(invariants.received(sandbox)) == people.keys() - {"last"}
    completion.finish()
    run.refresh_from_db()
    assert run.state == "sending"

    transitions.pause(engagement)
    Batch.objects.filter(pk=late.pk).update(next_attempt_at=on(9, 9))
    working.once()
    assert "last" not in invariants.received(sandbox)
    transitions.resume(engagement)
    working.to_the_end(engagement)
    assert invariants.received(sandbox) == Counter(people.keys())
    run.refresh_from_db()
    assert run.state == "completed"
    assert Delivery.objects.filter(state="sent").count() == len(people)


def test_who_waits_for_their_time_is_cancelled_with_the_run(daily, people, sandbox):
    engagement = daily()
    make_due_runs(on(9, 9, "Pacific/Kiritimati"))
    expand()
    transitions.cancel(engagement.runs.get())
    working.once()
    assert not invariants.received(sandbox)
    assert Delivery.objects.filter(state="cancelled").count() == len(people)


def test_a_daily_one_has_a_run_a_day_for_everybody_over_a_week(daily, people):
    engagement = daily()
    now = on(1, 0)
    while now < on(8, 0):
        make_due_runs(now)
        now += HOUR / 2
    expand()
    runs = engagement.runs.order_by("pk")
    assert [run.slot[:10] for run in runs] == [f"2026-06-0{day}" for day in range(1, 9)]
    times = Counter(name for run in runs for name in due(run, people))
    assert set(times.values()) == {8, 7}, times


def test_the_end_waits_for_the_last_place(daily):
    engagement = daily(ends_at=on(3, 9, "Europe/Madrid"))
    now = on(1, 0)
    while now < on(5, 0):
        make_due_runs(now)
        now += HOUR
    slots = [run.slot[:10] for run in engagement.runs.order_by("pk")]
    assert slots == ["2026-06-01", "2026-06-02", "2026-06-03"]
    engagement.refresh_from_db()
    assert engagement.state == "active"
    Run.objects.update(state="completed")
    make_due_runs(on(5, 0))
    engagement.refresh_from_db()
    assert engagement.state == "ended"


def test_whose_zone_is_not_known_is_counted(daily):
    engagement = daily()
    found = own_zone.unknown_zones(engagement)
    assert found == own_zone.Unknown(missing=2, unknown=3)


def test_the_page_says_what_it_will_do(daily):
    engagement = daily()
    make_due_runs(on(9, 12))
    assert words.in_words(engagement, on(9, 12)) == (
        "Next run: 10 June 2026 at 09:00 in each person’s own zone."
    )
    assert next(making.coming(engagement, on(9, 12))).at == on(9, 19)


# --- People of a day --------------------------------------------------------------------

BORN = {"attribute": "born", "is": "anniversary_in", "value": 0, "zone": "Europe/Berlin"}  # fmt: skip


@pytest.mark.parametrize("is_nested", [False, True])
def test_it_is_said_when_people_of_a_day_are_taken_in(daily, admin_page, is_nested):
    """Nine o'clock of the 10th is reached when it is the evening before in Berlin."""
    segment = born = factories.make_segment(rule=BORN, name="Birthday")
    if is_nested:
        segment = factories.make_segment(
            rule={"segment": born.pk}, reads_segments=[born.pk]
        )
    engagement = daily(segment=segment)
    assert words.taken_in_by_day(engagement, on(9, 12)) == "Tue 9 Jun 2026, 21:00 CEST"

    Engagement.objects.update(state="draft", activated_at=None)
    said = page_words(admin_page.get(activation(engagement)))
    assert "changes when a day begins. The next run takes in who is in it on" in said
    assert "who has left the segment by then is skipped. For what is about" in said


@pytest.mark.parametrize("why_not", ["a zone for all", "a segment of no day"])
def test_of_others_nothing_of_the_kind_is_said(daily, admin_page, why_not):
    is_of_all = why_not == "a zone for all"
    segment = factories.make_segment(rule=BORN) if is_of_all else factories.make_segment()  # fmt: skip
    engagement = daily(segment=segment)
    Engagement.objects.update(state="draft", zone_attribute="" if is_of_all else "tz")
    said = page_words(admin_page.get(activation(engagement)))
    assert "when a day begins" not in said
    # Who enters the segment later than that is not sent at this time.
    taken_in = "when the first place on Earth reaches the time, 14 hours ahead of UTC"
    assert (taken_in in said) is not is_of_all


def activation(engagement: Engagement) -> str:
    return reverse("admin:engagements_engagement_activate", args=[engagement.pk])
