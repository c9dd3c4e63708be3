"""Who may have been sent already: an answer to a request with them in it was lost.

Whoever is not sent again then, since a guard stops them by now, no payload can be made,
the run is cancelled or the attempts are used up, was not simply skipped or given up: they
stay uncertain, with why they are not sent again, until somebody decides. So they go on
counting under frequency caps, too.
"""

from collections.abc import Collection, Sequence

from django.db import connection

from engagements.models import Batch, Delivery
from engagements.outbox import delivery_records
from engagements.outbox.claim import Claim
from segments.models import copying

CANCELLED = "Not sent again. The run was cancelled."
# Of a part of a batch what was tried before it was parted. Attempts are looked up one
# batch after another, however few there were when the statistics were made.
IN_DOUBT = """
    WITH RECURSIVE line AS (
        SELECT id AS part, id FROM unnest(%s::bigint[]) id
        UNION ALL
        SELECT line.part, b.parent_id FROM line
        JOIN engagements_batch b ON b.id = line.id WHERE b.parent_id IS NOT NULL
    )
    SELECT DISTINCT part FROM line WHERE (
        SELECT true FROM engagements_attempt a
        WHERE a.batch_id = line.id AND a.outcome = 'ambiguous' LIMIT 1
    )
"""
# One more batch of the same run, with these places of another.
APART = """
    WITH reserved AS (
        UPDATE engagements_run r SET next_sequence = next_sequence + 1
        FROM engagements_batch b WHERE b.id = %(batch)s AND r.id = b.run_id
        RETURNING r.next_sequence - 1 AS sequence
    )
    INSERT INTO engagements_batch (run_id, sequence, state, parent_id, written_at,
        attempt_count, ambiguous_count, reap_count,
        profile_ids, event_ids, transition_ids, variants)
    SELECT b.run_id, reserved.sequence, 'uncertain', b.id, b.written_at,
        b.attempt_count, b.ambiguous_count, b.reap_count, {lists}
    FROM engagements_batch b, reserved WHERE b.id = %(batch)s
    RETURNING id
""".format(
    lists=", ".join(
        f"ARRAY(SELECT b.{name}[place + 1] FROM unnest(%(places)s::int[])"
        " WITH ORDINALITY x (place, number)"
        f" WHERE b.{name} <> '{{}}' ORDER BY number)"
        for name in ("profile_ids", "event_ids", "transition_ids", "variants")
    )
)


def in_doubt(claims: Sequence[Claim]) -> set[int]:
    """The ids of those batches whose people may have been sent by an earlier request."""
    return of([held.batch_id for held in claims if held.is_written])


def of(batch_ids: Collection[int]) -> set[int]:
    """The same of batches by their ids, whether a request was written or not."""
    if not batch_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(IN_DOUBT, [list(batch_ids)])
        return {batch_id for (batch_id,) in cursor}


def cancel(batch_ids: Collection[int]) -> None:
    """Cancel batches, and everybody in them who is still open.

    Call it where they are locked.
    """
    doubtful = of(batch_ids)
    delivery_records.cancel([id for id in batch_ids if id not in doubtful])
    for batch_id in sorted(doubtful):
        _stop(batch_id)
    delivery_records.settle(doubtful, Delivery.State.UNCERTAIN, CANCELLED)


def stay(reasons: delivery_records.Reasons) -> None:
    """Let these people of batches stay uncertain; why: they are not sent again.

    Where others of the batch are sent, they leave for one of their own, so that what is
    decided is about them alone. Call it where the batches are locked.
    """
    for batch_id, own in sorted(reasons.items()):
        batch = Batch.objects.get(pk=batch_id)
        # Somebody may have been erased meanwhile.
        left = batch.places_left
        places = [place for place in left if place in own]
        if not places:
            continue
        if len(places) == len(left):
            _stop(batch_id)
            delivery_records.doubt({batch_id: {n: own[n] for n in places}})
        else:
            delivery_records.leave_out({batch_id: places})
            apart = _apart(batch_id, places)
            words = {n: own[place] for n, place in enumerate(places)}
            delivery_records.doubt({apart: words})


def stay_whole(batch: Batch, reason: str) -> bool:
    """The same of everybody who is left in a batch, for one reason.

    False where nobody can have been sent: then nothing is written.
    """
    left = batch.places_left
    if not left or not of([batch.pk]):
        return False
    stay({batch.pk: dict.fromkeys(left, reason)})
    return True


def _stop(batch_id: int) -> None:
    Batch.objects.filter(pk=batch_id).update(
        state=Batch.State.UNCERTAIN, lease_token=None, lease_until=None
    )


def _apart(batch_id: int, places: Collection[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            APART, {"batch": batch_id, "places": copying.number_array(places)}
        )
        return int(cursor.fetchone()[0])
