"""What each tick writes down: its heartbeat, and the picture of the last hour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from engagements.models import Sample

KEPT = timedelta(days=1)
MINUTE = timedelta(minutes=1)
MINUTES = 60

# Up to the oldest request that has no answer yet everything is known, and an intent
# that is just being written is younger than two seconds.
TAKE = """
    WITH bounds AS (
        SELECT since, greatest(since, least(
            clock_timestamp() - interval '2 seconds',
            (SELECT min(a.started_at) FROM engagements_attempt a
             JOIN engagements_batch b ON b.id = a.batch_id AND b.state = 'sending'
             WHERE a.outcome = 'unfinished')
        )) AS until
        FROM (SELECT greatest(
            clock_timestamp() - interval '1 hour',
            coalesce((SELECT max(until) FROM engagements_sample),
                     clock_timestamp() - interval '15 seconds')
        ) AS since) s
    ), waiting AS (
        SELECT count(*) AS batches,
            coalesce(sum(cardinality(profile_ids) - cardinality(left_out)), 0) AS people
        FROM engagements_batch b
        WHERE b.state IN ('pending', 'retry', 'leased', 'sending')
    ), sent AS (
        SELECT count(*) AS requests, coalesce(
            sum(cardinality(b.profile_ids) - cardinality(a.left_out))
            FILTER (WHERE outcome IN ('sent', 'accepted_unverified')), 0) AS people
        FROM engagements_attempt a
        JOIN engagements_batch b ON b.id = a.batch_id CROSS JOIN bounds
        WHERE a.started_at >= bounds.since AND a.started_at < bounds.until
    )
    INSERT INTO engagements_sample
        (at, since, until, people, requests, waiting_people, waiting_batches)
    SELECT clock_timestamp(), bounds.since, bounds.until, sent.people, sent.requests,
        waiting.people, waiting.batches
    FROM bounds, waiting, sent
"""
# When so many ticks in a row have not come, nobody could write.
TICKS_MISSED = 3
LAST_GAP = """
    WITH recent AS (
        SELECT at FROM engagements_sample WHERE at > clock_timestamp() - %(within)s
        UNION ALL
        SELECT max(at) FROM engagements_sample WHERE at <= clock_timestamp() - %(within)s
        UNION ALL
        SELECT clock_timestamp()
    )
    SELECT max(at) FROM (
        SELECT at, at - lag(at) OVER (ORDER BY at) AS since FROM recent
        WHERE at IS NOT NULL
    ) s WHERE since > %(gap)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """One minute of the picture; `waiting` is None where no tick looked."""

    at: datetime
    people: float
    waiting: int | None


def take() -> None:
    """Append a sample, and drop those that are a day old."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE)
    Sample.objects.filter(at__lt=Now() - KEPT).delete()


def last_tick() -> datetime | None:
    """When a tick last came to its end, by the database's clock."""
    newest = Sample.objects.order_by("-at").values_list("at", flat=True)
    return newest.first()


def last_gap(within: timedelta) -> datetime | None:
    """When ticks last came again after several that did not; None if not lately.

    By the database's clock, and no longer ago than `within`. What is over in half of
    that is none.
    """
    gap = max(TICKS_MISSED * timedelta(seconds=settings.TICK_SECONDS), within / 2)
    times: dict[str, Any] = {"within": within, "gap": gap}
    with connection.cursor() as cursor:
        cursor.execute(LAST_GAP, times)
        found: datetime | None = cursor.fetchone()[0]
    return found


def tick_age() -> timedelta | None:
    """How long ago that was; None where there has never been one."""
    ages = Sample.objects.order_by("-at").values_list(Now() - F("at"), flat=True)
    return ages.first()


def last_hour(now: datetime) -> list[Minute]:
    """The minute that `now` is in, as far as it has come, and the 59 before it."""
    start = now.replace(second=0, microsecond=0) - (MINUTES - 1) * MINUTE
    samples = Sample.objects.filter(at__gte=start).order_by("at")
    return minutes(samples, start)


def minutes(samples: Iterable[Sample], start: datetime) -> list[Minute]:
    """Spread each sample's people evenly over the time that it is about."""
    people = [0.0] * MINUTES
    waiting: list[int | None] = [None] * MINUTES
    for sample in samples:
        for number, share in _shares(sample.since, sample.until, start):
            people[number] += sample.people * share
        place = (sample.at - start) // MINUTE
        if 0 <= place < MINUTES:
            waiting[place] = sample.waiting_people
    return [
        Minute(at=start + number * MINUTE, people=people[number], waiting=waits)
        for number, waits in enumerate(waiting)
    ]


def _shares(
    since: datetime, until: datetime, start: datetime
) -> Iterable[tuple[int, float]]:
    """(minute, the share of [since, until) in it), for the minutes of the picture."""
    length = until - since
    if not length:
        return
    for number in range(max((since - start) // MINUTE, 0), MINUTES):
        begin = start + number * MINUTE
        overlap = min(until, begin + MINUTE) - max(since, begin)
        if overlap <= timedelta(0):
            return
        yield number, overlap / length
