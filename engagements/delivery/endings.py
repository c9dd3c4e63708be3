"""The ends of attempts: one statement for any number of answers.

With the usual answer, everybody accepted, come the ends of their batches and of all who
are in them.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from engagements.models import Attempt, Batch
from engagements.outbox import delivery_records
from engagements.outbox.prepared_request import Result
from engagements.sync import recording
from externalapi.answers.interpretation import Outcome
from lemnisk_braze.lib.database_retry import LATER_ON_DISK

OPEN = tuple(str(state) for state in Batch.OPEN)

# What came of attempts. One that is known already stays as it is: recording twice does
# nothing. What is answered about somebody who was erased meanwhile may name them.
_ENDS = """
    UPDATE engagements_attempt a
    SET outcome = {outcome}, status = x.status, duration_ms = x.duration_ms,
        message = CASE WHEN {may_name} THEN '' ELSE {message} END,
        note = CASE WHEN {may_name} THEN '' ELSE x.note END,
        response_head = CASE WHEN {may_name} THEN '' ELSE x.response_head END
    FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[],
        %s::int[], %s::text[], %s::int[], %s::int[])
        AS x (id, outcome, status, message, note, response_head, duration_ms, late,
            points, saved)
    CROSS JOIN engagements_batch b
    WHERE a.id = x.id AND b.id = a.batch_id AND a.duration_ms IS NULL AND {condition}
    RETURNING a.id, a.batch_id, x.points, x.saved
"""
# In the place of who was erased stands 0. Why nobody answered are words of our own.
MAY_NAME = """(x.status IS NOT NULL AND 0 = ANY(b.profile_ids) AND EXISTS (
    SELECT FROM unnest(b.profile_ids) WITH ORDINALITY m (profile_id, place)
    WHERE m.profile_id = 0 AND m.place - 1 <> ALL(a.left_out)))"""
# One that the reaper called ambiguous may still be told what happened. Where it was
# sent again meanwhile it stays what it was, and says so: the repeat had its reason.
IS_REPEATED = """(a.outcome = 'ambiguous' AND x.outcome <> 'not_sent' AND EXISTS (
    SELECT FROM engagements_attempt later
    WHERE later.batch_id = a.batch_id AND later.started_at > a.started_at))"""
WRITE = _ENDS.format(
    may_name=MAY_NAME,
    outcome=f"CASE WHEN {IS_REPEATED} THEN a.outcome ELSE x.outcome END",
    message=f"""CASE WHEN {IS_REPEATED} THEN concat_ws(' ', a.message, x.late)
        ELSE x.message END""",
    condition="a.outcome IN ('unfinished', 'ambiguous')",
)
# The usual end of all: everybody was accepted, and nothing is known of them yet. Who is
# late, and batches that are not open any more, take the other way.
_WRITE_OPEN = _ENDS.format(
    may_name=MAY_NAME,
    outcome="x.outcome",
    message="x.message",
    condition=f"a.outcome = 'unfinished' AND b.state IN {OPEN}",
)
WRITE_ACCEPTED = f"""
    WITH finished AS ({_WRITE_OPEN}), closed AS (
        UPDATE engagements_batch b
        SET state = 'done', lease_token = NULL, lease_until = NULL,
            sent_count = cardinality(profile_ids) - cardinality(b.left_out),
            data_points = b.data_points + f.points,
            data_points_saved = b.data_points_saved + f.saved
        FROM finished f WHERE b.id = f.batch_id
        RETURNING b.*
    ), settled AS (
        {delivery_records.SETTLE.format(batches="closed", state="'sent'", reason="''")}
    )
    SELECT f.id, 0 = ANY(b.profile_ids) FROM finished f JOIN closed b ON b.id = f.batch_id
    WHERE {LATER_ON_DISK}
"""

OUTCOMES: Mapping[Outcome, str] = {
    Outcome.SENT: Attempt.Outcome.SENT,
    Outcome.ACCEPTED_UNVERIFIED: Attempt.Outcome.ACCEPTED_UNVERIFIED,
    Outcome.NOT_SENT: Attempt.Outcome.NOT_SENT,
    Outcome.RATE_LIMITED: Attempt.Outcome.RATE_LIMITED,
    Outcome.REFUSED: Attempt.Outcome.REFUSED,
    Outcome.TOO_BIG: Attempt.Outcome.REFUSED,
    Outcome.BLOCKED: Attempt.Outcome.BLOCKED,
    Outcome.AMBIGUOUS: Attempt.Outcome.AMBIGUOUS,
}


def write(results: Sequence[Result]) -> set[uuid.UUID]:
    """Write the attempts' ends; return those that were not known yet."""
    return {id for id, *_ in _write(WRITE, results)}


def write_accepted(results: Sequence[Result]) -> dict[uuid.UUID, bool]:
    """The same where everybody was accepted, with their own ends and data points.

    Not of those whose answer came late, or who are not open any more. And whether
    somebody was erased who was in the batch, or was put off.
    """
    return dict(_write(WRITE_ACCEPTED, results))


def _write(statement: str, results: Sequence[Result]) -> list[Any]:
    points = [recording.points(result) for result in results]
    columns: list[list[Any]] = [
        [result.prepared.attempt_id for result in results],
        [OUTCOMES[result.verdict.outcome] for result in results],
        [result.status for result in results],
        [result.verdict.message for result in results],
        [result.verdict.note for result in results],
        [result.response_head for result in results],
        [result.duration_ms for result in results],
        [_late(result) for result in results],
        [sent for sent, _ in points],
        [saved for _, saved in points],
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, columns)
        return list(cursor.fetchall())


def _late(result: Result) -> str:
    outcome = Attempt.Outcome(OUTCOMES[result.verdict.outcome])
    return f"Answered late, after it was sent again: {outcome.label}."
