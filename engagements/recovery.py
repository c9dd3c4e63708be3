"""What a worker that died, or lost the database, left behind."""

from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from engagements import outcomes, splitting
from engagements.models import Attempt, Batch

# Leases that ran out. After a restart of the database they all look so: wait one lease
# from the start of the server, in which living workers can still record.
EXPIRED = """
    SELECT id, state, lease_token FROM engagements_batch
    WHERE state IN ('leased', 'sending') AND lease_until < clock_timestamp()
      AND pg_postmaster_start_time() + make_interval(secs => %s) < clock_timestamp()
    ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
"""

# A batch that took so many workers with it is no accident.
KILLER = 3


def reap() -> int:
    """Take back what expired leases hold; return how many batches.

    A batch that never came to its intent is provably unsent and waits again; if that
    is so for the third time, it is what kills the workers, and is split until the one
    person remains who is given up. A batch that did come to its intent is ambiguous:
    its attempts say so, and the engagement's policy decides.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(EXPIRED, [settings.DELIVERY_LEASE.total_seconds()])
            expired = cursor.fetchall()
        for batch_id, state, token in expired:
            if state == Batch.State.LEASED:
                _take_back(batch_id)
            else:
                _doubt(batch_id, token)
    return len(expired)


def _take_back(batch_id: int) -> None:
    batch = Batch.objects.get(pk=batch_id)
    batch.state = Batch.State.PENDING
    batch.lease_token = batch.lease_until = None
    batch.reap_count += 1
    batch.save(update_fields=["state", "lease_token", "lease_until", "reap_count"])
    if batch.reap_count >= KILLER:
        splitting.isolate(batch)


def _doubt(batch_id: int, token: UUID) -> None:
    Attempt.objects.filter(
        batch_id=batch_id, outcome=Attempt.Outcome.UNFINISHED
    ).update(
        outcome=Attempt.Outcome.AMBIGUOUS,
        message="The worker ended before it could write down an answer.",
    )
    outcomes.doubt(batch_id, token)
