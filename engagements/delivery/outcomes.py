"""What an answer does to a batch and to the people in it (docs/delivery.md)."""

import random
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from engagements.delivery import (
    attempt_log,
    endings,
    give_back,
    splitting,
    suspension,
)
from engagements.models import PEOPLE_LEFT, Attempt, Batch, Delivery, Engagement
from engagements.outbox import delivery_records, just_sent, workers
from engagements.outbox import doubt as in_doubt
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest, Result
from engagements.sync import recording
from engagements.throttling import backoff, rate_limit
from externalapi.answers.interpretation import Outcome
from externalapi.answers.rate_limit_headers import Budget
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.database_errors import About, about

SENT = Delivery.State.SENT
# The states of a batch that an acceptance may still close.
ANSWERABLE = (*Batch.OPEN, Batch.State.UNCERTAIN)
# Below this what the other side says is left counts, and not our own count alone.
FEW_LEFT = 100

# What says that nobody was taken; a refusal with the status of a success does not.
UNTAKEN = (
    Outcome.NOT_SENT,
    Outcome.RATE_LIMITED,
    Outcome.REFUSED,
    Outcome.TOO_BIG,
    Outcome.BLOCKED,
)


def record(results: Sequence[Result]) -> list[Result]:
    """Write down what came of each request; doing it twice does nothing.

    The usual answer, everybody accepted, takes one statement for any number of requests;
    each of the others its own. It is on disk with the next intent, or in less than a
    second; who calls keeps it until then, and repeats it after a crash of the database.

    Returns those that could not be written down, by a mistake of ours: the caller keeps
    them. Raises only where the database is away.
    """
    try:
        _record_together(results)
        attempt_log.recorded(results)
        return []
    except Exception as e:
        if about(e) is About.CONNECTION:
            raise
        if len(results) == 1:
            return _record_apart(results[0], e)
    half = len(results) // 2
    return record(results[:half]) + record(results[half:])


def _record_together(results: Sequence[Result]) -> None:
    if whole := [result for result in results if result.is_accepted_whole]:
        done = _record_sent(whole)
        rest = [result for result in results if result.prepared.attempt_id not in done]
    else:
        rest = list(results)
    if rest:
        _record_one_by_one(sorted(rest, key=lambda result: result.prepared.batch_id))
    _narrow(results)


def _record_sent(results: Sequence[Result]) -> set[uuid.UUID]:
    is_asked = just_sent.is_asked()
    noted = (x.prepared.notes or x.prepared.synced for x in results)
    if not is_asked and not any(noted):
        return set(endings.write_accepted(results))
    with transaction.atomic():
        finished = endings.write_accepted(results)
        _note(results, finished)
        accepted = [r for r in results if r.prepared.attempt_id in finished]
        is_anybody_gone = any(finished.values())
        recording.accepted(accepted, are_counted=True, is_anybody_gone=is_anybody_gone)
        if is_asked:
            prepared = [result.prepared for result in results]
            just_sent.note([p.batch_id for p in prepared if p.attempt_id in finished])
    return set(finished)


def _record_apart(result: Result, error: Exception) -> list[Result]:
    """Write down one answer, of which the database took something amiss."""
    try:
        _record_one_by_one([result])
        attempt_log.recorded([result])
        return []
    except Exception as e:
        if about(e) is About.CONNECTION:
            raise
        workers.report(e)
        return [result]


@transaction.atomic
def _record_one_by_one(results: Sequence[Result]) -> None:
    suspension.hold(results)
    # Under their locks nobody begins to send them again.
    batches = Batch.objects.filter(pk__in=[r.prepared.batch_id for r in results])
    list(batches.select_for_update().order_by("pk").values_list("pk", flat=True))
    late = recording.late(results)
    finished = endings.write(results)
    known = [result for result in results if result.prepared.attempt_id in finished]
    for result in known:
        _apply(result)
    _note(results, finished)
    recording.accepted(
        known, {x.prepared.attempt_id: _rejections(x) for x in known}, late
    )


def _note(results: Sequence[Result], finished: Collection[uuid.UUID]) -> None:
    """Say of those who were accepted what was left out of what they were sent."""
    delivery_records.note(
        {
            result.prepared.batch_id: result.prepared.notes
            for result in results
            if result.prepared.notes and result.prepared.attempt_id in finished
        }
    )


def _narrow(results: Sequence[Result]) -> None:
    """Heed what the answers say is left, where it is little."""
    least: dict[int, Budget] = {}
    for result in results:
        found, key = result.budget, result.prepared.connection_id
        if found and found.reset_at and found.remaining < FEW_LEFT:
            known = least.get(key)
            if known is None or found.remaining < known.remaining:
                least[key] = found
    for connection_id, budget in least.items():
        assert budget.reset_at is not None
        rate_limit.narrow(connection_id, budget.remaining, budget.reset_at)


def _apply(result: Result) -> None:
    if _ends_a_doubt(result):
        give_back.clear_of_doubt([result.prepared.batch_id])
    match result.verdict.outcome:
        case Outcome.SENT | Outcome.ACCEPTED_UNVERIFIED:
            _taken(result)
        case Outcome.NOT_SENT:
            _again_or_dead(result)
        case Outcome.RATE_LIMITED:
            _rate_limited(result)
        case Outcome.TOO_BIG if len(result.prepared.places) > 1:
            split(result.prepared, result.verdict.message)
        case Outcome.REFUSED | Outcome.TOO_BIG:
            _refused(result)
        case Outcome.BLOCKED:
            _blocked(result)
        case Outcome.AMBIGUOUS:
            doubt(result.prepared.batch_id, result.prepared.token)


def _ends_a_doubt(result: Result) -> bool:
    """Whether it came late, and says that nobody was taken: they simply wait again."""
    outcome = result.verdict.outcome
    if outcome not in UNTAKEN or outcome is Outcome.REFUSED and _is_success(result):
        return False
    if _held(result.prepared) is not None:
        return False
    # Where it was sent again meanwhile the doubt stays, for that had its reason.
    known = Attempt.objects.filter(pk=result.prepared.attempt_id)
    return known.exclude(outcome=Attempt.Outcome.AMBIGUOUS).exists()


def _is_success(result: Result) -> bool:
    return result.status is not None and 200 <= result.status < 300


def _accept(
    batch_ids: Sequence[int], state: Delivery.State = SENT, reason: str = ""
) -> None:
    """The other side took everybody whom the batches still hold."""
    delivery_records.settle(batch_ids, state, reason)
    _close(batch_ids, PEOPLE_LEFT if state == SENT else 0)


def _answerable(batch_ids: Sequence[int]) -> list[int]:
    """Lock the batches that an acceptance may still close, and return them.

    Also where the lease is gone: an answer that came late is still the answer.
    """
    found = Batch.objects.filter(pk__in=batch_ids, state__in=ANSWERABLE)
    return list(found.select_for_update().order_by("pk").values_list("pk", flat=True))


def _close(batch_ids: Sequence[int], sent: Combinable | int = 0) -> None:
    if batch_ids:
        Batch.objects.filter(pk__in=batch_ids).update(
            state=Batch.State.DONE, sent_count=sent, lease_token=None, lease_until=None
        )


def _taken(result: Result) -> None:
    """Whom the answer names is rejected; the rest was sent, or is in doubt with it."""
    verdict = result.verdict
    batch_ids = _answerable([result.prepared.batch_id])
    rejected = _rejections(result)
    for batch_id in batch_ids:
        delivery_records.settle_places(Delivery.State.REJECTED, {batch_id: rejected})
    if verdict.outcome is Outcome.SENT:
        _accept(batch_ids)
    else:
        _accept(batch_ids, Delivery.State.ACCEPTED_UNVERIFIED, verdict.doubt)


def _rejections(result: Result) -> dict[int, str]:
    """Place → the other side's words about this person."""
    prepared = result.prepared
    messages: dict[int, list[str]] = defaultdict(list)
    for error in result.verdict.errors:
        owner = prepared.packed.owner(error.array, error.index)
        if owner is not None:
            messages[prepared.places[owner]].append(error.message)
    return {n: "; ".join(dict.fromkeys(m)) for n, m in messages.items()}


def _again_or_dead(result: Result) -> None:
    prepared = result.prepared
    batch = _held(prepared)
    if batch is None:
        return
    if _is_used_up(batch):
        _give_up(prepared, result.verdict.message)
        return
    _release(
        prepared,
        Batch.State.RETRY,
        backoff.wait(batch.attempt_count, random.random(), _hint(result)),
    )


def _is_used_up(batch: Batch) -> bool:
    # Of those who waited for their time, or in line, nothing is used up by that.
    age = database_clock.reckoned() - (batch.written_at or batch.created_at)
    return backoff.is_used_up(batch.attempt_count, age)


def _hint(result: Result) -> timedelta | None:
    seconds = result.verdict.wait_seconds
    return None if seconds is None else timedelta(seconds=seconds)


def _rate_limited(result: Result) -> None:
    """Nobody sends there for a while, and no attempt is used up."""
    prepared = result.prepared
    wait = min(_hint(result) or backoff.SCHEDULE[0], backoff.MAX_HINT)
    rate_limit.close(prepared.connection_id, wait)
    _release(prepared, Batch.State.PENDING, wait, attempts=-1)


def _refused(result: Result) -> None:
    """The named are rejected, and the rest goes once more; without a name in halves.

    Where the status is a success nobody knows that nothing was taken: then it ends
    here for everybody, and a person decides about a retry. What everybody is refused
    for is nobody's fault: it stops the engagement, and people are kept.
    """
    prepared = result.prepared
    batch = _held(prepared)
    if batch is None:
        return
    rejected = _rejections(result)
    is_final = _is_success(result)
    words = _words_for_all(result, rejected)
    is_whole = is_final or bool(rejected)
    if words and suspension.is_everybodys(result, batch, words, is_whole=is_whole):
        _release(prepared, Batch.State.PENDING, backoff.SCHEDULE[0], attempts=-1)
    elif not rejected and not is_final:
        split(prepared, words)
    else:
        delivery_records.settle_places(
            Delivery.State.REJECTED, {prepared.batch_id: rejected}
        )
        if len(rejected) == len(prepared.places):
            _close([prepared.batch_id])
        elif is_final:
            _bury(prepared, words or result.verdict.message)
        else:
            _release(prepared, Batch.State.PENDING, timedelta(0))


def _words_for_all(result: Result, rejected: Mapping[int, str]) -> str:
    """What everybody in the request was refused for; "" where they differ."""
    if not rejected:
        return result.verdict.message or f"Refused with {result.status}."
    sentences = set(rejected.values())
    is_for_all = len(rejected) == len(result.prepared.places)
    return sentences.pop() if is_for_all and len(sentences) == 1 else ""


def _blocked(result: Result) -> None:
    """A wrong key or address is everybody's: nothing is used up."""
    suspension.block(result)
    _release(result.prepared, Batch.State.PENDING, timedelta(0), attempts=-1)


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
    recording.doubted(batch)
    Batch.objects.filter(pk=batch_id).update(
        state=Batch.State.RETRY if resends else Batch.State.UNCERTAIN,
        ambiguous_count=F("ambiguous_count") + 1,
        next_attempt_at=Now() + settings.DELIVERY_GRACE,
        lease_token=None,
        lease_until=None,
    )
    if not resends:
        delivery_records.settle([batch_id], Delivery.State.UNCERTAIN)
    attempt_log.doubted(batch, token, is_resent=resends)


def _held(prepared: PreparedRequest | Claim, *states: Batch.State) -> Batch | None:
    """The batch under its lock, where this request still holds it."""
    states = states or (Batch.State.SENDING,)
    return (
        Batch.objects.select_for_update()
        .filter(pk=prepared.batch_id, state__in=states, lease_token=prepared.token)
        .first()
    )


def _release(
    prepared: PreparedRequest, state: Batch.State, wait: timedelta, attempts: int = 0
) -> None:
    released = Batch.objects.filter(
        pk=prepared.batch_id, state=Batch.State.SENDING, lease_token=prepared.token
    ).update(
        state=state,
        attempt_count=F("attempt_count") + attempts,
        next_attempt_at=Now() + wait,
        lease_token=None,
        lease_until=None,
    )
    if released:
        seconds = round(wait.total_seconds(), 1)
        attempt_log.comes_of("batch.waits", prepared, state=state, seconds=seconds)


@transaction.atomic
def isolate(held: Claim, reason: str) -> bool:
    """Put halves in place of a claimed batch that cannot be sent, with its trouble.

    One person alone is given up. False where the batch is not held any more.
    """
    batch = _held(held, Batch.State.LEASED)
    if batch is None:
        return False
    places = batch.places_left
    if len(places) > 1:
        splitting.halve(batch, places, batch.reap_count)
    else:
        _give_up(held, reason)
    return True


def _give_up(held: PreparedRequest | Claim, reason: str) -> None:
    """Nobody is sent any more; who may have been sent already stays uncertain."""
    batch = Batch.objects.get(pk=held.batch_id)
    if not in_doubt.stay_whole(batch, f"Not sent again. {reason}"):
        _bury(held, reason)


def _bury(prepared: PreparedRequest | Claim, reason: str) -> None:
    moved = Batch.objects.filter(
        pk=prepared.batch_id, lease_token=prepared.token
    ).update(state=Batch.State.DEAD, lease_token=None, lease_until=None)
    if moved:
        delivery_records.settle([prepared.batch_id], Delivery.State.DEAD, reason)
        attempt_log.comes_of("batch.dead", prepared)


def split(prepared: PreparedRequest, reason: str) -> None:
    """Two halves in place of a refused batch; one person alone is given up."""
    batch = _held(prepared, Batch.State.LEASED, Batch.State.SENDING)
    if batch is None:
        return
    # Somebody may have been erased meanwhile.
    places = [place for place in prepared.places if place not in batch.left_out]
    if len(places) < 2:
        _bury(prepared, reason)
    else:
        splitting.halve(batch, places)
