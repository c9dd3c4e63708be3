"""What is wrong for everybody: a key, an address, or something that all are refused for.

With a wrong key or address the engagements that would fail alike stop at once, each
with the reason, and nobody's attempt is used up; those that the key stopped go on by
themselves when it is replaced. A refusal may be one person's fault: it stops the
engagement when it came for a few, one as the other, and nobody was taken meanwhile.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db.models import (
    DateTimeField,
    ExpressionWrapper,
    F,
    Max,
    QuerySet,
    Value,
)

from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Engagement, Run
from engagements.outbox.prepared_request import Result
from externalapi.answers.interpretation import Outcome
from externalapi.models import Connection
from externalapi.testing.connection_check import learn
from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.logs import after_commit, get_logger

logger = get_logger(__name__)

# The key itself was not accepted; all other statuses are about one External API.
KEY_REFUSED = 401
# So many requests in a row, for different people, are no accident.
ALIKE = 5
# But of so many on the wire one at least: their answers may be successes.
IN_FLIGHT_SHARE = 4
TAKEN = (Attempt.Outcome.SENT, Attempt.Outcome.ACCEPTED_UNVERIFIED)
# Answers of which enough stop their engagement.
REFUSALS = (Outcome.REFUSED, Outcome.TOO_BIG)
REFUSED = (Batch.State.SPLIT, Batch.State.DEAD)
ANSWERED_AT = ExpressionWrapper(
    F("started_at") + F("duration_ms") * Value(timedelta(milliseconds=1)),
    output_field=DateTimeField(),
)


def hold(results: Sequence[Result]) -> None:
    """Lock the engagements that these answers may stop.

    Before their batches, as everybody does who locks both: a retry, a pause, a cancel.
    """
    ids = {
        r.prepared.run.engagement_id for r in results if r.verdict.outcome in REFUSALS
    }
    blocked = [r for r in results if r.verdict.outcome is Outcome.BLOCKED]
    for alike in {str(found): found for found in map(_alike, blocked)}.values():
        ids.update(_at_work(alike).values_list("pk", flat=True))
    if ids:
        held = Engagement.objects.filter(pk__in=ids).order_by("pk")
        list(held.select_for_update(no_key=True).values_list("pk", flat=True))


def block(result: Result) -> None:
    """Stop the engagement of this request, and those that the same error would meet.

    Not where the key was replaced while the request was on its way: with the new one
    it is simply sent again. Call it in a transaction that holds them.
    """
    used = result.prepared.run.version.connection
    newest = Connection.objects.values_list("key_version", flat=True).get(pk=used.pk)
    if newest > used.key_version:
        return
    # One that was activated since, and is in use, is stopped by an answer of its own.
    stopped = _at_work(_alike(result)).order_by("pk")
    locked = stopped.select_for_update(no_key=True, skip_locked=True)
    ids = list(locked.values_list("pk", flat=True))
    is_key = result.status == KEY_REFUSED
    Engagement.objects.filter(pk__in=ids).update(
        state=Engagement.State.BLOCKED,
        blocked_reason=_reason(result, is_key),
        blocked_key_version=newest if is_key else None,
        is_notice_due=True,
    )
    if ids:
        _tell(result, ids)
    if is_key:
        learn(used, KEY_REFUSED, f"A request of “{result.prepared.run.engagement}”")


def _tell(result: Result, engagement_ids: Sequence[int]) -> None:
    after_commit(
        logger.warning,
        "engagement.suspended",
        engagement_ids=engagement_ids,
        connection_id=result.prepared.connection_id,
        attempt_id=result.prepared.attempt_id,
        status=result.status,
    )


def _alike(result: Result) -> dict[str, object]:
    """The runs that the same error would meet, as conditions."""
    version = result.prepared.run.version
    if result.status == KEY_REFUSED:
        return {"version__connection": version.connection_id}
    return {"version": version.pk}


def _at_work(alike: dict[str, object]) -> QuerySet[Engagement]:
    runs = Run.objects.filter(**alike, state__in=Run.OPEN)
    return Engagement.objects.filter(
        pk__in=runs.values("engagement"), state=Engagement.State.ACTIVE
    )


def _reason(result: Result, is_key: bool) -> str:
    words = result.verdict.message
    if result.status is None:
        return words
    said = f"{result.status} {words}".strip()
    promise = " With a new key it goes on by itself." if is_key else ""
    return f"{result.advice}{promise} The answer was: {said}"


def is_everybodys(result: Result, batch: Batch, words: str, *, is_whole: bool) -> bool:
    """Count a refusal of all in a request; True: it is everybody's, and they are kept.

    Then the engagement has stopped, or will when those on the wire were refused too.
    `words` are the other side's; `is_whole`: they are about each of these people, or
    about all of them, and halves would tell no more. Call it in a transaction that
    holds the batch.
    """
    said = f"{result.status} {words}".strip()
    run = result.prepared.run
    engagement = Engagement.objects.select_for_update(no_key=True).get(
        pk=run.engagement_id
    )
    if engagement.state != Engagement.State.ACTIVE:
        is_stopped = engagement.state == Engagement.State.BLOCKED
        return is_stopped and engagement.refusal == said
    _count(engagement, said, result, batch)
    is_proof = (
        is_whole or len(result.prepared.places) == 1 or _is_sibling_refused(batch)
    )
    is_shared = is_proof and engagement.refusals >= ALIKE
    if is_shared:
        refused = _in_a_row(engagement)
        engagement.refusals = min(engagement.refusals, refused.count())
        is_shared = engagement.refusals >= ALIKE and _are_of_many_people(refused)
    engagement.save(update_fields=["refusal", "refusals", "refused_since"])
    if is_shared and engagement.refusals * IN_FLIGHT_SHARE >= _on_the_wire(engagement):
        stop = [Engagement.State.ACTIVE], Engagement.State.BLOCKED
        engagement.move(*stop, _refused_in_words(engagement))
        _tell(result, [engagement.pk])
    return is_shared


def _count(engagement: Engagement, said: str, result: Result, batch: Batch) -> None:
    """One more in a row, or the first of another kind.

    A half of a refused batch takes the place of the whole: one person who is at fault
    in a batch of 75 is one refusal, however often it is split.
    """
    attempts = Attempt.objects.filter(pk=result.prepared.attempt_id)
    answered_at = attempts.values_list(ANSWERED_AT, flat=True).get()
    since = engagement.refused_since
    if engagement.refusals and engagement.refusal == said and since is not None:
        is_more = batch.parent_id is None or _is_sibling_refused(batch)
        engagement.refusals += is_more
        # Answers that come together are not looked at in their order.
        engagement.refused_since = min(since, answered_at)
    else:
        engagement.refusal, engagement.refusals = said, 1
        engagement.refused_since = answered_at


def _is_sibling_refused(batch: Batch) -> bool:
    """Whether both halves of a batch were refused: no one person can be the cause."""
    if batch.parent_id is None:
        return False
    halves = Batch.objects.filter(parent=batch.parent_id, state__in=REFUSED)
    return halves.exclude(pk=batch.pk).exists()


def _on_the_wire(engagement: Engagement) -> int:
    return Batch.objects.filter(
        state=Batch.State.SENDING, run__engagement=engagement
    ).count()


def _in_a_row(engagement: Engagement) -> QuerySet[Attempt]:
    """The requests that were refused since the last that was not, by their answers."""
    since = engagement.refused_since
    assert since is not None
    # What was answered later cannot have begun long before.
    begun = since - 2 * timedelta(seconds=settings.HTTP_TOTAL_SECONDS)
    attempts = Attempt.objects.filter(
        batch__run__engagement=engagement, started_at__gte=begun
    ).annotate(at=ANSWERED_AT)
    taken = attempts.filter(outcome__in=TAKEN).aggregate(last=Max("at"))["last"]
    refused = attempts.filter(outcome=Attempt.Outcome.REFUSED)
    return refused.filter(at__gt=taken) if taken else refused


def _are_of_many_people(refused: QuerySet[Attempt]) -> bool:
    """Whether these requests were for so many people: one may come again and again."""
    batches = Batch.objects.filter(pk__in=refused.values("batch"))
    people: set[int] = set()
    for ids in batches.values_list("profile_ids", flat=True).iterator():
        people.update(ids)
        # In the place of who was erased stands 0.
        people.discard(0)
        if len(people) >= ALIKE:
            return True
    return False


def _refused_in_words(engagement: Engagement) -> str:
    return (
        f"The other side refuses everybody in the same way: “{engagement.refusal}”."
        f" It came {counted(engagement.refusals, 'time')} in a row, and nobody was taken. Correct"
        " the External API or the values, then press Resume. Who waits is sent then;"
        " those who were refused can be retried from the list of deliveries."
    )


def resume_with_new_keys() -> int:
    """Resume the engagements whose refused key was replaced; return how many."""
    stopped = Engagement.objects.filter(
        state=Engagement.State.BLOCKED,
        blocked_key_version__lt=F("version__connection__key_version"),
    )
    return sum(transitions.resume_or_say(engagement) for engagement in stopped)
