"""Trying again, in a run of their own, people who were not sent.

What was recorded of them is an end and stays one. The retry is a new run of the
engagement, with just these people, the External API's version and the values that the
engagement has now. It takes each along once: the delivery says which run tries it
again. Who was sent since is not sent once more where the engagement says so
(engagements.audience.send_again).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import Error, connection, transaction
from django.db.models import Count, Q, QuerySet

from engagements import wakeup
from engagements.audience import send_again
from engagements.guards import approved
from engagements.lifecycle import transitions
from engagements.models import PEOPLE_LEFT, Batch, Delivery, Engagement, Run
from engagements.outbox import delivery_records
from engagements.personalization.renderer import people_per_request
from engagements.variants import plan
from externalapi.definitions.compiled import compile_version
from externalapi.testing import cases
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.database_errors import LOCKED, is_in_the_way, sqlstate
from lemnisk_braze.lib.logs import after_commit, get_logger

logger = get_logger(__name__)

State = Delivery.State
# Rejected and skipped people are tried again after their data, or the values, were
# corrected; who is in doubt after somebody has looked on the other side.
FAILED = (State.DEAD, State.REJECTED, State.SKIPPED, State.ACCEPTED_UNVERIFIED)
# These only by their name: somebody has cancelled them, or is still to decide.
BY_NAME = (State.UNCERTAIN, State.CANCELLED)
STATES = (*FAILED, *BY_NAME)
# A batch of one person may be the half of a half of … a full one.
MOST_SPLITS = 8
# Where others are at the same rows so often in a row, somebody has to come again.
TRIES = 3

_FAILED = """
    id = ANY(%(ids)s) AND run_id = %(source)s AND retry_id IS NULL
    AND state = ANY(%(states)s)
"""
# Who failed and was sent since, or waits, is not tried again; who failed twice, once.
ALLOWED = f"""
    offered AS MATERIALIZED (
        SELECT id, profile_id, NULL::bigint AS transition_id, -id AS place
        FROM engagements_delivery WHERE {_FAILED}
    ), {send_again.ALLOWED_AGAIN},
"""
_INSERT_BATCHES = f"""
    WITH {{allowed}} taken AS (
        UPDATE engagements_delivery SET retry_id = %(run)s
        WHERE {_FAILED} {{condition}}
        RETURNING id, profile_id, event_id, transition_id
    ), people AS (
        SELECT *, (row_number() OVER (ORDER BY transition_id, id) - 1) / %(size)s AS batch FROM taken
    ), batches AS (
        INSERT INTO engagements_batch
            (run_id, sequence, state, profile_ids, event_ids, transition_ids)
        SELECT %(run)s, batch, 'pending', array_agg(profile_id ORDER BY transition_id, id),
            CASE WHEN count(event_id) = 0 THEN '{{{{}}}}'
                ELSE array_agg(event_id ORDER BY transition_id, id) END,
            CASE WHEN max(transition_id) = 0 THEN '{{{{}}}}'
                ELSE array_agg(transition_id ORDER BY transition_id, id) END
        FROM people GROUP BY batch
    )
    SELECT count(*), coalesce(max(batch) + 1, 0) FROM people
"""
INSERT_ALL = _INSERT_BATCHES.format(allowed="", condition="")
INSERT_ALLOWED = _INSERT_BATCHES.format(
    allowed=ALLOWED, condition="AND id IN (SELECT id FROM allowed)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """An engagement's part of a retry: how many people, and what may happen twice."""

    engagement: Engagement
    people: int
    # Of them: an answer to one of their attempts was lost.
    ambiguous: int
    # Of them: refused, perhaps beside other objects of theirs that were taken.
    rejected: int
    # Of them: taken, as far as the answer could be read.
    unverified: int
    # Why nothing can be sent for this engagement; empty where it can.
    problem: str

    @property
    def is_possible(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What a retry made; and whether others were in the way of some of it."""

    people: int
    runs: tuple[Run, ...]
    is_cut_short: bool = False


def counts(deliveries: QuerySet[Delivery]) -> dict[str, int]:
    """How many of these deliveries a retry could take along, by state."""
    rows = failed(deliveries).order_by().values_list("state").annotate(Count("pk"))
    return dict(rows)


def failed(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Of these deliveries those that a retry would take along."""
    return deliveries.filter(state__in=STATES, retry=None)


def shares(deliveries: QuerySet[Delivery]) -> list[Share]:
    """What a retry of these deliveries would do, by engagement."""
    rows = (
        failed(deliveries)
        .order_by()
        .values_list("run__engagement")
        .annotate(
            people=Count("pk"),
            ambiguous=Count("pk", filter=_was_ambiguous()),
            rejected=Count("pk", filter=Q(state=State.REJECTED)),
            unverified=Count("pk", filter=Q(state=State.ACCEPTED_UNVERIFIED)),
        )
    )
    numbers = {pk: own for pk, *own in rows}
    return [
        Share(
            engagement=engagement,
            people=people,
            ambiguous=ambiguous,
            rejected=rejected,
            unverified=unverified,
            problem=_problem(engagement) or _approval(engagement, deliveries),
        )
        for engagement in _engagements(numbers)
        for people, ambiguous, rejected, unverified in [numbers[engagement.pk]]
    ]


def _engagements(ids: Iterable[int]) -> QuerySet[Engagement]:
    return (
        Engagement.objects.filter(pk__in=ids)
        .select_related("version__external_api", "version__connection")
        .order_by("name")
    )


def _was_ambiguous() -> Q:
    """In this batch, or in one that it is a part of."""
    found = Q()
    for splits in range(MOST_SPLITS):
        found |= Q(**{f"batch{'__parent' * splits}__ambiguous_count__gt": 0})
    return found


def _problem(engagement: Engagement) -> str:
    if not transitions.may_send_again(engagement):
        return "It has ended. Activate it again first."
    if reason := cases.why_not(engagement.version):
        return reason
    try:
        compile_version(engagement.version)
    except ValueError as e:
        return f"Its External API cannot be read: {e}"
    return ""


def _approval(engagement: Engagement, deliveries: QuerySet[Delivery]) -> str:
    """Why it takes a second person first: each run of theirs gets a run again."""
    if approved.limit(engagement) is None:
        return ""
    runs = failed(deliveries).filter(run__engagement=engagement).order_by()
    counts = runs.values_list("run").annotate(people=Count("pk")).order_by("-people")
    found = (approved.why_not_retry(engagement, n, run) for run, n in counts)
    return next(filter(None, found), "")


def retry(deliveries: QuerySet[Delivery], most: int | None = None) -> Retried:
    """Try at most `most` of these people again: one new run for each run of theirs.

    Where nothing can be sent (Share.problem) they stay as they are, and also where
    others keep their rows (Retried.is_cut_short).
    """
    possible = [s.engagement.pk for s in shares(deliveries) if s.is_possible]
    chosen = failed(deliveries).filter(run__engagement__in=possible).order_by("pk")
    by_run: dict[int, list[int]] = {}
    for pk, run_id in chosen.values_list("pk", "run_id")[:most]:
        by_run.setdefault(run_id, []).append(pk)
    people, runs, is_cut_short = 0, [], False
    for run_id, ids in by_run.items():
        try:
            run, count = _retry_patiently(run_id, ids)
        except Error as e:
            if not is_in_the_way(e):
                raise
            is_cut_short = True
            break
        if run is not None:
            runs.append(run)
            people += count
    return Retried(people=people, runs=tuple(runs), is_cut_short=is_cut_short)


def _retry_patiently(run_id: int, ids: list[int]) -> tuple[Run | None, int]:
    """Once more where the database undid it for somebody else's sake."""
    for _ in range(TRIES - 1):
        try:
            return _retry_run(run_id, ids)
        except Error as e:
            # A lock that was waited for is not waited for again: a person looks on.
            if not is_in_the_way(e) or sqlstate(e) == LOCKED:
                raise
            logger.warning("retry.repeated", run_id=run_id, because=e)
    return _retry_run(run_id, ids)


@transaction.atomic
def _retry_run(run_id: int, ids: list[int]) -> tuple[Run | None, int]:
    """In one transaction: a run that has no batch yet would be taken for over."""
    # Locked, so that nobody ends or changes the engagement meanwhile.
    locked = Engagement.objects.select_for_update(of=("self",), no_key=True)
    engagement = locked.get(runs=run_id)
    source = Run.objects.get(pk=run_id)
    if approved.why_not_retry(engagement, len(ids), run_id):
        return None, 0
    try:
        if not transitions.reopen_engagement(engagement):
            return None, 0
    except transitions.ActivationError:
        return None, 0
    run = Run.objects.create(
        engagement=engagement,
        version_id=engagement.version_id,
        values=engagement.values,
        variants=plan.kept(plan.of(source), plan.of(engagement)).as_json(),
        scheduled_for=database_clock.now(),
        state=Run.State.SENDING,
        retry_of=source,
        exits_before=source.exits_before,
    )
    count, batches = _take_along(run, source, ids)
    if not count:
        # Somebody else's retry was first, or they were sent meanwhile.
        run.delete()
        return None, 0
    Run.objects.filter(pk=run.pk).update(next_sequence=batches)
    transaction.on_commit(wakeup.publish)
    after_commit(
        logger.info,
        "run.started",
        run_id=run.pk,
        engagement_id=engagement.pk,
        retry_of=run_id,
        people=count,
    )
    return run, count


def _take_along(run: Run, source: Run, ids: list[int]) -> tuple[int, int]:
    """(people, batches)"""
    is_guarded = send_again.is_guarded(run.engagement)
    if is_guarded:
        send_again.lock(run.engagement_id)
    _decide(source, ids)
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_ALLOWED if is_guarded else INSERT_ALL,
            {
                **send_again.parameters(run.engagement),
                "run": run.pk,
                "source": source.pk,
                "ids": ids,
                "states": [str(state) for state in STATES],
                "size": people_per_request(run.version, run.values, plan.of(run)),
            },
        )
        count, batches = cursor.fetchone()
    return int(count), int(batches)


def _decide(source: Run, ids: list[int]) -> None:
    """Whom a retry takes out of an uncertain batch, nobody decides about any more.

    Under the batches' locks: neither a late answer nor another decision comes between.
    """
    uncertain = source.deliveries.filter(pk__in=ids, state=State.UNCERTAIN, retry=None)
    batches = Batch.objects.filter(
        pk__in=uncertain.values("batch"), state=Batch.State.UNCERTAIN
    )
    held = {batch.pk: batch for batch in batches.select_for_update().order_by("pk")}
    places: dict[int, list[int]] = {}
    for delivery in uncertain.filter(batch__in=held):
        place = held[delivery.batch_id].place_of(delivery)
        if place is not None:
            places.setdefault(delivery.batch_id, []).append(place)
    delivery_records.leave_out(places)
    nobody_left = Batch.objects.annotate(left=PEOPLE_LEFT).filter(pk__in=places, left=0)
    nobody_left.update(state=Batch.State.DONE)
