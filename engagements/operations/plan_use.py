"""How much of its rate plan a connection used in the last hour, out of its attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database

from externalapi.models import Connection
from lemnisk_braze.lib.pages import chart

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
# A limit that is this far above all that was sent would press the bars to the floor.
FAR = 5

COUNTS = """
    SELECT floor(extract(epoch FROM a.started_at - %(start)s) / %(step)s)::int,
        count(*), count(*) FILTER (WHERE a.outcome = 'rate_limited')
    FROM engagements_attempt a
    JOIN externalapi_externalapiversion v ON v.id = a.version_id
    WHERE v.connection_id = %(connection)s
      AND a.started_at >= %(start)s AND a.started_at < %(end)s
    GROUP BY 1
"""
# The hourly window of the plan is the clock's (engagements.throttling.rate_limit).
THIS_HOUR = """
    SELECT count(*) FROM engagements_attempt a
    JOIN externalapi_externalapiversion v ON v.id = a.version_id
    WHERE v.connection_id = %(connection)s
      AND a.started_at >= %(hour)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The requests that began in one step of the picture."""

    at: datetime
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanUse:
    """The steps of the last hour, oldest first, against what the plan lets through.

    A step is a minute, or the plan's burst window where that is longer. `allowed` is
    by step; `asked_to_wait` counts answers of 429.
    """

    steps: Sequence[Step]
    length: timedelta
    allowed: float
    asked_to_wait: int
    hour_used: int
    hour_limit: int | None

    @property
    def requests(self) -> int:
        return sum(step.requests for step in self.steps)

    @property
    def most(self) -> int:
        return max(step.requests for step in self.steps)

    @property
    def percent(self) -> int:
        """How much of what is allowed the busiest step had."""
        return round(self.most * 100 / self.allowed)

    @property
    def hour_percent(self) -> int | None:
        return self.hour_used * 100 // self.hour_limit if self.hour_limit else None

    @property
    def is_far(self) -> bool:
        return self.allowed > self.most * FAR

    @property
    def top(self) -> int:
        return chart.nice(self.most if self.is_far else max(self.most, self.allowed))

    @property
    def bars(self) -> Sequence[chart.Bar]:
        return chart.bars([step.requests for step in self.steps], self.top)

    @property
    def limit_y(self) -> float:
        """Where the line of the limit is drawn."""
        return chart.HEIGHT - self.allowed * chart.HEIGHT / self.top

    @property
    def times(self) -> Sequence[datetime]:
        quarter = max(len(self.steps) // 4, 1)
        return [step.at for step in self.steps[::quarter]]


def read(connection: Connection, now: datetime) -> PlanUse:
    """Count the requests of engagements that began in the hour up to `now`, in UTC.

    Presses of Test Configuration are not among them, as they are not paced.
    """
    length = max(MINUTE, timedelta(seconds=connection.burst_seconds))
    count = max(HOUR // length, 1)
    end = now.replace(second=0, microsecond=0) + MINUTE
    start = end - count * length
    found = _counts(connection, start, end, length)
    return PlanUse(
        steps=[
            Step(at=start + number * length, requests=found.get(number, (0, 0))[0])
            for number in range(count)
        ],
        length=length,
        allowed=connection.requests_per_burst
        * (length.total_seconds() / connection.burst_seconds),
        asked_to_wait=sum(waits for _, waits in found.values()),
        hour_used=_since(connection, now.replace(minute=0, second=0, microsecond=0)),
        hour_limit=connection.requests_per_hour,
    )


def _counts(
    connection: Connection, start: datetime, end: datetime, length: timedelta
) -> dict[int, tuple[int, int]]:
    """Step → requests, and those of them that were asked to wait."""
    asked: dict[str, Any] = {
        "connection": connection.pk,
        "start": start,
        "end": end,
        "step": length.total_seconds(),
    }
    with database.cursor() as cursor:
        cursor.execute(COUNTS, asked)
        return {step: (requests, waits) for step, requests, waits in cursor.fetchall()}


def _since(connection: Connection, hour: datetime) -> int:
    with database.cursor() as cursor:
        cursor.execute(THIS_HOUR, {"connection": connection.pk, "hour": hour})
        (requests,) = cursor.fetchone()
    return int(requests)
