"""Too many wake-ups, or none: every run is made, and everybody sent, once."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from kombu import Connection

from engagements.lifecycle import transitions
from engagements.models import Engagement
from engagements.tasks import work
from segments.models import Segment, Source
from segments.tracking import write_keys
from tests.doubles.broker import Broker
from tests.doubles.celery_processes import beat, worker
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_hundred_wake_ups_at_once(draft, sandbox, tmp_path):
    engagement = draft(1_500)
    with Broker(tmp_path) as broker:
        options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        with Connection(broker.url, transport_options=options) as connection:
            transitions.activate(engagement)
            for _ in range(100):
                work.apply_async(connection=connection)
        queue = f"{options['global_keyprefix']}celery"
        assert broker.client().llen(queue) == 100
        with worker(REDIS_URL=broker.url):
            wait_until(lambda: working.is_over(engagement), "the end of the run")
            wait_until(lambda: broker.client().llen(queue) == 0, "the others", 20)

    assert set(invariants.received(sandbox).values()) == {1}
    assert len(sandbox.requests()) == 20
    invariants.check(engagement, sandbox, sandbox.key)


def test_two_beats_make_one_run_a_slot(draft, sandbox, tmp_path):
    engagement = draft(
        75,
        starts_at=timezone.now() + timedelta(seconds=4),
        repeat=Engagement.Repeat.DAILY,
    )
    transitions.activate(engagement)
    assert not engagement.runs.exists()

    with Broker(tmp_path) as broker, ExitStack() as processes:
        for start in (worker, beat, beat):
            processes.enter_context(start(REDIS_URL=broker.url))
        wait_until(lambda: working.is_over(engagement), "the end of the run")
        requests = sandbox.traffic()["requests"]

    assert engagement.runs.count() == requests == 1
    invariants.check(engagement, sandbox, sandbox.key)


def test_without_a_beat_an_entry_goes_out_by_wake_ups(draft, sandbox, client):
    """From the tracking API to Braze: each step wakes the next."""
    engagement = draft(0, trigger=Engagement.Trigger.ON_ENTRY)
    rule = {"attribute": "first_name", "is": "equals", "value": "Ann"}
    Segment.objects.update(rule=rule)
    transitions.activate(engagement)
    write_key = write_keys.issue(Source(name="Shop"))

    with worker():
        for number in range(5):
            answer = client.post(
                "/v1/identify",
                {
                    "userId": f"visitor-{number}",
                    "traits": {"first_name": "Ann"},
                    "writeKey": write_key,
                },
                content_type="application/json",
            )
            assert answer.status_code == 200
        wait_until(lambda: working.states(engagement) == {"sent": 5}, "the five")

    assert len(invariants.received(sandbox)) == 5
    invariants.check(engagement, sandbox, sandbox.key)
