"""How delivery is doing, out of rows that workers, ticks and answers left."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Thread

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from engagements import tick
from engagements.delivery import loop, samples
from engagements.delivery.samples import MINUTES
from engagements.lifecycle import transitions
from engagements.models import (
    Attempt,
    Batch,
    Destination,
    Engagement,
    Run,
    Sample,
    Worker,
)
from engagements.operations import alarms, chart, status
from engagements.operations.types import Cause
from engagements.throttling import rate_limit
from lemnisk_braze.lib.pages.chart import nice
from tests import factories
from tests.doubles import sessions
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

State = Engagement.State


def ago(**span) -> datetime:
    return timezone.now() - timedelta(**span)


def waiting(people=3, **fields) -> Batch:
    """A batch that is due, of an engagement that is active."""
    engagement = factories.make_engagement(state=fields.pop("engagement", "active"))
    run = factories.make_run(engagement, state=Run.State.SENDING)
    fields.setdefault("next_attempt_at", ago(minutes=2))
    fields.setdefault("created_at", ago(minutes=3))
    return factories.make_batch(run, people, **fields)


def set_plan(batch: Batch, **fields) -> None:
    plan = batch.run.version.connection
    for name, value in fields.items():
        setattr(plan, name, value)
    plan.save()


def sent(batch: Batch, count=1, **fields) -> None:
    fields.setdefault("started_at", ago(seconds=2))
    for _ in range(count):
        factories.make_attempt(batch, **fields)


def ticked(**span) -> None:
    at = ago(**span)
    Sample.objects.create(
        at=at,
        since=at,
        until=at,
        people=0,
        requests=0,
        waiting_people=0,
        waiting_batches=0,
    )


def at_work() -> None:
    Worker.objects.create(name="host:2", node="celery@host:1")


# --- What waits -----------------------------------------------------------------


def test_nothing_waits():
    now = status.read()
    assert (now.people, now.backlogs, now.doubts, now.leases) == (0, (), (), ())
    assert now.limit.cause is Cause.NOTHING


def test_a_backlog_counts_people_batches_and_the_oldest():
    batch = waiting(people=3)
    factories.make_batch(batch.run, 2, state="retry", next_attempt_at=ago(hours=-1))
    factories.make_batch(batch.run, 4, state="done", delivery_state="sent")

    (backlog,) = status.read().backlogs

    assert (backlog.people, backlog.batches, backlog.due) == (5, 2, 1)
    assert (backlog.retries, backlog.retry_at) == (1, backlog.last_retry_at)
    assert backlog.oldest_at == batch.created_at


def test_uncertain_people_are_counted_by_engagement():
    batch = waiting(people=2, state="uncertain", delivery_state="uncertain")
    (doubt,) = status.read().doubts
    assert (doubt.name, doubt.batches, doubt.people) == (
        batch.run.engagement.name,
        1,
        2,
    )


def test_rates_count_those_who_were_taken_in_each_window():
    batch = waiting(people=3)
    sent(batch)
    sent(batch, started_at=ago(seconds=40))
    sent(batch, started_at=ago(minutes=3))
    sent(batch, started_at=ago(minutes=9))
    sent(batch, outcome=Attempt.Outcome.NOT_SENT)

    found = {rate.seconds: rate for rate in status.read().rates}

    assert {s: (r.people, r.requests) for s, r in found.items()} == {
        10: (3, 2),
        60: (6, 3),
        300: (9, 4),
    }
    assert found[10].people_a_second == 0.3


def test_leases_name_the_process_that_has_the_batches():
    token = {"lease_token": uuid.uuid4(), "lease_until": ago(minutes=-1)}
    batch = waiting(people=2, state="sending", **token)
    sent(batch, outcome="unfinished", duration_ms=None, worker="host:7")
    waiting(people=1, state="leased", **token)

    leases = status.read().leases

    assert [(le.worker, le.batches, le.people) for le in leases] == [
        ("", 1, 1),
        ("host:7", 1, 2),
    ]
    assert not any(lease.is_over for lease in leases)


# --- What limits it -------------------------------------------------------------


def limit():
    return status.read().limit


def test_no_worker_takes_what_is_due():
    waiting()
    assert limit().cause is Cause.NO_WORKER


def test_all_workers_are_busy():
    waiting()
    at_work()
    found = limit()
    assert found.cause is Cause.WORKERS_BUSY
    assert "1 batch is due" in found.evidence


def test_what_was_due_a_moment_ago_is_on_its_way():
    waiting(next_attempt_at=ago(seconds=1))
    at_work()
    assert limit().cause is Cause.ON_ITS_WAY


def test_the_rate_plan_is_used_up_by_the_second():
    batch = waiting()
    set_plan(batch, requests_per_burst=2, burst_seconds=1)
    sent(batch, count=20)
    found = limit()
    assert found.cause is Cause.RATE_PLAN
    assert "2.0 requests a second" in found.evidence


def test_the_rate_plan_is_used_up_by_the_hour():
    batch = waiting()
    set_plan(batch, requests_per_hour=1)
    assert rate_limit.take(batch.run.version.connection_id, 1).granted == 1
    assert limit().cause is Cause.RATE_PLAN


def test_what_was_given_back_waits_for_the_rate_plan():
    waiting(next_attempt_at=ago(seconds=-2))
    at_work()
    assert limit().cause is Cause.RATE_PLAN


def test_the_other_side_asked_us_to_wait():
    batch = waiting()
    Destination.objects.create(connection=batch.run.version.connection)
    rate_limit.close(batch.run.version.connection_id, timedelta(minutes=1))
    found = limit()
    assert found.cause is Cause.ASKED_TO_WAIT
    assert batch.run.version.connection.name in found.text


@pytest.mark.parametrize(
    ("blocked", "words"), [(1, "is left alone until"), (-1, "is being tried")]
)
def test_a_connection_that_fails_is_left_alone(blocked, words):
    ticked(seconds=5)
    batch = waiting()
    Destination.objects.create(
        connection=batch.run.version.connection,
        times_opened=1,
        failures_in_a_row=5,
        blocked_until=ago(minutes=-blocked),
        last_problem="connection refused",
        last_problem_at=ago(seconds=9),
    )
    found = limit()
    assert found.cause is Cause.BREAKER_OPEN
    assert words in found.text
    assert "5 failures in a row" in found.evidence
    assert "connection refused" in found.evidence
    assert alarm_names() == ["breaker"]


def test_everything_waits_for_its_next_attempt():
    waiting(state="retry", next_attempt_at=ago(minutes=-5))
    assert limit().cause is Cause.RETRYING


@pytest.mark.parametrize(
    ("state", "cause"), [("paused", Cause.PAUSED), ("blocked", Cause.STOPPED)]
)
def test_an_engagement_that_is_not_active_holds_its_people(state, cause):
    waiting(engagement=state)
    assert limit().cause is cause


def test_who_is_active_is_named_before_who_is_paused():
    waiting(people=9, engagement="paused")
    waiting(people=1)
    assert limit().cause is Cause.NO_WORKER


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_waited_for_is_the_databases():
    batch = waiting()
    at_work()
    with waited_for_lock(batch.run.engagement_id):
        now = status.read()
    assert now.limit.cause is Cause.DATABASE
    assert now.database.waiting_for_locks == 1


@pytest.mark.django_db(transaction=True)
def test_who_waits_in_another_database_holds_nothing_back():
    """The server may have several."""
    waiting()
    at_work()
    with waited_for_elsewhere():
        now = status.read()
    assert now.limit.cause is Cause.WORKERS_BUSY
    assert now.database.waiting_for_locks == 0


@contextmanager
def waited_for_elsewhere() -> Iterator[None]:
    """One session of another database waits for another, for more than a second."""
    holder, waiter = (sessions.a_session(dbname="postgres") for _ in range(2))
    thread = Thread(target=waiter.execute, args=["SELECT pg_advisory_lock(7)"])
    with holder, waiter:
        holder.execute("SELECT pg_advisory_lock(7)")
        thread.start()
        try:
            pid = waiter.info.backend_pid
            wait_until(lambda: sessions.waits_for(pid) > 1.1, "a long wait")
            yield
        finally:
            holder.execute("SELECT pg_advisory_unlock(7)")
            thread.join()


@contextmanager
def waited_for_lock(engagement_id: int) -> Iterator[None]:
    """Somebody has locked an engagement, and somebody else waits for it."""

    def wait() -> None:
        Engagement.objects.filter(pk=engagement_id).update(description="later")
        connection.close()

    # A session of its own: within a transaction the statistics stand still.
    holder = connection.copy()
    waiter = Thread(target=wait)
    try:
        with holder.cursor() as cursor:
            cursor.execute(
                "BEGIN; SELECT FROM engagements_engagement WHERE id = %s FOR UPDATE",
                [engagement_id],
            )
        waiter.start()
        wait_until(lambda: status.read().database.waiting_for_locks == 1, "the wait")
        yield
    finally:
        holder.close()
    waiter.join()


# --- The heartbeat, the picture -----------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_tick_leaves_its_heartbeat_and_what_was_sent(braze):
    engagement = factories.make_engagement(
        factories.make_segment(80),
        factories.make_version(connection=braze),
        trigger=Engagement.Trigger.SCHEDULE,
    )
    transitions.activate(engagement)
    loop.work()
    Attempt.objects.update(started_at=ago(seconds=3))

    assert tick.tick()

    sample = Sample.objects.get()
    assert (sample.people, sample.requests) == (80, 2)
    assert (sample.waiting_people, sample.waiting_batches) == (0, 0)
    assert status.read().tick_age < timedelta(seconds=30)
    assert [alarm.name for alarm in status.read().alarms] == []


@pytest.mark.django_db(transaction=True)
def test_a_tick_comes_though_every_worker_is_at_work():
    """Beat's own wait in line behind the work, and expire there."""
    assert tick.tick_if_late()
    assert not tick.tick_if_late()
    Sample.objects.update(at=ago(seconds=16))
    assert tick.tick_if_late()
    assert Sample.objects.count() == 2


def test_each_request_is_in_one_sample_however_late_its_answer_comes():
    batch = waiting(state="sending", lease_until=ago(minutes=-1))
    ticked(seconds=20)
    slow = factories.make_attempt(
        batch, outcome="unfinished", duration_ms=None, started_at=ago(seconds=10)
    )
    sent(batch, started_at=ago(seconds=5))

    samples.take()
    Attempt.objects.filter(pk=slow.pk).update(outcome="sent", duration_ms=9_000)
    samples.take()

    taken = Sample.objects.order_by("pk").values_list("people", "requests")
    assert list(taken) == [(0, 0), (0, 0), (6, 2)]


def test_samples_of_yesterday_are_dropped():
    ticked(hours=25)
    ticked(hours=23)
    samples.take()
    assert Sample.objects.count() == 2


START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def sample(since, until, people, at=None, waiting=0) -> Sample:
    return Sample(
        at=START + timedelta(seconds=at if at is not None else until),
        since=START + timedelta(seconds=since),
        until=START + timedelta(seconds=until),
        people=people,
        requests=0,
        waiting_people=waiting,
        waiting_batches=0,
    )


def test_a_sample_is_spread_over_the_minutes_that_it_is_about():
    found = samples.minutes(
        [sample(-30, 30, 40), sample(30, 180, 100, waiting=7)], START
    )
    assert [round(m.people, 6) for m in found[:4]] == [40, 40, 40, 0]
    assert [m.waiting for m in found[:5]] == [0, None, None, 7, None]
    assert len(found) == MINUTES


def test_people_of_the_hour_are_neither_lost_nor_doubled():
    spans = [sample(15 * n, 15 * (n + 1), 10) for n in range(4 * MINUTES)]
    found = samples.minutes(spans, START)
    assert sum(m.people for m in found) == pytest.approx(10 * 4 * MINUTES)


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (1.4, 2), (3, 5), (10, 10), (730_000, 1_000_000)]
)
def test_a_scale_ends_at_a_round_number(most, top):
    assert nice(most) == top


def test_a_gap_in_the_ticks_is_a_gap_in_the_picture():
    looked = [sample(0, 0, 0, waiting=5), sample(120, 120, 0, waiting=5)]
    picture = chart.draw(samples.minutes(looked, START))
    assert picture.areas == ["0,100 0,0 10,0 10,100", "20,100 20,0 30,0 30,100"]


# --- Alarms ---------------------------------------------------------------------


def alarm_names() -> list[str]:
    return [alarm.name for alarm in status.read().alarms]


def test_a_tick_older_than_a_minute_is_an_alarm():
    assert alarm_names() == ["tick"]
    ticked(seconds=70)
    assert alarm_names() == ["tick"]
    ticked(seconds=5)
    assert alarm_names() == []


def test_no_worker_and_a_stopped_engagement_are_alarms():
    ticked(seconds=5)
    waiting()
    waiting(engagement="blocked")
    assert alarm_names() == ["worker", "stopped"]


# --- The command, the page ------------------------------------------------------------


def delivery_status(*arguments: str) -> tuple[str, int]:
    out = StringIO()
    code = 0
    try:
        call_command("delivery_status", *arguments, stdout=out)
    except SystemExit as e:
        code = int(e.code or 0)
    return out.getvalue(), code


def test_the_command_ends_with_1_when_an_alarm_is_on():
    batch = waiting()
    text, code = delivery_status()
    assert code == 1
    assert "ALARM tick" in text and "ALARM worker" in text
    assert batch.run.engagement.name in text

    Batch.objects.update(state="done")
    ticked(seconds=5)
    text, code = delivery_status()
    assert (code, "ALARM" in text) == (0, False)


def test_the_command_tells_a_program_the_same():
    batch = waiting(people=4)
    at_work()
    text, code = delivery_status("--json")
    values = json.loads(text)
    assert code == 1
    assert values["backlogs"][0]["people"] == 4
    assert values["backlogs"][0]["name"] == batch.run.engagement.name
    assert values["limit"]["cause"] == "all workers busy"
    assert [alarm["name"] for alarm in values["alarms"]] == ["tick", "standstill"]
    assert values["tick_age_seconds"] is None


def test_the_page_shows_what_the_command_says(admin_page):
    batch = waiting(people=4)
    waiting(people=2, state="uncertain", delivery_state="uncertain")
    at_work()
    samples.take()
    page = admin_page.get(reverse("admin:engagements_operations"))
    text = page.content.decode()
    assert batch.run.engagement.name in text
    assert "All workers are busy: add a worker." in text
    assert "celery@host:1" in text
    assert "The same as a table" in text


def test_the_page_says_so_where_there_is_nothing(admin_page):
    text = admin_page.get(reverse("admin:engagements_operations")).content.decode()
    for words in ("Nobody is waiting", "Nobody’s answer was lost", "no connection yet"):
        assert words in text


def test_the_page_asks_the_same_number_of_questions_for_any_backlog(
    django_assert_max_num_queries,
):
    for _ in range(5):
        waiting()
    with django_assert_max_num_queries(15):
        status.read()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7_199, "119 minutes"),
        (7_200, "2 hours"),
    ],
)
def test_an_age_is_said_in_words(seconds, words):
    assert alarms.in_words(timedelta(seconds=seconds)) == words
