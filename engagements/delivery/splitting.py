"""Two smaller batches in place of one: halves tell who of them is the trouble."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection

from engagements.models import Batch, Delivery
from engagements.outbox import delivery_records, doubt
from lemnisk_braze.lib.logs import after_commit, get_logger

logger = get_logger(__name__)

POISON = "poison: three workers ended while they had this person in hand."

# Halves go before the others of the run, both before a half of one of them: the sooner
# both are known, the sooner it is clear whether one person is the cause or everybody.
FIRST, NEXT = timedelta(seconds=-1), timedelta(milliseconds=1)


def halve(batch: Batch, places: Sequence[int], reap_count: int = 0) -> None:
    """Put two batches, with the people at these places, in place of one."""
    attempt_id = batch.lease_token
    batch.state = Batch.State.SPLIT
    batch.lease_token = batch.lease_until = None
    batch.save(update_fields=["state", "lease_token", "lease_until"])
    first = _reserve_sequences(batch.run_id, 2)
    due = batch.next_attempt_at + (FIRST if batch.parent_id is None else NEXT)
    middle = len(places) // 2
    halves = []
    for sequence, half in enumerate((places[:middle], places[middle:]), first):
        part = Batch.objects.create(
            run_id=batch.run_id,
            sequence=sequence,
            parent=batch,
            profile_ids=[batch.profile_ids[n] for n in half],
            event_ids=[batch.event_ids[n] for n in half if batch.event_ids],
            transition_ids=[
                batch.transition_ids[n] for n in half if batch.transition_ids
            ],
            reap_count=reap_count,
            written_at=batch.written_at,
            next_attempt_at=due,
        )
        halves.append(part.pk)
    after_commit(
        logger.info,
        "batch.split",
        attempt_id=attempt_id,
        batch_id=batch.pk,
        run_id=batch.run_id,
        halves=halves,
    )


def isolate(batch: Batch) -> None:
    """Split what kills its workers; one person alone is given up.

    The halves are as much under suspicion, and the next time is one too many.
    """
    places = batch.places_left
    if len(places) > 1:
        halve(batch, places, reap_count=batch.reap_count - 1)
        return
    if doubt.stay_whole(batch, f"Not sent again: {POISON}"):
        return
    batch.state = Batch.State.DEAD
    batch.save(update_fields=["state"])
    delivery_records.settle([batch.pk], Delivery.State.DEAD, POISON)


def _reserve_sequences(run_id: int, count: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE engagements_run SET next_sequence = next_sequence + %s"
            " WHERE id = %s RETURNING next_sequence",
            [count, run_id],
        )
        return int(cursor.fetchone()[0]) - count
