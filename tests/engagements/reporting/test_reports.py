"""The numbers of a report add up, and each opens exactly its people."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from engagements.audience import erasure
from engagements.models import Attempt, Batch, Delivery, Engagement, Run
from engagements.reporting import history, progress, reports
from tests import factories

pytestmark = pytest.mark.django_db

State = Delivery.State


def an_engagement_in_every_state() -> Engagement:
    engagement = factories.make_engagement()
    for run in (factories.make_run(engagement), later(engagement)):
        for number, state in enumerate(State, start=1):
            factories.make_batch(run, people=number, delivery_state=state)
        factories.make_batch(run, people=8)
    return engagement


def later(engagement):
    when = timezone.now() + dt.timedelta(hours=1)
    return factories.make_run(engagement, scheduled_for=when)


def test_the_rows_add_up_to_everybody_across_the_runs():
    engagement = an_engagement_in_every_state()
    factories.make_delivery()  # of another engagement

    report = reports.engagement_report(engagement)

    assert {row.key for row in report.rows} == {*State.values, reports.WAITING}
    ended = Delivery.objects.filter(run__engagement=engagement).count()
    assert report.total == sum(row.count for row in report.rows) == ended + 16 == 88


def test_the_reasons_add_up_to_the_skipped():
    run = factories.make_run()
    for reason, people in (
        ("missing_parameter: “Plan” has no value", 2),
        ("missing_parameter: “Name of the User” has no value", 1),
        ("no_identifier: The person has no email.", 4),
        ("", 1),
    ):
        factories.make_batch(run, people, delivery_state=State.SKIPPED, reason=reason)

    (row,) = reports.run_report(run).rows

    assert [(part.label, part.count) for part in row.parts] == [
        ("No identifier that the External API asks for", 4),
        ("A required parameter had no value", 3),
        ("No reason was noted", 1),
    ]
    assert sum(part.count for part in row.parts) == row.count == 8


def test_who_is_erased_is_not_counted_as_skipped():
    run = factories.make_run()
    batch = factories.make_batch(
        run, 3, delivery_state=State.SKIPPED, reason="no_identifier: None."
    )
    erasure.forget(batch.profile_ids[:1])

    rows = {row.key: row for row in reports.run_report(run).rows}
    assert {key: row.count for key, row in rows.items()} == {
        State.SKIPPED: 2,
        State.ERASED: 1,
    }
    assert [part.count for part in rows[State.SKIPPED].parts] == [2]


def test_who_was_tried_again_is_counted_where_that_led():
    engagement = factories.make_engagement()
    run = factories.make_run(engagement)
    factories.make_batch(
        run, 3, delivery_state=State.SKIPPED, reason="no_identifier: None."
    )
    first = run.deliveries.order_by("pk").first()
    first.retry = factories.make_run(engagement, retry_of=run, slot="again")
    first.save()

    assert reports.run_report(run).total == 3
    assert reports.engagement_report(engagement).total == 2


def test_every_number_opens_exactly_its_people(admin_page):
    engagement = an_engagement_in_every_state()
    factories.make_batch(
        engagement.runs.first(),
        people=3,
        delivery_state=State.SKIPPED,
        reason="no_identifier: The person has no email.",
    )
    factories.make_delivery()  # of another engagement
    report = reports.engagement_report(engagement)

    rows = [*report.rows, *(part for row in report.rows for part in row.parts)]
    for row in rows:
        if row.key == "skipped-":
            continue  # no reason to ask for: it opens all of the skipped
        opened = admin_page.get(row.url).context["cl"].result_list
        people = len(opened)
        if row.key == reports.WAITING:
            people = sum(len(batch.profile_ids) for batch in opened)
        assert people == row.count, row.label


def test_the_progress_of_many_runs_takes_two_queries(django_assert_num_queries):
    engagement = factories.make_engagement()
    runs = [factories.make_run(engagement), later(engagement)]
    factories.make_batch(runs[0], people=3, delivery_state=State.SENT)
    factories.make_batch(runs[0], people=1)
    factories.make_batch(runs[0], people=2, delivery_state=State.REJECTED)

    # Who waits and who was sent are of one moment: nobody who goes out is missing.
    with django_assert_num_queries(2):
        found = progress.of(runs)

    first, second = found[runs[0].pk], found[runs[1].pk]
    assert (first.total, first.finished, first.percent, first.problems) == (6, 5, 83, 2)
    assert (second.total, second.percent) == (0, 0)


def test_the_page_reads_what_its_batches_count_once(admin_client):
    engagement = an_engagement_in_every_state()
    url = reverse("admin:engagements_engagement_change", args=[engagement.pk])

    with CaptureQueriesContext(connection) as asked:
        page = admin_client.get(url)

    assert page.status_code == 200
    # Rows of batches are wide, and an engagement may have a hundred thousand.
    statements = [one["sql"].lower() for one in asked]
    assert sum("sum(" in sql and "sent_count" in sql for sql in statements) == 1


def test_deliveries_sent_counts_what_the_other_side_took():
    engagement = an_engagement_in_every_state()

    found = reports.with_deliveries_sent(Engagement.objects.filter(pk=engagement.pk))

    taken = [State.SENT, State.ACCEPTED_UNVERIFIED]
    people = Delivery.objects.filter(state__in=taken).count()
    assert vars(found.get())["deliveries_sent"] == people == 6


def test_a_delivery_s_attempts_include_those_of_the_batch_it_was_split_from():
    run = factories.make_run()
    people = factories.make_people(2)
    parent = factories.make_batch(run, people, state=Batch.State.SPLIT)
    refused = factories.make_attempt(parent, outcome=Attempt.Outcome.REFUSED)
    child = factories.make_batch(run, people[:1], parent=parent)
    ann = factories.make_delivery(people[0], run, batch=child)
    bea = factories.make_delivery(people[1], run, batch=parent, state="rejected")
    accepted = factories.make_attempt(child)

    assert history.attempts_of(ann) == [refused, accepted]
    assert history.attempts_of(bea) == [refused]
    assert history.last_answers([ann, bea]) == {ann.pk: accepted, bea.pk: refused}


def test_a_person_left_out_of_a_request_is_not_told_its_answer():
    batch = factories.make_batch(people=2, delivery_state=State.SENT)
    ann, bea = batch.deliveries.order_by("pk")
    attempt = factories.make_attempt(batch, left_out=[1])

    assert history.attempts_of(ann) == [attempt]
    assert history.attempts_of(bea) == []


BERLIN_NINE = dt.datetime(2026, 7, 1, 7, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "As soon as someone enters the segment"),
        (
            {"includes_present": True},
            "Everybody in the segment now, then each person who enters it",
        ),
        ({"trigger": "schedule"}, "Once, as soon as it is activated"),
        (
            {"trigger": "schedule", "repeat": "daily"},
            "Every day, starting as soon as it is activated",
        ),
        (
            {
                "trigger": "schedule",
                "repeat": "weekly",
                "starts_at": BERLIN_NINE,
                "time_zone": "Europe/Berlin",
            },
            "Every week, starting on 1 July 2026 at 09:00 (Europe/Berlin)",
        ),
        (
            {
                "trigger": "schedule",
                "starts_at": BERLIN_NINE,
                "time_zone": "Asia/Kolkata",
            },
            "Once, on 1 July 2026 at 12:30 (Asia/Kolkata)",
        ),
    ],
)
def test_a_trigger_reads_as_words(fields, words):
    assert reports.trigger_in_words(factories.make_engagement(**fields)) == words


def test_who_waits_is_told_apart_by_when_it_goes_on(admin_client):
    run = factories.make_run()
    tomorrow = timezone.now() + dt.timedelta(days=1)
    late = tomorrow + dt.timedelta(hours=2)
    factories.make_batch(run, people=8)
    for people, when in ((3, late), (2, tomorrow)):
        batch = factories.make_batch(run, people)
        Batch.objects.filter(pk=batch.pk).update(next_attempt_at=when)
    again = factories.make_batch(run, people=4)
    Batch.objects.filter(pk=again.pk).update(state="retry", next_attempt_at=late)

    (row,) = reports.run_report(run).rows

    assert (row.label, row.count) == ("Waiting", 17)
    local = timezone.localtime(tomorrow)
    when = f"{local:%-d %b %Y, %H:%M} {local.tzname()}"
    assert [(part.label, part.count) for part in row.parts] == [
        (f"Not due yet, such as in quiet hours: the first on {when}", 5),
        ("Will be tried again, after an error", 4),
    ]
    shown = [admin_client.get(part.url).context["cl"].queryset for part in row.parts]
    assert [batches.people() for batches in shown] == [5, 4]


def test_who_is_to_wait_by_the_other_side_is_tried_again():
    """No attempt was used up by a 429, and the batch's state says nothing of it."""
    run = factories.make_run()
    hour = timezone.now() + dt.timedelta(hours=1)
    batch = factories.make_batch(run, people=3)
    Batch.objects.filter(pk=batch.pk).update(
        written_at=timezone.now(), next_attempt_at=hour
    )

    (row,) = reports.run_report(run).rows

    assert [(part.label, part.count) for part in row.parts] == [
        ("Will be tried again, after an error", 3)
    ]


def test_the_sum_opens_what_it_counts_or_nothing(admin_client):
    engagement = factories.make_engagement()
    run = factories.make_run(engagement)
    factories.make_batch(run, 2, delivery_state=State.SENT)
    factories.make_batch(run, 3, delivery_state=State.REJECTED)
    again = later(engagement)
    run.deliveries.filter(state=State.REJECTED).update(retry=again)
    Run.objects.filter(pk=again.pk).update(retry_of=run)
    factories.make_batch(again, 3, delivery_state=State.SENT)

    for report in (reports.engagement_report(engagement), reports.run_report(run)):
        opened = admin_client.get(report.url).context["cl"].result_list
        assert len(opened) == report.total == 5

    # Who waits has no delivery: no list has all of them.
    factories.make_batch(again, people=4)
    report = reports.engagement_report(engagement)
    assert (report.total, report.url) == (9, "")
    said = admin_client.get(engagement.get_absolute_url()).text
    assert re.search(r'In all</th>\s*<td class="lb-number">\s*9</td>', said)


def test_who_is_next_needs_no_words():
    run = factories.make_run()
    factories.make_batch(run, people=8)

    (row,) = reports.run_report(run).rows

    assert (row.count, row.parts) == (8, ())
