"""An attempt's life in the log: intended, answered, recorded, whatever came of it.

A worker has a thousand of them a second, so what is usual is a line for all that are
intended, or answered, or recorded together, with their ids; what is not has its own.
"""

import logging
from collections.abc import Sequence
from uuid import UUID

from engagements.models import Batch
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest, Result
from externalapi.answers.interpretation import Outcome
from lemnisk_braze.lib.logs import after_commit, get_logger

logger = get_logger(__name__)


def intended(requests: Sequence[PreparedRequest]) -> None:
    """They are written down; their first bytes follow."""
    if requests and logger.isEnabledFor(logging.INFO):
        logger.info(
            "attempt.intended",
            attempt_ids=[prepared.attempt_id for prepared in requests],
            batch_ids=[prepared.batch_id for prepared in requests],
            run_ids=list({prepared.run.pk for prepared in requests}),
        )


def answered(results: Sequence[Result]) -> None:
    """They are in this process's hands, and in its journal."""
    if not logger.isEnabledFor(logging.INFO):
        return
    whole = [result for result in results if result.is_accepted_whole]
    if whole:
        logger.info(
            "attempt.answered",
            outcome=Outcome.SENT,
            attempt_ids=[result.prepared.attempt_id for result in whole],
            statuses=list({result.status for result in whole}),
            longest_ms=max(result.duration_ms for result in whole),
        )
    for result in results:
        if not result.is_accepted_whole:
            _answered_oddly(result)


def recorded(results: Sequence[Result]) -> None:
    """Written down, with what comes of them; on disk with the next intent."""
    if results and logger.isEnabledFor(logging.INFO):
        ids = [result.prepared.attempt_id for result in results]
        logger.info("attempt.recorded", attempt_ids=ids)


def comes_of(event: str, held: PreparedRequest | Claim, **fields: object) -> None:
    """What comes of a batch after all: a line once this transaction has committed."""
    after_commit(
        logger.info,
        event,
        # An attempt has its claim's token for an id.
        attempt_id=held.token,
        batch_id=held.batch_id,
        **fields,
    )


def doubted(batch: Batch, token: UUID | None, *, is_resent: bool) -> None:
    """Nobody can know whether it was taken; once this transaction has committed."""
    after_commit(
        logger.warning,
        "attempt.ambiguous",
        attempt_id=token,
        batch_id=batch.pk,
        run_id=batch.run_id,
        is_resent=is_resent,
    )


def _answered_oddly(result: Result) -> None:
    is_doubtful = result.verdict.outcome is Outcome.AMBIGUOUS
    logger.log(
        logging.WARNING if is_doubtful else logging.INFO,
        "attempt.answered",
        outcome=result.verdict.outcome,
        status=result.status,
        duration_ms=result.duration_ms,
        attempt_id=result.prepared.attempt_id,
        batch_id=result.prepared.batch_id,
        run_id=result.prepared.run.pk,
        connection_id=result.prepared.connection_id,
        errors=len(result.verdict.errors),
    )
