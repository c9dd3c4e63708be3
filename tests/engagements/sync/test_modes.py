"""Only the new, only the changed: compared is what Braze last accepted."""

import pytest

from engagements.lifecycle import ended_runs
from engagements.models import Accepted, Delivery, Engagement, FrequencyCap, Run
from externalapi.models import Connection
from segments.membership import refresh
from tests import factories
from tests.engagements.sync.conftest import begin, bodies, change, person, run_once
from tests.faults import working

pytestmark = pytest.mark.django_db(transaction=True)

CHANGED = Engagement.SyncMode.CHANGED
NEW = Engagement.SyncMode.NEW


def test_everyone_is_sent_every_time_and_nothing_is_kept(syncing, sandbox):
    person("ana", plan="pro")
    engagement = syncing()

    assert [run_once(engagement) for _ in range(2)] == [{"ana": "sent"}] * 2
    assert not Accepted.objects.exists()


def test_only_who_changed_is_sent_again(syncing, sandbox):
    ana, _ = person("ana", plan="pro"), person("bo", plan="pro")
    engagement = syncing(sync_mode=CHANGED)
    first = run_once(engagement)
    change(ana, plan="free")

    assert first == {"ana": "sent", "bo": "sent"}
    assert run_once(engagement) == {"ana": "sent", "bo": "unchanged"}
    assert run_once(engagement) == {"ana": "unchanged", "bo": "unchanged"}
    assert bodies(sandbox)[-1] == {"external_id": "ana", "plan": "free"}


def test_only_the_new_are_sent(syncing, sandbox):
    ana = person("ana", plan="pro")
    engagement = syncing(sync_mode=NEW)
    run_once(engagement)
    change(ana, plan="free")
    person("bo", plan="pro")
    refresh.refresh(engagement.segment_id)

    assert run_once(engagement) == {"ana": "not_new", "bo": "sent"}


@pytest.mark.parametrize("mode", [NEW, CHANGED])
def test_who_has_nothing_new_is_no_failure(syncing, mode):
    person("ana", plan="pro")
    engagement = syncing(sync_mode=mode)
    run_once(engagement)
    run_once(engagement)
    ended_runs.judge()

    run = engagement.runs.latest("pk")
    assert (run.state, run.failure) == (Run.State.COMPLETED, "")


@pytest.mark.parametrize("mode", [NEW, CHANGED])
def test_who_was_rejected_counts_as_not_sent(syncing, sandbox, mode):
    person("ana", plan="pro")
    engagement = syncing(sync_mode=mode)
    sandbox.faults([{"kind": "partial_errors", "indexes": None, "type": "No good."}])

    assert run_once(engagement) == {"ana": "rejected"}
    sandbox.clear_faults()
    assert run_once(engagement) == {"ana": "sent"}


@pytest.mark.parametrize("mode", [NEW, CHANGED])
def test_who_is_uncertain_counts_as_not_sent(syncing, sandbox, settings, mode):
    settings.HTTP_TOTAL_SECONDS = 1
    person("ana", plan="pro")
    engagement = syncing(sync_mode=mode, ambiguous_policy="park")
    sandbox.faults([{"kind": "delay_after", "seconds": 3, "times": 1}])

    assert run_once(engagement) == {"ana": "uncertain"}
    assert run_once(engagement) == {"ana": "sent"}


def test_back_to_the_last_accepted_value_after_a_lost_answer_is_sent(
    syncing, sandbox, settings
):
    """Braze may have the value in between."""
    settings.HTTP_TOTAL_SECONDS = 1
    ana = person("ana", plan="pro")
    engagement = syncing(sync_mode=CHANGED, ambiguous_policy="park")
    run_once(engagement)
    sandbox.faults([{"kind": "delay_after", "seconds": 3, "times": 1}])
    change(ana, plan="free")
    assert run_once(engagement) == {"ana": "uncertain"}
    change(ana, plan="pro")

    assert run_once(engagement) == {"ana": "sent"}
    assert sandbox.user("ana")["custom_attributes"]["plan"] == "pro"


def test_the_time_of_writing_does_not_make_everybody_changed(syncing, sandbox):
    ana = person("ana", plan="pro")
    values = {"plan": "{{ profile.plan }}", "city": "{{ now }}"}
    engagement = syncing(values=values, sync_mode=CHANGED)
    run_once(engagement)

    assert run_once(engagement) == {"ana": "unchanged"}
    change(ana, plan="free")
    assert run_once(engagement) == {"ana": "sent"}
    assert bodies(sandbox)[-1]["city"]


def test_the_noise_of_a_sum_is_no_change_and_the_order_of_a_list_is(syncing, sandbox):
    ana = person("ana", plan=0.1 + 0.2, city={"a": 1, "b": 2})
    engagement = syncing(sync_mode=CHANGED, version=odd_version())
    run_once(engagement)
    change(ana, plan=0.3, city={"b": 2, "a": 1})
    assert run_once(engagement) == {"ana": "unchanged"}
    change(ana, city={"a": 1, "b": [1, 2]})
    assert run_once(engagement) == {"ana": "sent"}
    change(ana, city={"b": [2, 1], "a": 1})
    assert run_once(engagement) == {"ana": "sent"}


def odd_version():
    return factories.make_version(
        connection=Connection.objects.get(),
        body={
            "attributes": [
                {"external_id": "{{ID}}", "plan": "{{plan}}", "city": "{{city}}"}
            ]
        },
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("plan", type="number", required=False),
            factories.parameter("city", type="object", required=False),
        ],
    )


def test_a_person_in_a_batch_twice_is_sent_in_two_requests(syncing, sandbox):
    ana = person("ana", plan="pro")
    engagement = syncing(sync_mode=CHANGED)
    run = begin(engagement, state=Run.State.SENDING, next_sequence=1)
    factories.make_batch(run, [ana, ana], transition_ids=[1, 2])

    working.to_the_end(engagement)

    rows = Delivery.objects.filter(run=run).values_list("state", flat=True)
    assert sorted(rows) == ["sent", "skipped"]


def test_who_is_in_a_batch_twice_is_asked_by_a_cap_when_there_is_something_new(syncing):
    FrequencyCap.objects.create(name="One", most=1, period="day")
    ana = person("ana", plan="pro")
    engagement = syncing(sync_mode=CHANGED)
    run = begin(engagement, state=Run.State.SENDING, next_sequence=1)
    factories.make_batch(run, [ana, ana], transition_ids=[1, 2])

    working.to_the_end(engagement)

    rows = Delivery.objects.filter(run=run).order_by("transition_id")
    first, second = (row.reason.partition(":")[0] for row in rows)
    assert (first, second) == ("", "unchanged")
