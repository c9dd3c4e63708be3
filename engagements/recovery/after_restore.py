"""After the database was restored from a backup: who may have been sent to already.

The old database knew of requests that the restored one does not. Whatever the restored
one would still send, and was due before the old one was lost, is therefore in doubt.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from engagements.audience import expansion, to_take_in
from engagements.models import Attempt, Batch, Delivery, Engagement, Run, Worker
from engagements.outbox import delivery_records
from engagements.schedules import making
from engagements.sync import state

State = Engagement.State

REASON = "It may have been sent after the backup that was restored was made."
# A worker process that said so in this time is at work.
ALIVE = timedelta(seconds=60)

INTO_ATTEMPTS = """
    INSERT INTO engagements_attempt (id, batch_id, version_id, key_version, worker,
        left_out, item_count, request_sha256, outcome, message)
    SELECT gen_random_uuid(), b.id, v.id, c.key_version, '', b.left_out, 0, '',
        'ambiguous', %s
    FROM engagements_batch b
    JOIN engagements_run r ON r.id = b.run_id
    JOIN externalapi_externalapiversion v ON v.id = r.version_id
    JOIN externalapi_connection c ON c.id = v.connection_id
    WHERE b.id = ANY(%s)
"""


def workers_at_work() -> list[str]:
    """The worker processes that would send while it is decided what may be sent."""
    alive = Worker.objects.filter(seen_at__gt=Now() - ALIVE)
    return sorted(alive.values_list("name", flat=True))


def in_doubt(before: datetime, engagement: Engagement | None = None) -> int:
    """About how many people mark_uncertain would make uncertain."""
    return sum(_people(one, before) for one in _engagements(engagement))


def _people(engagement: Engagement, before: datetime) -> int:
    runs = _runs(engagement, before).select_related("engagement")
    waiting = Batch.objects.open().filter(run__in=runs, created_at__lt=before).people()
    expanding = sum(to_take_in.people(run) for run in runs)
    is_due = _is_scheduled(engagement) and making.is_due(engagement, before)
    due = engagement.segment.memberships.count() if is_due else 0
    return waiting + expanding + due


def mark_uncertain(before: datetime, engagement: Engagement | None = None) -> int:
    """Make everybody uncertain who was due before a time and is not sent to yet.

    Whatever the engagements' policy says of a lost answer: here a person decides, for
    all of them (retry_now.settle). Runs that were due get made and count as well.
    Returns how many people. Each engagement is a transaction of its own: stopped and
    run again, it goes on. No worker may be at work meanwhile.
    """
    # What is known here of what Braze accepted is older than what Braze has.
    own = [engagement] if engagement else Engagement.objects.all()
    state.forget([one.pk for one in own])
    return sum(_mark(one.pk, before) for one in _engagements(engagement))


@transaction.atomic
def _mark(engagement_id: int, before: datetime) -> int:
    # Waits for those who are just writing down what they are about to send.
    engagement = Engagement.objects.select_for_update(no_key=True).get(pk=engagement_id)
    if _is_scheduled(engagement):
        making.make_due_run(engagement, before)
    runs = _runs(engagement, before)
    old = Batch.objects.open().filter(run__in=runs, created_at__lt=before)
    batches = {*old.values_list("pk", flat=True), *_expand(runs)}
    return _doubt(batches)


def _engagements(one: Engagement | None) -> QuerySet[Engagement]:
    """Those that may still send, by themselves or once somebody resumes them."""
    states = (State.ACTIVE, State.PAUSED, State.BLOCKED)
    found = Engagement.objects.filter(state__in=states).order_by("pk")
    return found.filter(pk=one.pk) if one else found


def _is_scheduled(engagement: Engagement) -> bool:
    """Whether it was making runs when the backup was made ("Pause all" came after)."""
    is_active = engagement.state == State.ACTIVE or engagement.is_held
    return is_active and engagement.trigger == Engagement.Trigger.SCHEDULE


def _runs(engagement: Engagement, before: datetime) -> QuerySet[Run]:
    return engagement.runs.filter(state__in=Run.OPEN, scheduled_for__lt=before)


def _expand(runs: QuerySet[Run]) -> set[int]:
    """Take in everybody who waits before these runs; return the batches made."""
    made: set[int] = set()
    for run_id in list(runs.values_list("pk", flat=True)):
        own = Batch.objects.filter(run_id=run_id)
        there = set(own.values_list("pk", flat=True))
        while expansion.expand([run_id]):
            pass
        made |= set(own.values_list("pk", flat=True)) - there
    return made


def _doubt(batch_ids: Iterable[int]) -> int:
    ids = list(batch_ids)
    batches = Batch.objects.filter(pk__in=ids)
    people = batches.people()
    batches.update(state=Batch.State.UNCERTAIN, lease_token=None, lease_until=None)
    Attempt.objects.filter(batch__in=ids, outcome=Attempt.Outcome.UNFINISHED).update(
        outcome=Attempt.Outcome.AMBIGUOUS, message=REASON
    )
    with connection.cursor() as cursor:
        cursor.execute(INTO_ATTEMPTS, [REASON, ids])
    delivery_records.settle(ids, Delivery.State.UNCERTAIN, REASON)
    return people
