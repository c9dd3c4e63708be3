"""kill -9 in the middle of a first fill: gone on with, and nobody is sent to twice."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from engagements.lifecycle import transitions
from engagements.models import Delivery, Engagement
from segments import wakeup
from segments.membership.counts import at_work
from segments.models import Segment, Transition
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.faults import invariants
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

EVERYBODY = {"attribute": "first_name", "is": "starts_with", "value": "Ann"}
# The key of the lock that a count waits for between its first range and its second.
GATE = 816
STAND_STILL = """
CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF pg_backend_pid() <> {pid} AND EXISTS (
        SELECT FROM segments_segment WHERE counting_until IS NOT NULL
    ) AND EXISTS (SELECT FROM segments_transition)
    THEN PERFORM pg_advisory_xact_lock_shared({gate}); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stand_still BEFORE UPDATE ON segments_segment
FOR EACH STATEMENT EXECUTE FUNCTION stand_still();
"""


@contextmanager
def standing_still_after_a_range() -> Iterator[None]:
    """Whatever other process counts a segment writes one range and gets no further."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
        cursor.execute("SELECT pg_advisory_lock(%s)", [GATE])
        cursor.execute(STAND_STILL.format(pid=pid, gate=GATE))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            cursor.execute("DROP FUNCTION stand_still CASCADE")


def is_anybody_standing() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE locktype = 'advisory' AND NOT granted"
            " AND datname = current_database()"
        )
        return cursor.fetchone() is not None


def test_a_fill_whose_worker_is_killed_is_gone_on_with_and_sends_to_each_once(
    braze, sandbox
):
    everybody = at_work.BLOCK * (at_work.FEW_BLOCKS + 2)
    factories.make_people(everybody)
    segment = factories.make_segment(rule=EVERYBODY, refreshed_at=None)
    engagement = factories.make_engagement(
        segment,
        factories.make_version(connection=braze),
        trigger=Engagement.Trigger.ON_ENTRY,
        ambiguous_policy=Engagement.AmbiguousPolicy.PARK,
    )
    transitions.activate(engagement)
    with standing_still_after_a_range(), worker() as first:
        wakeup.refresh_segment(segment.pk)
        wait_until(is_anybody_standing, "the middle of the fill")
        written = segment.memberships.count()
        assert 0 < written < everybody
        first.kill()
    segment.refresh_from_db()
    assert segment.refreshed_at is None
    assert segment.memberships.count() == written
    # Nobody can tell before that whether it is dead.
    Segment.objects.update(counting_until=Now() - timedelta(seconds=1))
    last = Transition.objects.latest("pk").pk

    with worker(), beat():
        wait_until(lambda: is_over(engagement, everybody), "everybody's request")

    segment.refresh_from_db()
    assert segment.refreshed_at is not None
    assert segment.counting_until is None
    assert segment.size == segment.memberships.count() == everybody
    assert segment.transitions.count() == everybody
    assert segment.transitions.filter(pk__gt=last).count() == everybody - written
    invariants.check(engagement, sandbox, sandbox.key)
    in_doubt = Delivery.objects.filter(state="uncertain").count()
    assert set(Counter(invariants.received(sandbox)).values()) == {1}
    assert len(invariants.received(sandbox)) >= everybody - in_doubt


def is_over(engagement: Engagement, people: int) -> bool:
    ended = Delivery.objects.filter(run__engagement=engagement)
    return ended.exclude(state="pending").count() == people
