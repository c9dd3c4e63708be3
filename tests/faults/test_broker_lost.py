"""The broker dies, forgets or falls silent: a delay, and nothing is lost."""

import time
from collections.abc import Callable

import pytest

from engagements.lifecycle import transitions
from engagements.models import Engagement
from tests import factories
from tests.doubles.broker import Broker
from tests.doubles.celery_processes import beat, worker
from tests.doubles.sessions import are_quiet
from tests.doubles.wire import Wire
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 20


@pytest.fixture
def broker(tmp_path):
    with Broker(tmp_path / "valkey") as broker:
        yield broker


@pytest.fixture
def engagement(draft):
    """It sends to whoever enters; what has entered is found by the tick alone."""
    engagement = draft(0, trigger=Engagement.Trigger.ON_ENTRY)
    transitions.activate(engagement)
    return engagement


def enter(engagement: Engagement) -> None:
    for _ in range(PEOPLE):
        factories.enter(engagement.segment, factories.make_profile(first_name="Ann"))


def sent(engagement: Engagement, count: int) -> Callable[[], bool]:
    return lambda: working.states(engagement) == {"sent": count}


def test_a_broker_that_was_killed(engagement, sandbox, broker):
    with worker(REDIS_URL=broker.url), beat(REDIS_URL=broker.url):
        enter(engagement)
        wait_until(sent(engagement, PEOPLE), "the people from before")
        broker.kill()
        # A worker that is still at work needs nobody to wake it.
        wait_until(are_quiet, "the worker's last look")
        enter(engagement)
        time.sleep(4)  # the outage itself, not a race
        assert sent(engagement, PEOPLE)(), "nobody could be woken"
        broker.start()
        wait_until(sent(engagement, 2 * PEOPLE), "the others", 25)

    invariants.check(engagement, sandbox, sandbox.key)
    assert set(invariants.received(sandbox).values()) == {1}


def test_a_broker_that_forgot_everything(engagement, sandbox, broker):
    with worker(REDIS_URL=broker.url), beat(REDIS_URL=broker.url):
        for round_ in range(1, 4):
            enter(engagement)
            wait_until(sent(engagement, round_ * PEOPLE), "the people", 25)
            broker.client().flushall()

    invariants.check(engagement, sandbox, sandbox.key)


def test_a_broker_that_fell_silent(engagement, sandbox, broker):
    with Wire(broker.port) as wire:
        environment = {
            "REDIS_URL": f"redis://127.0.0.1:{wire.port}/0",
            "REDIS_SOCKET_TIMEOUT": "2",
        }
        with worker(**environment), beat(**environment):
            enter(engagement)
            wait_until(sent(engagement, PEOPLE), "the people from before")
            wire.cut()
            enter(engagement)
            time.sleep(5)  # longer than the socket's timeout
            wire.mend()
            wait_until(sent(engagement, 2 * PEOPLE), "the others", 30)

    invariants.check(engagement, sandbox, sandbox.key)
    assert set(invariants.received(sandbox).values()) == {1}


def test_a_broker_that_became_a_replica(engagement, sandbox, broker):
    """A failover: it answers, takes no writes, and unblocks whoever waits at it."""
    with (
        worker(REDIS_URL=broker.url) as celery,
        beat(REDIS_URL=broker.url) as ticking,
        broker.client() as client,
    ):
        enter(engagement)
        wait_until(sent(engagement, PEOPLE), "the people from before")
        client.replicaof("127.0.0.1", "1")  # where nobody is
        enter(engagement)
        time.sleep(4)  # the outage itself, not a race
        client.replicaof("NO", "ONE")
        wait_until(sent(engagement, 2 * PEOPLE), "the others", 30)
        assert [p.process.poll() for p in (celery, ticking)] == [None, None]

    invariants.check(engagement, sandbox, sandbox.key)
    assert set(invariants.received(sandbox).values()) == {1}
