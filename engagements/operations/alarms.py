"""What an operator has to look at now: each alarm says what is wrong, and what to do.

docs/operators.md has a row for each name.
"""

from collections.abc import Iterator
from datetime import timedelta

from engagements.models import Engagement
from engagements.operations import bottleneck, standstills
from engagements.operations.types import Alarm, Cause, Snapshot
from lemnisk_braze.lib.counted import counted

TICK = timedelta(seconds=60)
# A statement is ended after two minutes: whoever tries for longer does not get on.
STUCK = timedelta(minutes=3)
# In seconds: what a clock that is kept right is never off by.
CLOCK = 5.0


def of(now: Snapshot) -> Iterator[Alarm]:
    """The alarms that are on; those about delivery as a whole come first."""
    yield from _tick(now)
    yield from _chores(now)
    yield from _worker(now)
    yield from _mistakes(now)
    yield from _database(now)
    yield from _clocks(now)
    yield from standstills.of(now)
    yield from _breakers(now)
    yield from _stopped(now)


def tick(age: timedelta | None) -> Alarm | None:
    """The alarm of a tick so old, or that there has never been one (None)."""
    if age is not None and age <= TICK:
        return None
    since = "never" if age is None else f"for {in_words(age)} not"
    return Alarm(
        name="tick",
        text=f"The periodic tick has {since} come to its end. No schedule starts, and "
        "what a lost worker left behind is not taken back.",
        advice="Start beat: celery -A lemnisk_braze beat. If it runs, look for a "
        "worker that takes the tick, and for its error in the worker’s log.",
    )


def _tick(now: Snapshot) -> Iterator[Alarm]:
    if alarm := tick(now.tick_age):
        yield alarm


def _chores(now: Snapshot) -> Iterator[Alarm]:
    for chore in now.chores:
        if chore.problem or chore.trying_for > STUCK:
            ended = f", and ended with {chore.problem}" if chore.problem else ""
            yield Alarm(
                name="chore",
                text=f"The periodic tick cannot {chore.name}: it has tried for "
                f"{in_words(chore.trying_for)}{ended}. Its other work goes on.",
                advice="Look for the error in the workers’ log. Every tick tries again.",
            )


def _clocks(now: Snapshot) -> Iterator[Alarm]:
    for worker in now.workers:
        if abs(worker.clock_ahead) > CLOCK:
            off = in_words(timedelta(seconds=abs(worker.clock_ahead)))
            side = "ahead of" if worker.clock_ahead > 0 else "behind"
            yield Alarm(
                name="clock",
                text=f"The clock of the worker “{worker.node}” is {off} {side} the "
                "database’s. Nothing is sent at a wrong time: only the database’s "
                "clock counts.",
                advice="Let NTP keep the machine’s clock right: certificates are "
                "checked by it, and logs are read by it.",
            )


def _worker(now: Snapshot) -> Iterator[Alarm]:
    for backlog in now.backlogs:
        if backlog.limit and backlog.limit.cause is Cause.NO_WORKER:
            yield Alarm(
                name="worker",
                text=f"No worker takes what is due. {backlog.limit.evidence}",
                advice=backlog.limit.advice,
            )
            return


def _mistakes(now: Snapshot) -> Iterator[Alarm]:
    for worker in now.workers:
        if worker.problem:
            yield Alarm(
                name="mistake",
                text=f"{worker.node} met a mistake that no wait mends, and goes on "
                f"with what else there is. {worker.problem}",
                advice="Look for it in the worker’s log. Is the database’s schema that "
                "of the program? Run: manage.py migrate --check.",
                is_everybodys=False,
            )


def _database(now: Snapshot) -> Iterator[Alarm]:
    base = now.database
    if (
        base.longest_wait > bottleneck.NOBODY
        or base.sessions >= 0.9 * base.most_sessions
    ):
        limit = bottleneck.database_limit(now)
        yield Alarm(name="database", text=limit.evidence, advice=limit.advice)


def _breakers(now: Snapshot) -> Iterator[Alarm]:
    for plan in now.plans:
        limit = bottleneck.closed(plan)
        if limit and limit.cause is Cause.BREAKER_OPEN:
            yield Alarm(
                name="breaker",
                text=f"{limit.text} {limit.evidence}",
                advice=limit.advice,
                is_everybodys=False,
            )


def _stopped(now: Snapshot) -> Iterator[Alarm]:
    for backlog in now.backlogs:
        if backlog.state == Engagement.State.BLOCKED and backlog.limit:
            yield Alarm(
                name="stopped",
                text=f"{backlog.limit.text} {counted(backlog.people, 'person waits', 'people wait')}.",
                advice=backlog.limit.advice,
                is_everybodys=False,
            )


def in_words(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    if seconds < 7_200:
        return f"{seconds // 60} minutes"
    return f"{seconds // 3_600} hours"
