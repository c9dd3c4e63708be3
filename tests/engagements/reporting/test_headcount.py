"""People and deliveries are two things: who is sent three times is one person."""

import pytest
from django.db import connection

from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Delivery, Engagement, Run
from engagements.recovery import retry_failed
from engagements.reporting import headcount, reports
from engagements.reporting.headcount import Headcount
from segments.models import Profile
from tests import factories
from tests.faults import working
from tests.pages import words

pytestmark = pytest.mark.django_db


def sent_three_times() -> Engagement:
    """Three people: each was sent once, one of them also failed twice, and waits."""
    engagement = factories.make_engagement(state="active")
    people = factories.make_people(3)
    first = factories.make_run(engagement, state="completed")
    factories.make_batch(first, people, delivery_state="sent")
    second = factories.make_run(engagement)
    for entry, state in ((1, "dead"), (2, "rejected")):
        batch = factories.make_batch(
            second, people[:1], state="done", transition_ids=[entry]
        )
        factories.make_delivery(
            people[0], second, batch=batch, state=state, transition_id=entry
        )
    factories.make_batch(second, people[:1], transition_ids=[3])
    return engagement


def test_an_engagements_page_counts_people_and_deliveries(admin_page):
    engagement = sent_three_times()
    report = reports.engagement_report(engagement)
    assert (report.people.people, report.total) == (3, 6)

    said = words(admin_page.get(engagement.get_absolute_url()))
    assert "<strong>3</strong> people, <strong>6</strong> deliveries" in said
    assert ">Deliveries</th>" in said


def test_who_fails_three_times_is_one_person_of_three(braze, sandbox):
    """TRAPS 36: sent 2 and failed 1 are 3 people, whatever the attempts."""
    version = factories.make_version(connection=braze, batching="one")
    engagement = factories.make_engagement(
        factories.make_segment(3), version, trigger="schedule"
    )
    sandbox.faults([{"kind": "partial_errors", "indexes": [0], "times": 1}])
    transitions.activate(engagement)
    working.to_the_end(engagement)
    for _ in range(2):
        sandbox.faults([{"kind": "partial_errors", "indexes": [0], "times": 1}])
        failed = Delivery.objects.filter(run__engagement=engagement, state="rejected")
        assert retry_failed.retry(failed).people == 1
        working.to_the_end(engagement)

    report = reports.engagement_report(engagement)
    counts = {row.key: row.count for row in report.rows if row.count}
    assert counts == {"sent": 2, "rejected": 1}
    assert (report.people.people, report.total) == (3, 3)
    assert Attempt.objects.count() == len(sandbox.requests()) == 5


def test_a_runs_page_does_too(admin_page):
    run = sent_three_times().runs.order_by("pk").last()
    said = words(admin_page.get(run.get_absolute_url()))
    assert "<strong>1</strong> person, <strong>3</strong> deliveries" in said


@pytest.mark.parametrize("page", ["list", "segment"])
def test_lists_count_what_was_sent(admin_page, page):
    engagement = sent_three_times()
    Delivery.objects.filter(state="rejected").update(state="sent")
    Batch.objects.filter(transition_ids=[2]).update(sent_count=1)
    urls = {
        "list": "/admin/engagements/engagement/",
        "segment": engagement.segment.get_absolute_url(),
    }
    said = words(admin_page.get(urls[page]))
    assert "People sent" not in said
    assert "Deliveries sent" in said


def test_who_became_one_is_one():
    ann, visitor = factories.make_people(2)
    run = factories.make_run()
    factories.make_batch(run, [ann, visitor], delivery_state="sent")
    assert reports.run_report(run).people == Headcount(people=2)
    Profile.objects.filter(pk=visitor.pk).update(merged_into=ann)
    assert reports.run_report(run).people == Headcount(people=1)


def test_a_batch_that_was_split_is_not_counted_twice():
    run = factories.make_run()
    people = factories.make_people(2)
    whole = factories.make_batch(run, people, state="split")
    for person in people:
        factories.make_batch(run, [person], delivery_state="sent", parent=whole)
    assert reports.run_report(run).people == Headcount(people=2)


def test_who_was_erased_is_nobody():
    run = factories.make_run()
    ann, bob = factories.make_people(2)
    factories.make_batch(run, [ann, bob], delivery_state="sent")
    ann.delete()
    report = reports.run_report(run)
    assert (report.people, report.total) == (Headcount(people=1), 2)


FILL = """
    INSERT INTO engagements_batch
        (run_id, sequence, state, profile_ids, event_ids, transition_ids, sent_count)
    SELECT %(run)s, n, 'done', ARRAY(SELECT n * 75 + i FROM generate_series(1, 75) i),
        '{}', %(entries)s, 75
    FROM generate_series(1, 2700) n
"""
DELIVER = """
    INSERT INTO engagements_delivery (run_id, profile_id, transition_id, batch_id, state)
    SELECT b.run_id, p, 0, b.id, 'sent' FROM engagements_batch b, unnest(profile_ids) p
    WHERE b.run_id = %(run)s
"""


def fill(engagement, entries="{}") -> Run:
    """A run of 202,500 people, the same in each."""
    run = factories.make_run(engagement)
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"run": run.pk, "entries": entries})
        cursor.execute(DELIVER, {"run": run.pk})
    return run


def test_of_very_many_a_sample_is_taken_for_all():
    engagement = factories.make_engagement()
    fill(engagement)
    found = headcount.headcount(engagement.runs.all(), 202_500)
    assert found == Headcount(people=202_500)

    fill(engagement)
    found = headcount.headcount(engagement.runs.all(), 405_000)
    assert found == Headcount(people=202_500, is_about=True)
