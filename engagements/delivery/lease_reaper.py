"""What a worker that died, or lost the database, left behind."""

from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from engagements.delivery import journal, outcomes, samples, splitting
from engagements.models import Attempt, Batch
from engagements.outbox import workers
from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.logs import after_commit, get_logger

logger = get_logger(__name__)

# Leases that ran out.
EXPIRED = """
    SELECT id, state, lease_token FROM engagements_batch
    WHERE state IN ('leased', 'sending') AND lease_until < clock_timestamp()
    ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
"""
# After the database was away they all look so: one lease is waited from then on, in
# which living workers can still record. It was away when it started, and whenever no
# tick could write down that it came.
IS_BACK = """
    SELECT greatest(pg_postmaster_start_time(), %(back)s)
        + make_interval(secs => %(lease)s) < clock_timestamp()
"""

# A batch that took so many workers with it is no accident.
KILLER = 3


def reap() -> int:
    """Take back what expired leases hold; return how many batches.

    A batch that never came to its intent is provably unsent and waits again. Where its
    worker has ended, for the third time, it is what kills them, and is split until the
    one person remains who is given up. A batch that did come to its intent is
    ambiguous: its attempts say so, and the engagement's policy decides.
    """
    # On this machine answers may be known. While they cannot be written down, nothing is
    # in doubt: another session may find the database there that this one has lost.
    if not journal.replay(overdue=True) or not _is_back():
        return 0
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(EXPIRED)
            expired = cursor.fetchall()
        for batch_id, state, token in expired:
            _reap(batch_id, state, token)
    return len(expired)


def _is_back() -> bool:
    lease = settings.DELIVERY_LEASE
    with connection.cursor() as cursor:
        cursor.execute(
            IS_BACK,
            {"back": samples.last_gap(lease), "lease": lease.total_seconds()},
        )
        return bool(cursor.fetchone()[0])


def _reap(batch_id: int, state: str, token: UUID) -> None:
    try:
        with transaction.atomic():
            if state == Batch.State.LEASED:
                _take_back(batch_id, token)
            else:
                _doubt(batch_id, token)
    except Exception as e:
        if about(e) is About.CONNECTION:
            raise
        # One batch does not keep the others.
        workers.report(e)


def _take_back(batch_id: int, token: UUID) -> None:
    batch = Batch.objects.get(pk=batch_id)
    batch.state = Batch.State.PENDING
    batch.lease_token = batch.lease_until = None
    # Who lives, and only came to nothing, was not killed by what it had in hand.
    batch.reap_count += workers.has_ended(token.hex[:8])
    batch.save(update_fields=["state", "lease_token", "lease_until", "reap_count"])
    after_commit(
        logger.warning,
        "batch.taken_back",
        attempt_id=token,
        batch_id=batch_id,
        run_id=batch.run_id,
        ended_workers=batch.reap_count,
    )
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
