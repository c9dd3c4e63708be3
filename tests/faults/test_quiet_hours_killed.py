"""kill -9 while it becomes day in one zone after another: nobody is sent in their night."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest

from engagements import wakeup
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery, Engagement
from externalapi.connections import encryption
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from lemnisk_braze.lib import database_clock
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.doubles.moved_clock import MovedClock, moved_clock
from tests.faults import invariants
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

OF_EACH = 300
SLOW = {"kind": "delay_after", "seconds": 0.1, "times": None}
# In the night of Greenwich: when it is day where, one after the other.
MORNINGS = {
    "America/New_York": datetime(2027, 3, 10, 23, tzinfo=UTC),  # 18:00
    "Asia/Kolkata": datetime(2027, 3, 11, 2, 30, tzinfo=UTC),  # 08:00
    "Mars/Olympus": datetime(2027, 3, 11, 8, tzinfo=UTC),  # 08:00 of the others
}


@pytest.fixture
def clock(transactional_db: None) -> Iterator[MovedClock]:
    with moved_clock() as clock:
        clock.set(min(MORNINGS.values()))
        yield clock


@pytest.fixture
def engagement(clock: MovedClock, sandbox: SandboxProcess) -> Engagement:
    connection = factories.make_connection(base_url=sandbox.url)
    encryption.set_key(connection, sandbox.key)
    people = [
        factories.make_profile(external_id=f"{zone} {n}", first_name="Ann", tz=zone)
        for n in range(OF_EACH)
        for zone in MORNINGS
    ]
    made: Engagement = factories.make_engagement(
        factories.make_segment(people),
        factories.make_version(connection=connection),
        trigger="schedule",
        ambiguous_policy="park",
        quiet_from=time(22),
        quiet_to=time(8),
        quiet_zone_attribute="tz",
    )
    return made


def test_each_is_sent_in_their_day_and_once(engagement, clock, sandbox):
    transitions.activate(engagement)
    had: set[str] = set()
    for zone, morning in MORNINGS.items():
        clock.set(morning)
        send_with_a_kill(sandbox)
        got = set(invariants.received(sandbox))
        assert {name.rsplit(" ", 1)[0] for name in got - had} == {zone}
        had = got
    # Who was killed may have had a request in hand that had not left yet.
    people = engagement.segment.memberships.values_list(
        "profile__external_id", flat=True
    )
    in_doubt = Delivery.objects.filter(state=Delivery.State.UNCERTAIN)
    assert {*people} == had | {*in_doubt.values_list("profile__external_id", flat=True)}
    assert max(invariants.received(sandbox).values()) == 1
    invariants.check(engagement, sandbox, sandbox.key)


def send_with_a_kill(sandbox: SandboxProcess) -> None:
    """What is due now, by two workers of which one is killed at it."""
    before = sandbox.traffic()["requests"]
    sandbox.faults([SLOW])
    with worker() as first, worker(), beat():
        wakeup.publish()
        wait_until(lambda: sandbox.traffic()["requests"] > before + 1, "its middle")
        first.kill()
        sandbox.clear_faults()
        wait_until(all_wait, "the end of what is due")


def all_wait() -> bool:
    """Whether everybody who is not at their end waits for long."""
    soon = database_clock.now() + timedelta(minutes=30)
    rest = Batch.objects.open().exclude(state__in=Batch.DUE, next_attempt_at__gt=soon)
    return Batch.objects.exists() and not rest.exists()
