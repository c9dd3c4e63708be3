"""The database was lost, and an older state of it was put back."""

from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from engagements.lifecycle import pause_all
from engagements.models import Batch, Delivery, Engagement, Run, Worker
from engagements.outbox import workers
from engagements.recovery import retry_now
from engagements.recovery.selection import Choice
from engagements.tick import tick
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = ("run", "batch", "delivery", "attempt", "engagement", "worker", "destination")


@contextmanager
def put_back_afterwards():
    """The engagements' tables as they were before the block, when it is over."""
    with connection.cursor() as cursor, transaction.atomic():
        for table in TABLES:
            cursor.execute(f"CREATE TABLE old_{table} AS TABLE engagements_{table}")
    try:
        yield
    finally:
        with connection.cursor() as cursor, transaction.atomic():
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table in TABLES:
                cursor.execute(f"DELETE FROM engagements_{table}")
                cursor.execute(f"INSERT INTO engagements_{table} TABLE old_{table}")
                cursor.execute(f"DROP TABLE old_{table}")


def mark(*arguments: str) -> str:
    out = StringIO()
    before = timezone.now().isoformat()
    call_command(
        "mark_uncertain", f"--before={before}", "--yes", *arguments, stdout=out
    )
    return out.getvalue()


def stop_the_workers() -> None:
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=2))


def test_nobody_is_sent_twice_by_itself_after_a_restore(active, sandbox):
    engagement = active(150)
    with put_back_afterwards():
        working.to_the_end(engagement)
        assert len(invariants.received(sandbox)) == 150
    stop_the_workers()

    assert "150 people" in mark()
    tick()
    working.once()

    assert set(invariants.received(sandbox).values()) == {1}
    assert working.states(engagement) == {"uncertain": 150}


@pytest.mark.parametrize(("decision", "times"), [("mark_sent", {1}), ("resend", {2})])
def test_a_person_decides_for_all(active, sandbox, decision, times):
    engagement = active(150)
    with put_back_afterwards():
        working.to_the_end(engagement)
    stop_the_workers()
    mark()

    assert retry_now.settle(Choice(), decision).people == 150
    working.to_the_end(engagement)

    assert set(invariants.received(sandbox).values()) == times
    assert working.states(engagement) == {"sent": 150}
    invariants.check(engagement, sandbox, sandbox.key)


def test_half_a_run_that_the_backup_knows_of_stays_sent(active, sandbox):
    engagement = active(150)
    sandbox.faults([{"kind": "pass", "times": 1}, {"kind": "status", "status": 500}])
    working.once()
    with put_back_afterwards():
        sandbox.clear_faults()
        working.to_the_end(engagement)
    stop_the_workers()

    mark()

    assert working.states(engagement) == {"sent": 75, "uncertain": 75}


def test_a_slot_that_was_due_meanwhile_is_not_sent_again(active, sandbox):
    engagement = active(3, repeat="hourly")
    working.to_the_end(engagement)
    past = timezone.now() - timedelta(minutes=61)
    Engagement.objects.update(activated_at=past)
    Run.objects.update(scheduled_for=past)
    with put_back_afterwards():
        tick()
        working.to_the_end(engagement)
        assert set(invariants.received(sandbox).values()) == {2}
    stop_the_workers()
    # Whoever presses it first, has done nothing wrong.
    pause_all.pause_all()

    assert "3 people" in mark()
    pause_all.resume_all()
    tick()
    working.once()

    assert set(invariants.received(sandbox).values()) == {2}
    assert working.states(engagement) == {"sent": 3, "uncertain": 3}


def test_entries_that_nobody_had_taken_in_are_in_doubt(active):
    engagement = active(0, trigger=Engagement.Trigger.ON_ENTRY)
    factories.enter(engagement.segment, factories.make_profile())
    stop_the_workers()

    assert "1 person" in mark()

    assert working.states(engagement) == {"uncertain": 1}


def test_what_begins_after_the_loss_is_certain(active):
    engagement = active(3)
    lost_at = (timezone.now() - timedelta(days=1)).isoformat()
    out = StringIO()

    call_command("mark_uncertain", f"--before={lost_at}", "--yes", stdout=out)

    assert "Nobody was due" in out.getvalue()
    assert not Batch.objects.filter(run__engagement=engagement).exists()


def test_only_one_engagement_if_it_is_named(active):
    one, other = active(2), active(3)

    assert "Uncertain: 2 people" in mark(f"--engagement={one}")

    assert not Delivery.objects.filter(run__engagement=other).exists()


def test_twice_does_nothing_more(active):
    engagement = active(3)
    mark()

    assert "Nobody was due" in mark()

    assert working.outcomes(engagement) == {"ambiguous": 1}


def test_not_while_a_worker_is_at_work(active, monkeypatch):
    active(3)
    monkeypatch.setattr(workers, "_checked_at", float("-inf"))
    monkeypatch.setattr(workers, "_drains", False)
    working.once()

    with pytest.raises(CommandError, match="Stop the workers first"):
        mark()


def test_not_for_the_future(active):
    later = (timezone.now() + timedelta(hours=1)).isoformat()

    with pytest.raises(CommandError, match="lies in the future"):
        call_command("mark_uncertain", f"--before={later}", "--yes")
