"""Pause all, drain a worker, try again now, settle in bulk: page and commands alike."""

import os
import signal
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from engagements.delivery import claims, loop
from engagements.lifecycle import pause_all, transitions
from engagements.models import Batch, Delivery, Engagement, Run, Worker
from engagements.outbox import workers
from tests import factories

pytestmark = pytest.mark.django_db

State = Engagement.State


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch):
    """No other test's look at the drain mark is remembered, and none of these."""
    monkeypatch.setattr(workers, "_checked_at", float("-inf"))
    monkeypatch.setattr(workers, "_drains", False)
    monkeypatch.setattr(workers, "EVERY", 0.0)


def engagement(state="active", people=2, **fields) -> Engagement:
    made = factories.make_engagement(state=state, **fields)
    run = factories.make_run(made, state=Run.State.SENDING)
    factories.make_batch(run, people)
    return made


def uncertain(people=2, run_state=Run.State.SENDING, **fields) -> Batch:
    run = factories.make_run(factories.make_engagement(state="active"), state=run_state)
    return factories.make_batch(
        run, people, state="uncertain", delivery_state="uncertain", **fields
    )


def waiting_to_retry(people=2, **fields) -> Batch:
    run = factories.make_run(factories.make_engagement(state="active"), state="sending")
    later = timezone.now() + timedelta(hours=1)
    return factories.make_batch(
        run, people, state="retry", next_attempt_at=later, **fields
    )


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def url(name: str, *arguments: object) -> str:
    return reverse(f"admin:engagements_{name}", args=arguments)


def states(*engagements: Engagement) -> list[str]:
    for each in engagements:
        each.refresh_from_db()
    return [each.state for each in engagements]


# --- Pause all, resume all ------------------------------------------------------


def test_resume_all_resumes_just_what_pause_all_paused():
    active, paused, draft = engagement(), engagement("paused"), engagement("draft")

    assert pause_all.pause_all() == [active]
    assert states(active, paused, draft) == ["paused", "paused", "draft"]

    assert pause_all.resume_all() == [active]
    assert states(active, paused, draft) == ["active", "paused", "draft"]
    assert pause_all.held() == []


@pytest.mark.parametrize(
    "act", [lambda e: transitions.resume(e) and transitions.pause(e), transitions.end]
)
def test_what_somebody_decided_meanwhile_stays(act):
    one, other = engagement(), engagement()
    pause_all.pause_all()
    act(one)
    before = states(one)

    assert pause_all.resume_all() == [other]
    assert states(one) == before


def test_pause_all_is_honoured_by_the_claim(braze):
    one = engagement()
    assert len(claims.claim(10)) == 1
    Batch.objects.update(state="pending")
    pause_all.pause_all()
    assert claims.claim(10) == []
    assert pause_all.people_waiting([one]) == 2


def test_the_pages_ask_with_the_number_and_leave_a_trace(admin_page):
    one, two = engagement(people=3), engagement(people=4)

    asked = admin_page.get(url("pause_all")).content.decode()
    assert "2 Engagements with 7 people in line" in asked
    assert states(one, two) == ["active", "active"]

    admin_page.post(url("pause_all"))
    assert states(one, two) == ["paused", "paused"]
    shown = admin_page.get(url("operations")).content.decode()
    assert "“Pause all” has paused 2 Engagements" in shown
    history = reverse("admin:engagements_engagement_history", args=[one.pk])
    assert "Paused by “Pause all”" in admin_page.get(history).content.decode()

    assert "2 Engagements with 7 people" in (
        admin_page.get(url("resume_all")).content.decode()
    )
    admin_page.post(url("resume_all"))
    assert states(one, two) == ["active", "active"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pause_all", "No Engagement is active"),
        ("resume_all", "has paused no Engagement"),
        ("retry_now", "No batch waits"),
    ],
)
def test_a_page_with_nothing_to_do_says_so_and_has_no_button(admin_page, name, words):
    text = admin_page.get(url(name)).content.decode()
    assert words in text
    assert "lb-button--danger" not in text


def test_the_commands_do_the_same():
    one = engagement(people=3)
    assert "1 engagement; 3 people" in run("pause_all", "--yes")
    assert states(one) == ["paused"]
    assert "1 engagement" in run("resume_all", "--yes")
    assert states(one) == ["active"]
    assert "nothing to resume" in run("resume_all", "--yes")


def test_a_command_without_a_terminal_does_nothing_unless_told():
    one = engagement()
    with pytest.raises(CommandError, match="--yes"):
        run("pause_all")
    assert states(one) == ["active"]


# --- Drain ----------------------------------------------------------------------


def test_a_drained_process_takes_no_more(braze):
    made = engagement()
    assert not workers.is_draining()
    (node,) = workers.named(workers.process_name())
    assert workers.drain([node]) == 1

    assert loop.work(timedelta(seconds=5)), "work remains, for others"

    assert Batch.objects.get(run__engagement=made).state == "pending"


@pytest.mark.parametrize("seconds", [0, 5])
def test_whoever_is_asked_to_end_or_has_no_time_left_passes_entries_on(braze, seconds):
    """Who entered while a worker was at work woke nobody."""
    made = factories.make_engagement(
        factories.make_segment(3),
        factories.make_version(connection=braze),
        trigger=Engagement.Trigger.SCHEDULE,
    )
    transitions.activate(made)
    if seconds:
        assert not workers.is_draining()
        workers.drain(workers.named(workers.process_name()))

    assert loop.work(timedelta(seconds=seconds)), "work remains, for others"

    assert not Batch.objects.filter(run__engagement=made).exists()


def test_a_drained_worker_is_told_to_end_as_by_sigterm(monkeypatch):
    """Its main process is this one, as in a pool's child before the first look."""
    monkeypatch.setattr(workers, "_main_pid", 0)
    monkeypatch.setattr(workers, "_node", "")
    workers.begin("celery@here")
    got = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
    try:
        assert not workers.is_draining()
        workers.drain([f"celery@here:{os.getpid()}"])
        assert workers.is_draining()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert got == [signal.SIGTERM]


def test_a_process_that_is_forked_after_the_drain_was_asked_for_drains_too(monkeypatch):
    monkeypatch.setattr(workers, "_node", "celery@there:7")
    Worker.objects.create(
        name="there:8", node="celery@there:7", drain_asked_at=timezone.now()
    )
    assert workers._check_in()


def test_a_worker_that_started_anew_does_not_drain(monkeypatch):
    """The same process number, another worker."""
    monkeypatch.setattr(workers, "_node", "celery@there:9")
    Worker.objects.create(
        name=workers.process_name(),
        node="celery@there:7",
        drain_asked_at=timezone.now(),
    )
    assert not workers._check_in()


def test_the_drain_command_names_workers_by_a_part_of_their_name():
    Worker.objects.create(name="one:8", node="celery@one:7")
    Worker.objects.create(name="two:8", node="celery@two:7")
    assert "celery@one:7" in run("drain_worker")
    assert "Asked: 1 process" in run("drain_worker", "one", "--yes")
    drains = Worker.objects.exclude(drain_asked_at=None).values_list("node", flat=True)
    assert list(drains) == ["celery@one:7"]
    with pytest.raises(CommandError, match="No worker is named"):
        run("drain_worker", "three", "--yes")


@pytest.mark.parametrize(
    ("permissions", "status"),
    [(("engagements.view_run",), 403), (("engagements.operate_delivery",), 200)],
)
def test_draining_on_the_page_is_for_operators(client, permissions, status):
    Worker.objects.create(name="one:8", node="celery@one:7")
    client.force_login(factories.make_user(*permissions))
    assert client.get(url("drain", "celery@one:7")).status_code == status
    client.post(url("drain", "celery@one:7"))
    drains = Worker.objects.exclude(drain_asked_at=None).exists()
    assert drains is (status == 200)


# --- Try again now ----------------------------------------------------------------


def test_what_waits_for_its_next_attempt_is_due_now():
    one, other = waiting_to_retry(), waiting_to_retry()
    name = one.run.engagement.name

    assert "Tries 2 people again" in run(
        "retry", "waiting", "--engagement", name, "--yes"
    )

    one.refresh_from_db()
    other.refresh_from_db()
    assert one.next_attempt_at <= timezone.now() < other.next_attempt_at
    assert (one.state, one.attempt_count) == ("retry", 0)


def test_the_page_tries_again_now(admin_page):
    batch = waiting_to_retry(people=5)
    assert "5 people in 1 batch" in admin_page.get(url("retry_now")).content.decode()
    admin_page.post(url("retry_now"))
    batch.refresh_from_db()
    assert batch.next_attempt_at <= timezone.now()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engagement", "Nothing"), "There is no engagement “Nothing”"),
        (("--since", "yesterday"), "“yesterday” is not a time like"),
        (("--since", "2026-02-31"), "is not a time"),
    ],
)
def test_a_wrong_choice_is_named(arguments, words):
    with pytest.raises(CommandError, match=words):
        run("retry", "waiting", *arguments, "--yes")


# --- Uncertain --------------------------------------------------------------------


def people(batch: Batch) -> set[str]:
    return set(Delivery.objects.filter(batch=batch).values_list("state", flat=True))


def test_uncertain_people_are_marked_as_sent_in_bulk():
    one, other = uncertain(people=3), uncertain()
    name = one.run.engagement.name

    text = run("settle_uncertain", "mark_sent", "--engagement", name, "--yes")

    assert "Settled: 3 people" in text
    assert (people(one), people(other)) == ({"sent"}, {"uncertain"})


def test_uncertain_people_are_resent_by_time_span():
    hour = timedelta(hours=1)
    old = uncertain(created_at=timezone.now() - 3 * hour)
    new = uncertain()
    since = (timezone.now() - hour).isoformat()

    run("settle_uncertain", "resend", "--since", since, "--yes")

    assert [b.state for b in Batch.objects.order_by("pk")] == ["uncertain", "pending"]
    assert people(old) == {"uncertain"}
    assert Batch.objects.get(pk=new.pk).state == "pending"


def test_people_of_a_cancelled_run_stay_uncertain_and_it_says_so():
    batch = uncertain(people=2, run_state=Run.State.CANCELLED)
    text = run("settle_uncertain", "resend", "--yes")
    assert "Settled: 0 people" in text and "Left uncertain: 2 people" in text
    assert people(batch) == {"uncertain"}


def test_the_page_settles_one_engagement(admin_page):
    one, other = uncertain(people=3), uncertain()
    address = url("engagement_mark_all_sent", one.run.engagement_id)
    assert "3 people count as sent" in admin_page.get(address).content.decode()
    admin_page.post(address)
    assert (people(one), people(other)) == ({"sent"}, {"uncertain"})
    again = admin_page.get(address).content.decode()
    assert "Nobody is uncertain there any more" in again


def test_settling_on_the_page_needs_both_permissions(client):
    batch = uncertain()
    client.force_login(factories.make_user("engagements.operate_delivery"))
    address = url("engagement_resend_all", batch.run.engagement_id)
    assert client.post(address).status_code == 403
    assert people(batch) == {"uncertain"}
