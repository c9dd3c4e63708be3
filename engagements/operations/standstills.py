"""Alarms about what stands still although somebody is at work."""

from collections.abc import Iterator
from datetime import timedelta

from engagements.operations import bottleneck
from engagements.operations.types import Alarm, Cause, Snapshot
from lemnisk_braze.lib.counted import counted
from segments.ingest.health import LATELY, MOST_COUNTED, Intake

# The oldest message waits for so long, and for so long none was applied.
STILL = timedelta(seconds=45)
# Messages are applied, but fewer than come in.
BEHIND = timedelta(minutes=5)
# From this share on, of at least so many, it is not just somebody's odd message.
MANY_PERCENT = 10
MANY = 20
# Batches are due for so long while workers are at work, and no request was answered.
UNSENT = timedelta(seconds=60)
# What would explain it is none of these.
UNEXPLAINED = (Cause.WORKERS_BUSY, Cause.DATABASE, Cause.ON_ITS_WAY)


def of(now: Snapshot) -> Iterator[Alarm]:
    yield from _sending(now)
    yield from intake(now.intake)


def intake(now: Intake) -> Iterator[Alarm]:
    """The alarms about the way in; the first is about all of it."""
    yield from _inbox(now)
    yield from _refused(now)
    yield from _segments(now)


def _sending(now: Snapshot) -> Iterator[Alarm]:
    last_minute = next(r for r in now.rates if r.seconds == UNSENT.total_seconds())
    if last_minute.requests:
        return
    for backlog in now.backlogs:
        waited = now.read_at - (backlog.due_since or now.read_at)
        cause = backlog.limit and backlog.limit.cause
        if cause in UNEXPLAINED and waited > UNSENT:
            yield Alarm(
                name="standstill",
                text=f"Workers are at work, and nothing is sent: "
                f"{counted(backlog.due, 'batch', 'batches')} of “{backlog.name}” due since {bottleneck.clock(backlog.due_since)}, "
                "and no request was answered in the last minute.",
                advice="Look for an error in the workers’ log.",
            )
            return


def _inbox(now: Intake) -> Iterator[Alarm]:
    if not now.waiting:
        return
    many = f"{_at_least(now.waiting)} of the tracking API’s messages wait"
    if now.oldest > STILL and now.still > STILL:
        reason = f" The last try said: {now.reason}" if now.reason else ""
        yield Alarm(
            name="inbox",
            text=f"The inbox stands still: {many}, the oldest since "
            f"{bottleneck.clock(now.oldest_at)}. Nobody enters a segment by what they do."
            f"{reason}",
            advice="Start a worker: celery -A lemnisk_braze worker. If one runs, its log "
            "says what fails. No message is lost meanwhile.",
        )
    elif now.oldest > BEHIND:
        yield Alarm(
            name="inbox",
            text=f"The inbox is behind: {many}, the oldest since "
            f"{bottleneck.clock(now.oldest_at)}.",
            advice="It catches up by itself when less comes in. If it goes on growing, "
            "the database needs a faster disk or more memory.",
        )


def _refused(now: Intake) -> Iterator[Alarm]:
    if now.refused:
        minutes = int(LATELY.total_seconds() // 60)
        is_many = now.newest >= MANY and now.refused_percent >= MANY_PERCENT
        share = f", {now.refused_percent} % of all," if is_many else ""
        yield Alarm(
            name="refused",
            text=f"{_at_least(now.refused)} of the messages of the last {minutes} minutes"
            f"{share} were taken in and could not be applied.",
            advice="Each is kept with its reason, on its source’s page. When the "
            "cause is corrected: manage.py apply_refused.",
            is_everybodys=is_many,
        )


def _segments(now: Intake) -> Iterator[Alarm]:
    for name, problem in now.uncounted:
        yield Alarm(
            name="segment",
            text=f"The segment “{name}” cannot be counted: nobody enters and nobody "
            f"leaves it. {problem}",
            advice="Open its page and correct the rule. It is tried again every few "
            "minutes.",
            is_everybodys=False,
        )


def _at_least(count: int) -> str:
    return f"{count:,}" + "+" * (count >= MOST_COUNTED)
