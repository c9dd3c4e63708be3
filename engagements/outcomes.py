"""What an answer does to a batch and to the people in it (docs/delivery.md)."""

import random
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from engagements import blocking, pacing, retries
from engagements.letters import Letter, Result
from engagements.models import Attempt, Batch, Delivery, Engagement
from externalapi import secrets
from externalapi.answers import Outcome

FINISH_ATTEMPTS = """
    UPDATE engagements_attempt a
    SET outcome = x.outcome, status = x.status, message = x.message,
        response_head = x.response_head, duration_ms = x.duration_ms
    FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::int[])
        AS x (id, outcome, status, message, response_head, duration_ms)
    WHERE a.id = x.id AND a.duration_ms IS NULL
      AND a.outcome IN ('unfinished', 'ambiguous')
    RETURNING a.id
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


# The ORM would write thousands of placeholders for the ids.
MOVE_DELIVERIES = """
    UPDATE engagements_delivery SET state = %s, reason = %s, updated_at = now()
    WHERE id = ANY(%s) AND state IN ('pending', 'uncertain')
"""


def record(results: Sequence[Result]) -> None:
    """Write down what came of each letter: all of them or, on a fault, none.

    The usual answer, everybody accepted, takes three statements for any number of
    letters; each of the others its own.
    """
    ordered = sorted(results, key=lambda result: result.letter.batch_id)
    with transaction.atomic():
        news = _finish_attempts(ordered)
        accepted = [result.letter for result in news if result.is_accepted_whole]
        _move_deliveries(
            [id for letter in accepted for id in letter.delivery_ids],
            Delivery.State.SENT,
        )
        _close_answered(accepted)
        for result in news:
            if not result.is_accepted_whole:
                _apply(result)


def _finish_attempts(results: Sequence[Result]) -> list[Result]:
    """Write the attempts' ends; return those that were not known yet.

    Recording twice does nothing. An attempt that the reaper called ambiguous may still
    be told what happened.
    """
    columns: list[list[Any]] = [
        [result.letter.attempt_id for result in results],
        [OUTCOMES[result.verdict.outcome] for result in results],
        [result.status for result in results],
        [secrets.redact(r.verdict.message, r.letter.key) for r in results],
        [result.response_head for result in results],
        [result.duration_ms for result in results],
    ]
    with connection.cursor() as cursor:
        cursor.execute(FINISH_ATTEMPTS, columns)
        finished = {attempt_id for (attempt_id,) in cursor}
    return [result for result in results if result.letter.attempt_id in finished]


def _apply(result: Result) -> None:
    match result.verdict.outcome:
        case Outcome.SENT:
            _sent(result)
        case Outcome.ACCEPTED_UNVERIFIED:
            _accepted_unverified(result)
        case Outcome.NOT_SENT:
            _again_or_dead(result)
        case Outcome.RATE_LIMITED:
            _rate_limited(result)
        case Outcome.REFUSED:
            _refused(result)
        case Outcome.TOO_BIG:
            split(result.letter, result.verdict.message)
        case Outcome.BLOCKED:
            _blocked(result)
        case Outcome.AMBIGUOUS:
            doubt(result.letter.batch_id, result.letter.token)


def _sent(result: Result) -> None:
    letter = result.letter
    rejected, is_complete = _rejections(result)
    if not is_complete:
        _accepted_unverified(result)
        return
    _settle(letter, rejected)
    _close_answered([letter])


def _rejections(result: Result) -> tuple[dict[int, str], bool]:
    """Delivery id → Braze's words, and whether every error named its object."""
    letter = result.letter
    messages: dict[int, list[str]] = defaultdict(list)
    is_complete = True
    for error in result.verdict.errors:
        owner = (letter.owners or {}).get((error.array or "", _index(error.index)))
        if owner is None:
            is_complete = False
        else:
            messages[letter.delivery_ids[owner]].append(error.message)
    return {id: "; ".join(dict.fromkeys(m)) for id, m in messages.items()}, is_complete


def _index(index: int | None) -> int:
    return -1 if index is None else index


def _settle(letter: Letter, rejected: Mapping[int, str]) -> None:
    accepted = [id for id in letter.delivery_ids if id not in rejected]
    _move_deliveries(accepted, Delivery.State.SENT)
    for reason, ids in _by_reason(rejected).items():
        _move_deliveries(ids, Delivery.State.REJECTED, reason)


def _by_reason(reasons: Mapping[int, str]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = defaultdict(list)
    for delivery_id, reason in reasons.items():
        grouped[reason].append(delivery_id)
    return grouped


def _move_deliveries(ids: Iterable[int], state: str, reason: str = "") -> None:
    """Move deliveries that are still open; a terminal state never changes."""
    if ids := list(ids):
        with connection.cursor() as cursor:
            cursor.execute(MOVE_DELIVERIES, [state, reason, ids])


def _close_answered(letters: Sequence[Letter]) -> None:
    # Also when the lease is gone: an answer that came late is still the answer.
    Batch.objects.filter(
        pk__in=[letter.batch_id for letter in letters],
        state__in=(*Batch.OPEN, Batch.State.UNCERTAIN),
    ).update(state=Batch.State.DONE, lease_token=None, lease_until=None)


def _accepted_unverified(result: Result) -> None:
    message = result.verdict.message or "The answer names no object for its errors."
    _move_deliveries(
        result.letter.delivery_ids, Delivery.State.ACCEPTED_UNVERIFIED, message
    )
    _close_answered([result.letter])


def _again_or_dead(result: Result) -> None:
    letter = result.letter
    batch = _held(letter)
    if batch is None:
        return
    if _is_used_up(batch):
        _bury(letter, result.verdict.message)
        return
    _release(
        letter,
        Batch.State.RETRY,
        retries.wait(batch.attempt_count, random.random(), _hint(result)),
    )


def _is_used_up(batch: Batch) -> bool:
    age = timezone.now() - batch.created_at
    return retries.is_used_up(batch.attempt_count, age)


def _hint(result: Result) -> timedelta | None:
    seconds = result.verdict.wait_seconds
    return None if seconds is None else timedelta(seconds=seconds)


def _rate_limited(result: Result) -> None:
    """Nobody sends there for a while, and no attempt is used up."""
    letter = result.letter
    wait = min(_hint(result) or retries.SCHEDULE[0], retries.MAX_HINT)
    pacing.close(letter.run.version.connection_id, wait)
    _release(letter, Batch.State.PENDING, wait, attempts=-1)


def _refused(result: Result) -> None:
    """400: the named objects are rejected, the rest goes once more; else halves."""
    letter = result.letter
    rejected, is_complete = _rejections(result)
    if not rejected or not is_complete:
        split(letter, result.verdict.message)
        return
    for reason, ids in _by_reason(rejected).items():
        _move_deliveries(ids, Delivery.State.REJECTED, reason)
    if len(rejected) < len(letter.delivery_ids):
        _release(letter, Batch.State.PENDING, timedelta(0))
    else:
        _close_answered([letter])


def _blocked(result: Result) -> None:
    """A wrong key or address is everybody's: nothing is used up."""
    blocking.block(result)
    _release(result.letter, Batch.State.PENDING, timedelta(0), attempts=-1)


def doubt(batch_id: int, token: uuid.UUID | None) -> None:
    """Nobody can know whether Braze took this batch: do what the engagement says.

    One whose attempts are used up waits for a person's decision under either policy.
    """
    batch = (
        Batch.objects.select_for_update(of=("self",))
        .select_related("run__engagement")
        .get(pk=batch_id)
    )
    if batch.state != Batch.State.SENDING or batch.lease_token != token:
        return
    policy = batch.run.engagement.ambiguous_policy
    resends = policy == Engagement.AmbiguousPolicy.RESEND and not _is_used_up(batch)
    Batch.objects.filter(pk=batch_id).update(
        state=Batch.State.RETRY if resends else Batch.State.UNCERTAIN,
        ambiguous_count=F("ambiguous_count") + 1,
        next_attempt_at=Now() + settings.DELIVERY_GRACE,
        lease_token=None,
        lease_until=None,
    )
    if not resends:
        Delivery.objects.filter(batch_id=batch_id, state=Delivery.State.PENDING).update(
            state=Delivery.State.UNCERTAIN, updated_at=Now()
        )


def skip(letters: Sequence[Letter]) -> None:
    """Close the deliveries that have no payload, each with its reason."""
    reasons = {
        delivery_id: str(reason)
        for letter in letters
        for delivery_id, reason in letter.skipped.items()
    }
    for reason, ids in _by_reason(reasons).items():
        _move_deliveries(ids, Delivery.State.SKIPPED, reason)


def put_back(batch_id: int, token: uuid.UUID, wait: timedelta) -> None:
    """Give back a batch that was claimed and not sent; nothing is used up."""
    Batch.objects.filter(
        pk=batch_id, state=Batch.State.LEASED, lease_token=token
    ).update(
        state=Batch.State.PENDING,
        lease_token=None,
        lease_until=None,
        next_attempt_at=Now() + wait,
    )


def _held(letter: Letter) -> Batch | None:
    return (
        Batch.objects.select_for_update()
        .filter(pk=letter.batch_id, state=Batch.State.SENDING, lease_token=letter.token)
        .first()
    )


def _release(
    letter: Letter, state: Batch.State, wait: timedelta, attempts: int = 0
) -> None:
    Batch.objects.filter(
        pk=letter.batch_id, state=Batch.State.SENDING, lease_token=letter.token
    ).update(
        state=state,
        attempt_count=F("attempt_count") + attempts,
        next_attempt_at=Now() + wait,
        lease_token=None,
        lease_until=None,
    )


def _bury(letter: Letter, reason: str) -> None:
    moved = Batch.objects.filter(pk=letter.batch_id, lease_token=letter.token).update(
        state=Batch.State.DEAD, lease_token=None, lease_until=None
    )
    if moved:
        _move_deliveries(letter.delivery_ids, Delivery.State.DEAD, reason)


def split(letter: Letter, reason: str) -> None:
    """Two halves in place of a refused batch; one person alone is given up."""
    ids = list(letter.delivery_ids)
    if len(ids) < 2:
        _bury(letter, reason)
        return
    moved = Batch.objects.filter(
        pk=letter.batch_id,
        state__in=(Batch.State.LEASED, Batch.State.SENDING),
        lease_token=letter.token,
    ).update(state=Batch.State.SPLIT, lease_token=None, lease_until=None)
    if not moved:
        return
    first = _reserve_sequences(letter.run.pk, 2)
    middle = len(ids) // 2
    for sequence, half in ((first, ids[:middle]), (first + 1, ids[middle:])):
        child = Batch.objects.create(
            run_id=letter.run.pk, sequence=sequence, parent_id=letter.batch_id
        )
        Delivery.objects.filter(pk__in=half, state=Delivery.State.PENDING).update(
            batch=child
        )


def _reserve_sequences(run_id: int, count: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE engagements_run SET next_sequence = next_sequence + %s"
            " WHERE id = %s RETURNING next_sequence",
            [count, run_id],
        )
        return int(cursor.fetchone()[0]) - count
