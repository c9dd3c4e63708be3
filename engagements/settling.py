"""Deliveries: the one row that tells what became of a person in a run.

Written in sets out of the batches' own lists. A row that says an end never changes,
but for "uncertain", which may still become what really happened.
"""

from collections.abc import Iterable, Mapping

from django.db import connection

from engagements.models import Batch, Delivery

INTO_DELIVERIES = """
    ON CONFLICT (profile_id, run_id, transition_id) DO UPDATE
    SET state = excluded.state, reason = excluded.reason,
        updated_at = excluded.updated_at
    WHERE d.state = 'uncertain'
"""
# The end of everybody in {batches} (rows of Batch) who is not left out already.
SETTLE = """
    INSERT INTO engagements_delivery AS d
        (run_id, profile_id, event_id, transition_id, batch_id, state, reason)
    SELECT b.run_id, m.profile_id, m.event_id, coalesce(m.transition_id, 0), b.id,
        {state}, {reason}
    FROM {batches} b
    CROSS JOIN LATERAL unnest(b.profile_ids, b.event_ids, b.transition_ids)
        WITH ORDINALITY m (profile_id, event_id, transition_id, place)
    WHERE m.place - 1 <> ALL(b.left_out)
"""
SETTLE_REST = (
    SETTLE.format(
        batches="(SELECT * FROM engagements_batch WHERE id = ANY(%s))",
        state="%s",
        reason="%s",
    )
    + INTO_DELIVERIES
)
SETTLE_PLACES = f"""
    INSERT INTO engagements_delivery AS d
        (run_id, profile_id, event_id, transition_id, batch_id, state, reason)
    SELECT b.run_id, b.profile_ids[x.place + 1], b.event_ids[x.place + 1],
        coalesce(b.transition_ids[x.place + 1], 0), b.id, %s, x.reason
    FROM unnest(%s::bigint[], %s::int[], %s::text[]) AS x (batch_id, place, reason)
    JOIN engagements_batch b ON b.id = x.batch_id
    {INTO_DELIVERIES}
"""
LEAVE_OUT = """
    UPDATE engagements_batch b SET left_out = ARRAY(
        SELECT DISTINCT place FROM unnest(b.left_out || x.places) place ORDER BY place
    )
    FROM (
        SELECT batch_id, array_agg(place::smallint) AS places
        FROM unnest(%s::bigint[], %s::int[]) AS y (batch_id, place) GROUP BY batch_id
    ) x WHERE b.id = x.batch_id
"""

# Batch → place → why.
Reasons = Mapping[int, Mapping[int, str]]


def settle(batch_ids: Iterable[int], state: Delivery.State, reason: str = "") -> None:
    """Write the end of everybody in the batches who is not left out already."""
    if batch_ids := list(batch_ids):
        with connection.cursor() as cursor:
            cursor.execute(SETTLE_REST, [state, reason, batch_ids])


def settle_places(state: Delivery.State, reasons: Reasons) -> None:
    """Write the end of these people, and let no further request take them along."""
    batch_ids, places, texts = _columns(reasons)
    if batch_ids:
        with connection.cursor() as cursor:
            cursor.execute(SETTLE_PLACES, [state, batch_ids, places, texts])
    leave_out({batch_id: own.keys() for batch_id, own in reasons.items()})


def leave_out(places: Mapping[int, Iterable[int]]) -> None:
    """Take these people of the batches along in no further request."""
    pairs = [(batch_id, place) for batch_id, own in places.items() for place in own]
    if pairs:
        columns = [list(column) for column in zip(*pairs, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(LEAVE_OUT, columns)


def cancel(batch_ids: Iterable[int]) -> None:
    """Cancel batches, and everybody in them who is still open."""
    batch_ids = list(batch_ids)
    settle(batch_ids, Delivery.State.CANCELLED)
    Batch.objects.filter(pk__in=batch_ids).update(state=Batch.State.CANCELLED)


def reopen(batch: Batch) -> None:
    """Let the batch's uncertain people wait again: they have no end any more."""
    Delivery.objects.filter(
        run_id=batch.run_id,
        profile_id__in=batch.profile_ids,
        batch=batch,
        state=Delivery.State.UNCERTAIN,
    ).delete()


def _columns(reasons: Reasons) -> tuple[list[int], list[int], list[str]]:
    rows = [
        (batch_id, place, text)
        for batch_id, own in reasons.items()
        for place, text in own.items()
    ]
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]
