"""What a worker holds and has not sent, however far it came: it waits again, unused.

Nobody but the worker can know it: the database shows the same for a request that is on
the wire. It is so where the intent's COMMIT was cut off, and where the process was
stopped between the intent and the wire.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from django.db import connection, transaction

from engagements.lifecycle import transitions
from engagements.models import Batch
from engagements.outbox.claim import Claim
from lemnisk_braze.lib.logs import after_commit, get_logger

logger = get_logger(__name__)

NOT_SENT = "It was not sent: the worker lost its turn before the first byte."

# Statement by statement: an intent whose COMMIT still goes on is waited for by the
# first, and only the next one sees its attempt.
RELEASE = """
    UPDATE engagements_batch b
    SET state = 'pending', lease_token = NULL, lease_until = NULL,
        attempt_count = b.attempt_count - (b.state = 'sending')::int,
        next_attempt_at = clock_timestamp() + make_interval(secs => %s)
    FROM unnest(%s::bigint[], %s::uuid[]) AS x (id, token)
    WHERE b.id = x.id AND b.state IN ('leased', 'sending') AND b.lease_token = x.token
"""
# The reaper may have been there first. An attempt has its claim's token for an id.
CLEAR = """
    WITH ours AS (
        SELECT id, outcome FROM engagements_attempt
        WHERE id = ANY(%s) AND duration_ms IS NULL
          AND outcome IN ('unfinished', 'ambiguous') FOR UPDATE
    )
    UPDATE engagements_attempt a
    SET outcome = 'not_sent', message = %s, duration_ms = 0
    FROM ours WHERE a.id = ours.id
    RETURNING a.batch_id, ours.outcome = 'ambiguous', a.id
"""
CALM = """
    UPDATE engagements_batch b SET ambiguous_count = b.ambiguous_count - 1
    WHERE id = ANY(%s) AND ambiguous_count > 0 AND state IN ('retry', 'uncertain')
    RETURNING id, state = 'uncertain' AND NOT EXISTS (
        SELECT FROM engagements_attempt a
        WHERE a.batch_id = b.id AND a.outcome = 'ambiguous'
    )
"""


@transaction.atomic
def give_back(claims: Sequence[Claim], wait: timedelta = timedelta(0)) -> None:
    """Let these batches wait again, as if nobody had taken them; twice does nothing."""
    ids, tokens = [held.batch_id for held in claims], [held.token for held in claims]
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [wait.total_seconds(), ids, tokens])
        cursor.execute(CLEAR, [tokens, NOT_SENT])
        cleared = cursor.fetchall()
    doubted = [batch_id for batch_id, was_ambiguous, _ in cleared if was_ambiguous]
    if cleared:
        attempt_ids = [attempt_id for _, _, attempt_id in cleared]
        after_commit(logger.warning, "attempt.not_sent", attempt_ids=attempt_ids)
    if doubted:
        clear_of_doubt(doubted)


def clear_of_doubt(batch_ids: Sequence[int]) -> None:
    """An attempt of each, called ambiguous by the reaper, is known to be unsent."""
    with connection.cursor() as cursor:
        cursor.execute(CALM, [list(batch_ids)])
        parked = [batch_id for batch_id, is_parked in cursor if is_parked]
    for batch in Batch.objects.filter(pk__in=parked).select_related("run__engagement"):
        # Where its version may not go live any more somebody has to decide.
        with suppress(transitions.ActivationError):
            transitions.decide(batch, "resend")
