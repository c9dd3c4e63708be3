"""People whose delivery failed, tried again from the list, or by a command."""

import re
import threading
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from engagements.delivery import loop
from engagements.lifecycle import completion, transitions
from engagements.models import Batch, Delivery, Engagement, Run
from engagements.recovery import retry_failed
from engagements.reporting import reports
from tests import factories
from tests.faults import working

pytestmark = pytest.mark.django_db

LIST = "/admin/engagements/delivery/"


def failed(
    state="dead",
    people=2,
    engagement="active",
    reason="",
    run=None,
    again="usual",
    **fields,
) -> Run:
    """A completed run in which these people failed."""
    source: Run = run or factories.make_run(
        factories.make_engagement(state=engagement, again=again),
        state=Run.State.COMPLETED_WITH_ERRORS,
    )
    factories.make_batch(source, people, delivery_state=state, reason=reason, **fields)
    return source


def retry(**filters) -> retry_failed.Retried:
    return retry_failed.retry(Delivery.objects.filter(**filters))


def waiting(run: Run) -> list[int]:
    """The ids of the people in the run's open batches."""
    return [pk for batch in run.batches.open() for pk in batch.profile_ids]


# --- The new run ------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    ["dead", "rejected", "skipped", "accepted_unverified", "uncertain", "cancelled"],
)
def test_who_failed_waits_in_a_new_run_and_the_failure_stays_on_record(state):
    source = failed(state, people=3)

    done = retry()

    (run,) = done.runs
    assert (done.people, run.retry_of, run.state) == (3, source, "sending")
    people = source.deliveries.values_list("profile", flat=True)
    assert sorted(waiting(run)) == sorted(people)
    assert {d.state for d in source.deliveries.all()} == {state}
    assert {d.retry for d in source.deliveries.all()} == {run}


def test_everybody_who_was_not_sent_can_be_tried_again():
    gone = {Delivery.State.ERASED}
    assert set(retry_failed.STATES) == Delivery.NOT_SENT - gone


def test_who_was_sent_is_not_sent_again():
    failed("sent")
    assert retry() == retry_failed.Retried(people=0, runs=())


@pytest.mark.parametrize(("taken", "left"), [(1, [1]), (2, [])])
@pytest.mark.parametrize("decision", ["resend", "mark_sent"])
def test_whom_a_retry_takes_out_of_doubt_nobody_decides_about_again(
    taken, left, decision
):
    source = failed(people=0)
    batch = factories.make_batch(
        source, 2, delivery_state="uncertain", state="uncertain", ambiguous_count=1
    )
    chosen = source.deliveries.order_by("pk")[:taken]

    (run,) = retry(pk__in=[d.pk for d in chosen]).runs

    assert waiting(run) == batch.profile_ids[:taken]
    batch.refresh_from_db()
    assert transitions.decide(batch, decision) is bool(left)
    batch.refresh_from_db()
    others = [batch.profile_ids[place] for place in left]
    if decision == "resend":
        assert batch.state == ("pending" if left else "done")
        assert batch.left_out == list(range(taken))
    else:
        assert batch.sent_count == len(others)
        sent = source.deliveries.filter(state="sent").values_list("profile", flat=True)
        assert list(sent) == others
    # What was recorded of who is tried again stays on record.
    assert source.deliveries.filter(state="uncertain", retry=run).count() == taken


def test_a_failure_is_taken_along_once():
    failed(people=2)
    assert retry().people == 2
    assert retry().people == 0
    assert Run.objects.count() == 2


def test_who_fails_again_may_be_tried_again():
    source = failed(people=1)
    (again,) = retry().runs
    person = source.deliveries.get().profile
    batch = again.batches.get()
    batch.state = Batch.State.DEAD
    batch.save()
    factories.make_delivery(person, again, state="dead", batch=batch)
    (third,) = retry().runs
    assert third.retry_of == again


def test_each_run_gets_a_retry_of_its_own():
    """Two runs of one engagement may have failed for the same person."""
    person = factories.make_profile()
    first = failed(people=[person], again="always")
    failed(people=[person], run=factories.make_run(first.engagement, state="completed"))
    done = retry()
    assert done.people == 2
    assert {run.retry_of_id for run in done.runs} == set(
        Run.objects.filter(retry_of=None).values_list("pk", flat=True)
    )


def test_each_entry_of_a_person_is_tried_again_with_its_event():
    person = factories.make_profile()
    event = factories.make_event(person)
    run = failed(people=0, again="always")
    for entry, brought_in_by in ((7, event), (9, None)):
        batch = factories.make_batch(run, [person], state="dead")
        factories.make_delivery(
            person,
            run,
            state="dead",
            transition_id=entry,
            event=brought_in_by,
            batch=batch,
        )
    retry()
    batch = Batch.objects.open().get()
    assert batch.profile_ids == [person.pk, person.pk]
    assert batch.transition_ids == [7, 9]
    assert batch.event_ids == [event.pk, None]


def test_the_report_counts_who_is_tried_again_once(admin_client):
    source = failed(people=3)
    failed(state="rejected", people=2, run=source)
    failed(people=1, run=source)
    retry(pk__in=source.deliveries.filter(state="dead").order_by("pk")[:3])

    report = reports.engagement_report(source.engagement)

    assert report.total == 6
    counts = {row.key: row.count for row in report.rows}
    assert counts == {"pending": 3, "rejected": 2, "dead": 1}
    for row in report.rows[1:]:
        page = admin_client.get(row.url)
        assert page.context["cl"].queryset.count() == row.count
    # The run itself tells what became of its people there.
    assert {r.key: r.count for r in reports.run_report(source).rows} == {
        "rejected": 2,
        "dead": 4,
    }


def test_batches_are_as_large_as_the_external_api_says():
    failed(people=80)
    (run,) = retry().runs
    sizes = [len(batch.profile_ids) for batch in run.batches.order_by("sequence")]
    assert sizes == [75, 5]
    run.refresh_from_db()
    assert run.next_sequence == 2


def test_the_retry_has_the_values_that_the_engagement_has_now():
    source = failed()
    Engagement.objects.update(values={"Name of the User": "corrected"})
    (run,) = retry().runs
    assert run.values == {"Name of the User": "corrected"} != source.values


def test_at_most_so_many_at_once():
    failed(people=3)
    assert retry_failed.retry(Delivery.objects.all(), most=2).people == 2
    assert retry_failed.retry(Delivery.objects.all(), most=2).people == 1


@pytest.mark.django_db(transaction=True)
def test_a_retry_reaches_braze_and_ends_with_its_engagement(braze, sandbox):
    """Once-run engagements end with their run: the retry wakes them up and is the end."""
    engagement = factories.make_engagement(
        factories.make_segment(2),
        factories.make_version(connection=braze),
        values={"Name of the User": "{{ profile.nickname }}"},
        trigger="schedule",
    )
    transitions.activate(engagement)
    loop.work()
    engagement.refresh_from_db()
    assert (engagement.state, sandbox.summary()["users"]) == ("ended", 0)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"skipped"}

    Engagement.objects.update(values={"Name of the User": "{{ profile.first_name }}"})
    (run,) = retry().runs
    loop.work()

    assert sandbox.summary()["users"] == 2
    run.refresh_from_db()
    engagement.refresh_from_db()
    assert (run.state, engagement.state) == ("completed", "ended")


@pytest.mark.django_db(transaction=True)
def test_who_is_tried_again_counts_for_no_ceiling(braze, sandbox):
    """They were counted when they were taken in; somebody has seen how many they are."""
    engagement = factories.make_engagement(
        factories.make_segment(3),
        factories.make_version(connection=braze),
        values={"Name of the User": "{{ profile.nickname }}"},
        trigger="schedule",
        ceiling=3,
    )
    transitions.activate(engagement)
    loop.work()
    source = Run.objects.get()
    assert source.taken_in == 3
    Engagement.objects.update(
        values={"Name of the User": "{{ profile.first_name }}"}, ceiling=2
    )
    (run,) = retry().runs
    loop.work()

    assert sandbox.summary()["users"] == 3
    for one in (source, run, engagement):
        one.refresh_from_db()
    assert (source.taken_in, run.taken_in, run.waits_at_ceiling) == (3, 0, False)
    assert (run.state, engagement.blocked_reason) == ("completed", "")


@pytest.mark.parametrize(
    ("trigger", "run_state", "possible"),
    [
        ("schedule", "completed", True),
        ("schedule", "cancelled", False),
        ("on_entry", "completed", False),
    ],
)
def test_where_somebody_ended_the_engagement_nothing_is_sent(
    trigger, run_state, possible
):
    run = failed(engagement="ended")
    Engagement.objects.update(trigger=trigger)
    Run.objects.filter(pk=run.pk).update(state=run_state)
    (share,) = retry_failed.shares(Delivery.objects.all())
    assert share.is_possible is possible
    assert bool(retry().runs) is possible
    if not possible:
        assert "ended" in share.problem


def test_a_paused_engagements_retry_waits():
    failed(engagement="paused")
    (run,) = retry().runs
    loop.work()
    assert waiting(run)
    completion.finish()
    run.refresh_from_db()
    assert run.state == "sending"


def test_duplicates_are_possible_after_an_ambiguous_attempt_also_of_the_whole():
    failed("dead", people=1, ambiguous_count=1)
    run = failed("dead", people=1)
    whole = factories.make_batch(run, 2, state="split", ambiguous_count=1)
    failed("dead", people=2, run=run, parent=whole)
    failed("rejected", people=4)
    shares = retry_failed.shares(Delivery.objects.all())
    assert sum(share.people for share in shares) == 8
    assert sum(share.ambiguous for share in shares) == 3
    assert sum(share.rejected for share in shares) == 4


# --- The list ---------------------------------------------------------------------


def people_asked_about(admin_page, address: str) -> int:
    """The number on the page's button; without one there is nobody."""
    button = re.search(r">Retry (\d+)</button>", admin_page.get(address).text)
    return int(button[1]) if button else 0


def test_the_button_is_about_what_the_list_shows(admin_page):
    failed(people=2, reason="Gateway Timeout")
    failed(people=3, reason="Invalid e-mail")
    address = reverse("admin:engagements_delivery_retry") + "?why=gateway"
    assert people_asked_about(admin_page, address) == 2

    answer = admin_page.post(address)

    (run,) = Run.objects.exclude(retry_of=None)
    assert answer.url == run.get_absolute_url()
    assert len(waiting(run)) == 2
    shown = admin_page.get(run.get_absolute_url()).content.decode()
    assert "Tries failed people" in shown
    again = admin_page.get(address).content.decode()
    assert "none can be tried again" in again


@pytest.mark.parametrize(
    ("query", "people"),
    [
        ("since={hour_ago}", 1),
        ("before={hour_ago}", 2),
        ("state__exact=rejected", 1),
        ("since={hour_ago}&state__exact=rejected", 0),
        ("why=nothing", 0),
        ("", 3),
    ],
)
def test_every_filter_of_the_list_counts(admin_page, query, people):
    failed("dead", people=1)
    failed("dead", people=1)
    old = failed("rejected", people=1)
    day = timedelta(days=1)
    dead = Delivery.objects.filter(state="dead").first()
    assert dead is not None
    Run.objects.update(started_at=timezone.now() - day)
    for each in (dead, old.deliveries.get()):
        Delivery.objects.filter(pk=each.pk).update(updated_at=timezone.now() - day)
    hour_ago = f"{timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    address = f"{LIST}retry/?{query.format(hour_ago=hour_ago)}"
    assert people_asked_about(admin_page, address) == people


@pytest.fixture
def somebody_has_it(transactional_db):
    """Another session has locked an engagement for longer than we wait for it."""

    @contextmanager
    def locked(engagement):
        is_locked, is_over = threading.Event(), threading.Event()

        def lock():
            with transaction.atomic():
                Engagement.objects.select_for_update().get(pk=engagement.pk)
                is_locked.set()
                is_over.wait(20)

        with working.in_thread(lock), connection.cursor() as cursor:
            assert is_locked.wait(20)
            cursor.execute("SET lock_timeout = '100ms'")
            yield
            cursor.execute("RESET lock_timeout")
            is_over.set()

    return locked


def test_whom_others_are_at_can_be_tried_again_later(somebody_has_it, client):
    client.force_login(factories.make_admin())
    free, held = failed("dead", people=2), failed("dead", people=1)
    address = f"{LIST}retry/?why="
    with somebody_has_it(held.engagement):
        text = client.post(address, follow=True).content.decode()
        assert "2 people wait in line again." in text
        assert "press Retry again in a minute" in text
        answer = client.post(address, follow=True)
        assert "press Retry again in a minute" in answer.content.decode()
        # The list that was chosen, to press it there again.
        assert answer.redirect_chain == [(f"{LIST}?why=", 302)]
        with pytest.raises(CommandError, match="Run it again"):
            call_command("retry", "failed", "--yes")
    assert free.retries.count() == 1 and not held.retries.exists()
    text = client.post(address, follow=True).content.decode()
    assert "1 person waits in line again." in text


def test_a_time_that_is_none_leads_back_with_words(admin_page):
    answer = admin_page.get(f"{LIST}retry/?since=yesterday", follow=True)
    assert "This filter cannot be read" in answer.content.decode()
    assert admin_page.get(f"{LIST}?since=yesterday", follow=True).status_code == 200


def test_the_warnings_stand_with_their_numbers(admin_page):
    failed("dead", people=2, ambiguous_count=1)
    failed("rejected", people=3)
    failed("dead", people=4, engagement="ended")
    text = admin_page.get(f"{LIST}retry/").content.decode()
    assert "Duplicates are possible for 2 of them" in text
    assert "3 were rejected" in text
    assert "It has ended. Activate it again first." in text
    assert "Retry 5" in text


def test_a_retry_of_somebody_in_doubt_may_be_a_repeat(admin_page):
    failed("accepted_unverified", people=2)
    failed("dead", people=3)
    text = admin_page.get(f"{LIST}retry/").content.decode()
    assert "For 2 of them this may be a repeat" in text
    assert "Retry 5" in text


@pytest.mark.parametrize("state", ["uncertain", "cancelled"])
def test_who_waits_for_a_decision_is_tried_again_only_by_name(admin_page, state):
    failed(state, people=2)
    failed("dead", people=3)
    page = admin_page.get(f"{LIST}retry/")
    assert people_asked_about(admin_page, f"{LIST}retry/") == 3
    ((label, count, url),) = page.context["others"]
    assert (label, count) == (Delivery.State(state).label, 2)
    admin_page.post(f"{LIST}retry/")
    assert Delivery.objects.filter(state=state, retry=None).count() == 2

    assert people_asked_about(admin_page, url) == 2
    admin_page.post(url)

    assert not Delivery.objects.filter(state=state, retry=None).exists()


# --- The command --------------------------------------------------------------------


def retry_by_command(*arguments: str) -> str:
    out = StringIO()
    call_command("retry", "failed", *arguments, "--yes", stdout=out)
    return out.getvalue()


def test_the_command_takes_the_dead_unless_told_otherwise():
    failed("dead", people=2)
    failed("rejected", people=3)
    assert "Tries 2 people again" in retry_by_command()
    assert "In line again: 3 people in 1 run" in retry_by_command("--state", "rejected")
    assert "Nobody can be tried again there" in retry_by_command("--state", "skipped")


def test_the_command_chooses_by_engagement_time_and_reason():
    one = failed(people=2, reason="500 Internal Server Error")
    failed(people=3, reason="Gone")
    assert "Nobody" in retry_by_command("--until", "2020-01-01")
    assert "Nobody" in retry_by_command(
        "--engagement", one.engagement.name, "--reason", "Gone"
    )
    done = retry_by_command("--engagement", one.engagement.name, "--reason", "500")
    assert "In line again: 2 people" in done
