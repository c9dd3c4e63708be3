"""Lists of runs' deliveries are whole, and read where these lie."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection

from engagements.lifecycle import completion, transitions
from engagements.models import Batch, Delivery, Engagement, Run
from engagements.reporting.finding import of_runs
from lemnisk_braze.lib.keyset import OLDEST
from tests import factories, plans

pytestmark = pytest.mark.django_db

LIST = "/admin/engagements/delivery/"
EVERYBODY = 1_500
# Rows that one step of the list's query may read.
MOST = 300


def own(*runs):
    found = of_runs(Delivery.objects.all(), Run.objects.filter(pk__in=[*runs]))
    return set(found.values_list("pk", flat=True))


def made(run, count=1, **fields):
    return {factories.make_delivery(run=run, **fields).pk for _ in range(count)}


@pytest.fixture
def sending():
    """A run that is sending, between deliveries of another."""
    other = factories.make_run()
    made(other, 2)
    run = factories.make_run(factories.make_engagement(state="active"), state="sending")
    made(other, 2)
    return run


def test_a_run_begins_before_its_first_delivery(sending):
    [*before] = Delivery.objects.values_list("pk", flat=True)[:2]
    ids = made(sending, 3)
    assert max(before) < sending.deliveries_after < min(ids)
    assert own(sending.pk) == ids


def test_what_is_added_while_batches_are_open_is_listed(sending):
    ids = made(sending)
    batch = factories.make_batch(sending, state=Batch.State.SENDING)
    transitions.cancel(sending)
    completion.finish()
    sending.refresh_from_db()
    assert (sending.state, sending.deliveries_before) == (Run.State.CANCELLED, None)
    ids |= made(sending, batch=batch)
    Batch.objects.update(state=Batch.State.DONE)
    completion.finish()
    sending.refresh_from_db()
    assert sending.deliveries_before > max(ids)
    made(factories.make_run(), 2)
    assert own(sending.pk) == ids


def test_what_is_sent_again_after_the_end_is_listed(sending):
    batch = factories.make_batch(
        sending, delivery_state="uncertain", state=Batch.State.UNCERTAIN
    )
    completion.finish()
    sending.refresh_from_db()
    assert sending.state == Run.State.COMPLETED_WITH_ERRORS
    assert sending.deliveries_before > sending.deliveries.get().pk
    assert transitions.decide(batch, "resend")
    sending.refresh_from_db()
    assert sending.deliveries_before is None
    ids = made(sending, batch=batch)
    assert own(sending.pk) == ids


def test_runs_of_which_nothing_is_known_are_whole(sending):
    ids = made(sending, 2)
    Run.objects.update(deliveries_after=None)
    assert own(sending.pk) == ids
    assert own() == set()


def test_what_was_written_before_a_time_is_listed(sending, admin_client):
    ids = set(Delivery.objects.values_list("pk", flat=True)) | made(sending)
    later = factories.make_run()
    now = Run.objects.values_list("started_at", flat=True).get(pk=sending.pk)
    Run.objects.filter(pk=later.pk).update(started_at=now + timedelta(days=2))
    Delivery.objects.update(updated_at=now)
    after = made(later)
    Delivery.objects.filter(pk__in=after).update(updated_at=now + timedelta(days=2))
    before = f"{now + timedelta(days=1):%Y-%m-%dT%H:%M}"
    shown = admin_client.get(LIST, {"before": before}).context["cl"]
    assert {row.pk for row in shown.result_list} == ids
    assert f'"id" <= {later.deliveries_after}' in str(shown.queryset.query)


@pytest.fixture
def lists():
    """The addresses of lists of few, oldest or newest among those of very many."""
    plans.begin_anew("engagements_delivery", "engagements_batch")
    people = factories.make_people(EVERYBODY)
    listening = factories.make_run(is_standing=True, trigger="on_entry")
    few = factories.make_people(4)
    runs = []
    for number in range(3):
        run = factories.make_run(state="sending")
        batch = factories.make_batch(run, people, state=Batch.State.DONE)
        Delivery.objects.bulk_create(
            Delivery(
                run=run,
                profile=person,
                batch=batch,
                state="sent" if number else "skipped",
                reason="" if number else "holdout: By chance.",
            )
            for person in people
        )
        rare = factories.make_batch(
            run, few, delivery_state="skipped", reason="too_big: It is."
        )
        assert rare.skip_counts == {"too_big": len(few)}
        entry = {"run": listening, "transition_id": number + 1}
        factories.make_delivery(people[number], **entry)
        if not number:
            made(run, state="rejected")
        completion.finish()
        runs.append(run)
    made(listening, transition_id=9, state="erased")
    Delivery.objects.filter(state="erased").update(profile=None, transition_id=0)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    scopes = [{"run__id__exact": run.pk} for run in (*runs, listening)]
    scopes += [
        {"run__engagement__id__exact": pk}
        for pk in Engagement.objects.values_list("pk", flat=True)
    ]
    skipped = {"state__exact": "skipped"}
    scopes += [{**scope, "state__exact": "rejected"} for scope in scopes]
    scopes += [{"run__id__exact": run.pk, **skipped} for run in runs]
    scopes += [
        {**scope, **skipped, "reason__startswith": "too_big"} for scope in scopes
    ]
    scopes += [{"state__exact": state} for state in Delivery.NOT_SENT]
    scopes += [{"variant__exact": number} for number in range(6)]
    return [f"{LIST}?{urlencode(scope)}" for scope in scopes]


def test_a_list_reads_a_page_wherever_its_rows_lie(
    lists, admin_client, django_assert_max_num_queries
):
    for address in lists:
        for query in (address, f"{address}&{OLDEST}=1"):
            with django_assert_max_num_queries(40) as asked:
                assert admin_client.get(query).status_code == 200
            for sql in (one["sql"] for one in asked):
                if sql.startswith("SELECT") and "engagements_delivery" in sql:
                    assert plans.rows_read(sql) <= MOST, f"{query}: {sql}"
