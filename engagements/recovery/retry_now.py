"""Trying again now, and settling in bulk what is uncertain."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db.models.functions import Now

from engagements import wakeup
from engagements.lifecycle import transitions
from engagements.models import Batch, BatchQuerySet
from engagements.recovery.selection import Choice


def waiting(choice: Choice) -> BatchQuerySet:
    """The batches that wait for their next attempt."""
    return choice.batches(Batch.State.RETRY).filter(next_attempt_at__gt=Now())


def retry_now(choice: Choice) -> int:
    """Let what waits for its next attempt be tried at once; return how many batches.

    Attempts and age count as before. A connection that asked us to wait, or whose
    breaker is open, keeps its time.
    """
    count = waiting(choice).update(next_attempt_at=Now())
    if count:
        wakeup.publish()
    return count


def uncertain(choice: Choice) -> BatchQuerySet:
    """The batches that wait for somebody's decision."""
    return choice.batches(Batch.State.UNCERTAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How many people were settled, could not be (see lifecycle.decide), or remain."""

    people: int = 0
    refused: int = 0
    remaining: int = 0


def settle(
    choice: Choice,
    decision: str,
    seconds: float = float("inf"),
    say: Callable[[int], object] = lambda people: None,
) -> Settled:
    """Settle uncertain batches, oldest first: "resend" or "mark_sent".

    Each is a transaction of its own, so that it may be stopped at any time; after
    `seconds` it stops by itself. `say` is called with the people settled so far.
    """
    people = refused = 0
    deadline = time.monotonic() + seconds
    batches = uncertain(choice).select_related("run__engagement")
    for batch in batches.iterator(chunk_size=500):
        count = len(batch.profile_ids) - len(batch.left_out)
        if _decide(batch, decision):
            people += count
            say(people)
        else:
            refused += count
        if time.monotonic() > deadline:
            break
    remaining = uncertain(choice).people() - refused
    return Settled(people=people, refused=refused, remaining=max(remaining, 0))


def _decide(batch: Batch, decision: str) -> bool:
    try:
        return transitions.decide(batch, decision)
    except transitions.ActivationError:
        return False
