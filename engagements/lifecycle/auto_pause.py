"""An engagement that mostly fails is paused by itself, with the reason.

Each run is judged twice: by the share of those who failed among the next 1,000 people
(who fails again and again is one of them), and by whether anybody at all was taken in
the last half hour. What a person resumed is judged by what comes after that.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from engagements.models import Batch, Delivery, Destination, Engagement, Run
from engagements.reporting import progress

SHARE = 0.2
PEOPLE = 1_000
# Fewer failures are an accident, however long they take.
A_FEW = 5
TOO_LONG = timedelta(minutes=30)
# A run that ended between two ticks is judged too.
JUST_ENDED = timedelta(minutes=5)
# Reasons of skipped people that are somebody's mistake. Who has no identifier was
# counted before the activation; other reasons are somebody's wish.
REFUSED = (Delivery.State.REJECTED, Delivery.State.DEAD)
NOT_RENDERED = ("template_error", "missing_parameter", "too_big")


def pause_failing(now: datetime) -> int:
    """Pause the active engagements that mostly fail; return how many."""
    return sum([*_pause_for_their_people(now), *_pause_for_their_connection(now)])


def _pause(engagement: Engagement, problem: str, advice: str) -> bool:
    reason = f"{problem} {advice}"
    active, paused = Engagement.State.ACTIVE, Engagement.State.PAUSED
    return engagement.move([active], paused, reason)


# --- Their people are refused ---------------------------------------------------------


def _pause_for_their_people(now: datetime) -> Iterator[bool]:
    for run in _judged(now):
        if problem := _problem(run, now):
            advice = "The report says why. Correct the cause, then press Resume."
            yield _pause(run.engagement, problem, advice)


def _judged(now: datetime) -> QuerySet[Run]:
    recent = Q(state__in=Run.OPEN) | Q(ended_at__gte=now - JUST_ENDED)
    return Run.objects.filter(
        recent, engagement__state=Engagement.State.ACTIVE
    ).select_related("engagement")


def _problem(run: Run, now: datetime) -> str:
    """Why the run's engagement is to be paused; "" if it is not.

    Everybody is counted only where there are failures enough, or half an hour is over.
    """
    failed = failures(run)
    began = max(run.half_hour_began or run.started_at, _active_since(run))
    is_long = now - began >= TOO_LONG
    if failed - run.judged_failures <= SHARE * PEOPLE and not is_long:
        return ""
    finished = progress.of([run])[run.pk].finished
    return _share_problem(run, finished, failed) or (
        _half_hour_problem(run, finished, failed, now) if is_long else ""
    )


def _share_problem(run: Run, finished: int, failures: int) -> str:
    """`finished`, `failures`: how many deliveries; judged are people, each once."""
    ends, failed_ends = finished - run.judged_people, failures - run.judged_failures
    newest = _failed(run).order_by("-pk").values("pk")[:failed_ends]
    failed = people(Delivery.objects.filter(pk__in=newest))
    new = ends - (failed_ends - failed)
    if new < PEOPLE:
        return ""
    _keep(run, judged_people=finished, judged_failures=failures)
    if failed <= SHARE * new:
        return ""
    return (
        f"{failed:,} of the last {new:,} people were rejected, given up, or had no"
        " payload."
    )


def _half_hour_problem(run: Run, finished: int, failures: int, now: datetime) -> str:
    ends, failed_ends = (
        finished - run.half_hour_people,
        failures - run.half_hour_failures,
    )
    since = run.half_hour_began or run.started_at
    _keep(
        run,
        half_hour_began=now,
        half_hour_people=finished,
        half_hour_failures=failures,
    )
    if not A_FEW <= ends == failed_ends:
        return ""
    failed = people(_failed(run).filter(updated_at__gte=since))
    if failed < A_FEW:
        return ""
    return f"For half an hour nobody was taken: all {failed:,} people failed."


def _keep(run: Run, **fields: object) -> None:
    Run.objects.filter(pk=run.pk).update(**fields)


def _active_since(run: Run) -> datetime:
    return run.engagement.active_since or run.started_at


def failures(run: Run) -> int:
    """How many times people of a run failed by somebody's mistake."""
    refused = Delivery.objects.filter(run=run, state__in=REFUSED).count()
    skips = run.batches.tallies()[run.pk].skips
    return refused + sum(skips[code] for code in NOT_RENDERED)


def people_who_failed(run: Run) -> int:
    """How many people of a run failed by somebody's mistake."""
    return people(_failed(run))


def people(deliveries: QuerySet[Delivery]) -> int:
    """How many different people: one may enter, and fail, again and again."""
    return deliveries.order_by().values("profile").distinct().count()


def _failed(run: Run) -> QuerySet[Delivery]:
    failed = Q(state__in=REFUSED)
    for reason in NOT_RENDERED:
        failed |= Q(state=Delivery.State.SKIPPED, reason__startswith=f"{reason}:")
    return Delivery.objects.filter(failed, run=run)


# --- Their connection does not answer -------------------------------------------------


def _pause_for_their_connection(now: datetime) -> Iterator[bool]:
    failing = Destination.objects.filter(
        failing_since__lte=now - TOO_LONG, failures_in_a_row__gte=A_FEW
    ).select_related("connection")
    for destination in failing:
        problem = (
            f"For {_minutes(now - (destination.failing_since or now))} nothing could be"
            f" sent through “{destination.connection}”."
        )
        last = destination.last_problem.rstrip(".")
        advice = (
            f"The last problem was: {last}. Everybody who was not sent waits in line:"
            " press Resume when it works again."
        )
        for engagement in _waiting(destination, now):
            yield _pause(engagement, problem, advice)


def _waiting(destination: Destination, now: datetime) -> QuerySet[Engagement]:
    """Engagements with people in line for this connection, active for long enough."""
    runs = Run.objects.filter(
        engagement=OuterRef("pk"),
        state__in=Run.OPEN,
        version__connection=destination.connection_id,
    )
    waiting = Batch.objects.filter(run=OuterRef("pk"), state__in=Batch.OPEN)
    return Engagement.objects.filter(
        Exists(runs.filter(Exists(waiting))),
        state=Engagement.State.ACTIVE,
        active_since__lte=now - TOO_LONG,
    )


def _minutes(time: timedelta) -> str:
    return f"{time // timedelta(minutes=1):,} minutes"
