"""What keeps people from being sent any faster, in words, and how that is known."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone

from engagements.models import Engagement
from engagements.operations.types import Backlog, Cause, Limit, Plan, Snapshot
from engagements.throttling import circuit_breaker
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.counted import counted

# Nobody at work for so long, with batches that are due: there is no worker.
NOBODY = timedelta(seconds=45)
# A batch that is due and stays untouched for so long: no process is free.
UNTOUCHED = timedelta(seconds=5)
# From this share of a rate plan on, the plan is what holds delivery back.
FULL = 90

NOTHING = Limit(
    cause=Cause.NOTHING,
    text="Nothing to do: nobody is waiting.",
    evidence="No run has an open batch.",
)


def judged(snapshot: Snapshot) -> Snapshot:
    """The snapshot with each backlog's limit, and the one of the largest on top."""
    plans = {plan.connection_id: plan for plan in snapshot.plans}
    backlogs = tuple(
        replace(backlog, limit=limit_of(backlog, plans, snapshot))
        for backlog in snapshot.backlogs
    )
    return replace(snapshot, backlogs=backlogs, limit=_headline(backlogs))


def _headline(backlogs: tuple[Backlog, ...]) -> Limit:
    """Who is active comes first: what waits on purpose holds nothing back."""
    ordered = sorted(
        backlogs,
        key=lambda b: (b.state == Engagement.State.ACTIVE, b.people),
        reverse=True,
    )
    return ordered[0].limit or NOTHING if ordered else NOTHING


def limit_of(backlog: Backlog, plans: Mapping[int, Plan], now: Snapshot) -> Limit:
    used = [plans[pk] for pk in backlog.connection_ids if pk in plans]
    return (
        _at_rest(backlog)
        or next(filter(None, map(closed, used)), None)
        or next((_used_up(plan, backlog) for plan in used if _is_full(plan)), None)
        or (_nothing_due(backlog, used) if not backlog.due else None)
        or _short_of_hands(backlog, now)
    )


def _at_rest(backlog: Backlog) -> Limit | None:
    if backlog.state == Engagement.State.ACTIVE:
        return None
    if backlog.state == Engagement.State.BLOCKED:
        return Limit(
            cause=Cause.STOPPED,
            text=f"“{backlog.name}” is stopped by an error: {backlog.blocked_reason}",
            evidence="The Engagement’s state. Nobody was lost: they wait in line.",
            advice="Correct the cause, then press Resume on the Engagement’s page.",
        )
    by = " by “Pause all”" if backlog.is_held else ""
    return Limit(
        cause=Cause.PAUSED,
        text=f"“{backlog.name}” is paused{by}. {backlog.blocked_reason}".strip(),
        evidence="The Engagement’s state.",
        advice="Resume all." if backlog.is_held else "Resume it on its page.",
    )


def closed(plan: Plan) -> Limit | None:
    match plan.breaker.state:
        case circuit_breaker.State.RATE_LIMITED:
            return _asked_to_wait(plan)
        case circuit_breaker.State.OPEN | circuit_breaker.State.HALF_OPEN:
            return _breaker_open(plan)
    return None


def _asked_to_wait(plan: Plan) -> Limit:
    return Limit(
        cause=Cause.ASKED_TO_WAIT,
        text=f"The other side of “{plan.name}” asked us to wait until "
        f"{clock(plan.breaker.until)}.",
        evidence=f"Its answer was: {plan.breaker.problem or '429 Too Many Requests'}",
        advice="Nothing: it goes on by itself. If it happens often, lower the rate "
        "plan of the connection.",
    )


def _breaker_open(plan: Plan) -> Limit:
    if plan.breaker.state is circuit_breaker.State.OPEN:
        when = f"is left alone until {clock(plan.breaker.until)}"
    else:
        when = "is being tried with one request"
    return Limit(
        cause=Cause.BREAKER_OPEN,
        text=f"“{plan.name}” fails, and {when}.",
        evidence=f"{counted(plan.breaker.failures_in_a_row, 'failure')} in a row, the last at "
        f"{clock(plan.breaker.problem_at)}: {plan.breaker.problem}",
        advice="Look whether the other side is down and whether this machine reaches "
        "it. It goes on by itself as soon as one request succeeds.",
    )


def _is_full(plan: Plan) -> bool:
    return plan.is_hour_used_up or plan.percent >= FULL


def _used_up(plan: Plan, backlog: Backlog) -> Limit:
    if plan.is_hour_used_up:
        evidence = (
            f"{plan.hour_used:,} of {plan.hour_limit:,} requests of this hour are used."
        )
    else:
        evidence = (
            f"{plan.requests_a_second:,.1f} requests a second in the last 10 seconds, "
            f"of {plan.allowed_a_second:,.1f} that the plan allows."
        )
    return _rate_plan(plan, evidence)


def _rate_plan(plan: Plan, evidence: str) -> Limit:
    return Limit(
        cause=Cause.RATE_PLAN,
        text=f"The rate plan of “{plan.name}” is used up.",
        evidence=evidence,
        advice="More workers do not help. If your contract allows more, raise the rate "
        "plan of the connection.",
    )


def _nothing_due(backlog: Backlog, used: list[Plan]) -> Limit:
    if backlog.held_back and used and backlog.next_at:
        evidence = (
            f"{counted(backlog.held_back, 'batch was', 'batches were')} given back for want of a permit; the "
            f"next may go at {clock(backlog.next_at)}."
        )
        return _rate_plan(used[0], evidence)
    if backlog.retries and not backlog.in_hand and backlog.retry_at:
        return Limit(
            cause=Cause.RETRYING,
            text=f"Waiting to try again at {clock(backlog.retry_at)}.",
            evidence=f"{counted(backlog.retries, 'batch was', 'batches were')} not taken, and none is due.",
            advice="It goes on by itself. “Retry now” does it at once.",
        )
    return _on_its_way(backlog)


def _on_its_way(backlog: Backlog) -> Limit:
    collecting = " Its people are still being collected." * backlog.is_collecting
    return Limit(
        cause=Cause.ON_ITS_WAY,
        text=f"On its way.{collecting}",
        evidence=f"{counted(backlog.in_hand, 'batch is', 'batches are')} in workers’ hands, "
        f"{backlog.due:,} due since a moment ago.",
    )


def _short_of_hands(backlog: Backlog, now: Snapshot) -> Limit:
    waited = now.read_at - backlog.due_since if backlog.due_since else timedelta(0)
    if is_nobody_at_work(now) and waited > NOBODY:
        return Limit(
            cause=Cause.NO_WORKER,
            text="No worker takes it.",
            evidence=f"{counted(backlog.due, 'batch is', 'batches are')} due since {clock(backlog.due_since)}, "
            "nothing is in a worker’s hands, and no process looked for work lately.",
            advice="Start a worker: celery -A lemnisk_braze worker",
        )
    if now.database.is_strained:
        return database_limit(now)
    if waited > UNTOUCHED:
        return _busy(backlog, now)
    return _on_its_way(backlog)


def is_nobody_at_work(now: Snapshot) -> bool:
    return not now.leases and not any(worker.is_at_work for worker in now.workers)


def database_limit(now: Snapshot) -> Limit:
    base = now.database
    return Limit(
        cause=Cause.DATABASE,
        text="The database holds it back.",
        evidence=f"{counted(base.waiting_for_locks, 'session waits', 'sessions wait')} for a lock, the longest for "
        f"{base.longest_wait.total_seconds():.0f} s; {base.sessions} of "
        f"{base.most_sessions} sessions are in use.",
        advice="Look for a long transaction in pg_stat_activity, and at the number of "
        "sessions.",
    )


def _busy(backlog: Backlog, now: Snapshot) -> Limit:
    processes = sum(w.processes for w in now.workers if w.is_at_work)
    return Limit(
        cause=Cause.WORKERS_BUSY,
        text="All workers are busy: add a worker.",
        evidence=f"{counted(backlog.due, 'batch is', 'batches are')} due, the oldest since "
        f"{clock(backlog.due_since)}, and no process is free to take them: {processes} "
        "are at work. The rate plan has room.",
        advice="Start another worker, on this machine or another one: "
        "celery -A lemnisk_braze worker",
    )


def clock(at: datetime | None) -> str:
    """A time of day with its zone; the day as well where it is another one."""
    if at is None:
        return "—"
    local = timezone.localtime(at)
    is_today = local.date() == timezone.localtime(database_clock.reckoned()).date()
    return f"{local:%H:%M:%S %Z}" if is_today else f"{local:%-d %b %H:%M:%S %Z}"
