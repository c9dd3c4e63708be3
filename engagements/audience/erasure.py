"""Somebody is erased: what was sent to them is still counted, and nothing names them.

A delivery stays as an end without a person. A batch keeps the place, with nobody in it:
all other places, and those that attempts speak of, mean who they meant.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models.signals import pre_delete

from segments.models import Profile

# An open batch may hold them; of all others their deliveries know, and of a batch that
# was split its parts.
FIND = """
    WITH RECURSIVE lineage AS (
        SELECT b.id, b.parent_id FROM engagements_batch b
        WHERE b.id IN (
            SELECT batch_id FROM engagements_delivery WHERE profile_id = ANY(%(people)s)
            UNION ALL
            SELECT id FROM engagements_batch
            WHERE state IN ('pending', 'leased', 'sending', 'retry')
              AND profile_ids && %(people)s::bigint[]
        )
        UNION
        SELECT b.id, b.parent_id FROM engagements_batch b
        JOIN lineage l ON b.id = l.parent_id
    )
    SELECT id FROM engagements_batch WHERE id IN (SELECT id FROM lineage)
    ORDER BY id FOR UPDATE
"""
# Whoever takes people in has their run's lock to the end of the transaction.
HOLD_RUNS = """
    SELECT id FROM engagements_run WHERE state IN ('expanding', 'sending')
    ORDER BY id FOR SHARE
"""
# An end for who has none yet.
END = """
    INSERT INTO engagements_delivery (run_id, batch_id, state)
    SELECT b.run_id, b.id, 'erased' FROM engagements_batch b
    CROSS JOIN LATERAL unnest(b.profile_ids) WITH ORDINALITY m (profile_id, place)
    WHERE b.id = ANY(%(batches)s) AND m.profile_id = ANY(%(people)s)
      AND b.state IN ('pending', 'leased', 'sending', 'retry')
      AND m.place - 1 <> ALL(b.left_out)
"""
UNCOUNT = """
    UPDATE engagements_batch b SET sent_count = b.sent_count - d.n FROM (
        SELECT batch_id, count(*) AS n FROM engagements_delivery
        WHERE profile_id = ANY(%(people)s) AND state = 'sent' GROUP BY batch_id
    ) d WHERE b.id = d.batch_id
"""
UNNAME = """
    UPDATE engagements_delivery SET profile_id = NULL, event_id = NULL,
        state = 'erased', reason = '', updated_at = clock_timestamp()
    WHERE profile_id = ANY(%(people)s)
"""
# Of those who were skipped the batch says how many, and why.
RECOUNT = """
    UPDATE engagements_batch b SET skip_counts = coalesce((
        SELECT jsonb_object_agg(code, n) FROM (
            SELECT split_part(d.reason, ':', 1) AS code, count(*) AS n
            FROM unnest(b.profile_ids, b.transition_ids) m (profile_id, entry_id)
            JOIN engagements_delivery d ON d.profile_id = m.profile_id
                AND d.run_id = b.run_id AND d.transition_id = coalesce(m.entry_id, 0)
                AND d.batch_id = b.id
            WHERE d.state = 'skipped' GROUP BY 1
        ) c
    ), '{}') WHERE b.id = ANY(%(batches)s) AND b.skip_counts <> '{}'
"""
VACATE = """
    UPDATE engagements_batch b SET
        profile_ids = x.profile_ids, left_out = x.left_out,
        event_ids = CASE WHEN b.event_ids = '{}' THEN b.event_ids ELSE x.event_ids END,
        state = CASE
            WHEN b.state = 'uncertain'
              AND cardinality(x.left_out) = cardinality(b.profile_ids)
            THEN 'done' ELSE b.state END
    FROM (
        SELECT b.id,
            array_agg(CASE WHEN is_gone THEN 0 ELSE m.profile_id END ORDER BY m.place)
                AS profile_ids,
            array_agg(CASE WHEN NOT is_gone THEN m.event_id END ORDER BY m.place)
                AS event_ids,
            coalesce(array_agg((m.place - 1)::smallint ORDER BY m.place)
                FILTER (WHERE is_gone OR m.place - 1 = ANY(b.left_out)), '{}')
                AS left_out
        FROM engagements_batch b
        CROSS JOIN LATERAL unnest(b.profile_ids, b.event_ids)
            WITH ORDINALITY m (profile_id, event_id, place)
        CROSS JOIN LATERAL (SELECT m.profile_id = ANY(%(people)s)) g (is_gone)
        WHERE b.id = ANY(%(batches)s) GROUP BY b.id
    ) x WHERE b.id = x.id
"""
WHO_IS_AT = """
    SELECT b.profile_ids[place + 1] FROM engagements_batch b
    CROSS JOIN unnest(%(gone)s::int[]) place WHERE b.id = %(batch)s
"""
FORGET_SENT = "DELETE FROM engagements_sentbefore WHERE profile_id = ANY(%(people)s)"
# By engagement: its people are in the index behind it.
FORGET_ACCEPTED = """
    DELETE FROM engagements_accepted
    WHERE engagement_id = ANY(ARRAY(SELECT id FROM engagements_engagement))
      AND profile_id = ANY(%(people)s)
"""
FORGET_TAKEN_IN = "DELETE FROM engagements_takenin WHERE profile_id = ANY(%(people)s)"
FORGET_COUNTED = "DELETE FROM engagements_sentlately WHERE profile_id = ANY(%(people)s)"
# What was answered may name them; why nobody answered are words of our own.
SILENCE = """
    UPDATE engagements_attempt SET response_head = '', message = '', note = ''
    WHERE batch_id = ANY(%(batches)s) AND status IS NOT NULL
      AND (response_head, message, note) <> ('', '', '')
"""
FORGET = (FORGET_SENT, FORGET_TAKEN_IN, FORGET_ACCEPTED, FORGET_COUNTED)


def connect() -> None:
    """Forget whoever is deleted, however it is done."""
    pre_delete.connect(
        _forget_one, sender=Profile, dispatch_uid="engagements.audience.erasure"
    )


def _forget_one(instance: Profile, **kwargs: object) -> None:
    forget([instance.pk])


@transaction.atomic
def forget(profile_ids: Collection[int]) -> None:
    """Let nothing name these people; what they had in a run becomes "erased".

    Where they are on the wire the answer is about the others. Call it in the
    transaction that deletes them: nobody takes them in again meanwhile.
    """
    people: dict[str, Any] = {"people": sorted(profile_ids)}
    with connection.cursor() as cursor:
        cursor.execute(FIND, people)
        cursor.execute(HOLD_RUNS)
        # Again: some may just have been taken in.
        cursor.execute(FIND, people)
        people["batches"] = [batch_id for (batch_id,) in cursor]
        for statement in (END, UNCOUNT, UNNAME, RECOUNT, VACATE, *FORGET, SILENCE):
            cursor.execute(statement, people)


def vacate(places: Mapping[int, Sequence[int]]) -> None:
    """The same for people at these places of batches in hand, who are gone already."""
    for batch_id, gone in places.items():
        if gone:
            with connection.cursor() as cursor:
                cursor.execute(WHO_IS_AT, {"batch": batch_id, "gone": list(gone)})
                people = {"people": [id for (id,) in cursor], "batches": [batch_id]}
                cursor.execute(END, people)
                cursor.execute(VACATE, people)
