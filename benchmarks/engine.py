"""The product itself: from Activate to the run's end, through real workers.

Only what an operator or a marketer has is used here: models, Activate, and processes.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import OperationalError, connection
from django.utils import timezone

from benchmarks import people
from benchmarks.bench import CELERY, Bench, database_now, start_worker
from benchmarks.report import Measurement
from benchmarks.sink import KEY
from engagements.lifecycle import transitions
from engagements.models import Accepted, Delivery, Engagement, Run
from externalapi.connections import encryption
from externalapi.definitions.versions import Draft, save_version
from externalapi.models import Connection, ExternalAPI, ExternalAPIVersion
from externalapi.template.batching import PLANS
from externalapi.template.parameters import Parameter
from externalapi.vendors.braze.facts.contract import TRACK
from lemnisk_braze.local.processes import Child, LocalError, Processes
from segments.membership import refresh
from segments.models import Segment

# The rate plan's field at its most: no limit that this machine could reach.
NO_LIMIT = 2_000_000_000
BRAZE_BURST = 3_000
WARM_UP = 1_500
SLOWEST = 300  # people a second: who is slower than this has stopped
_number = itertools.count(1)


def make_connection(url: str) -> Connection:
    """A connection to the sink whose rate plan limits nothing."""
    found = Connection.objects.create(
        name="Sink", base_url=url, requests_per_burst=NO_LIMIT
    )
    encryption.set_key(found, KEY)
    return found


def make_version(
    name: str, connection: Connection, body: str, parameters: tuple[Parameter, ...]
) -> ExternalAPIVersion:
    draft = Draft(
        connection=connection,
        method="POST",
        path=TRACK,
        headers={"Content-Type": "application/json"},
        body=body,
        parameters=parameters,
        **PLANS["braze_75_combined"].fields(),
    )
    return save_version(ExternalAPI.objects.create(name=name), draft, None)


def make_segment(size: int) -> Segment:
    """The people 1 to `size`, found by a rule as every segment's are."""
    rule = {"attribute": "number", "is": "less", "value": size + 1}
    segment = Segment.objects.create(name=f"The first {size:,}", rule=rule)
    refresh.refresh(segment.pk)
    # Long ago: it is counted, and no tick counts it again while we measure.
    Segment.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    segment.refresh_from_db()
    if segment.size != size:
        raise LocalError(f"{segment} has {segment.size:,} people.")
    return segment


def settle() -> None:
    """Let the planner know the tables; what autovacuum would do at a bad moment."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE segments_membership")
        cursor.execute("VACUUM ANALYZE segments_transition")


def forget_engagements() -> None:
    """Every measurement begins with empty tables of runs and deliveries.

    A worker that still looks for work may have its locks in another order: once more.
    """
    # The large ones have no constraint by which they would go along.
    names = [model._meta.db_table for model in (Engagement, Delivery, Accepted)]
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"TRUNCATE {', '.join(names)} CASCADE")
        except OperationalError:
            continue
        return


def make_engagement(
    segment: Segment, version: ExternalAPIVersion, **fields: Any
) -> Engagement:
    """A draft on a schedule that is due at once."""
    return Engagement.objects.create(
        name=f"Benchmark {next(_number)}",
        segment=segment,
        version=version,
        values=dict(people.VALUES),
        trigger=Engagement.Trigger.SCHEDULE,
        **fields,
    )


def activate(engagement: Engagement) -> Run:
    """Activate an engagement, and return its run."""
    transitions.activate(engagement)
    return Run.objects.get(engagement=engagement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A worker with its processes, and beat, at work."""

    bench: Bench
    processes: Processes
    child: Child
    workers: int
    version: ExternalAPIVersion

    def measure(
        self,
        segment: Segment,
        *,
        name: str = "engine",
        latency_ms: float = 0,
        runs: int = 1,
    ) -> Measurement:
        """Send the segment's people, so many times at once, each time as another run.

        Raises LocalError unless all of them arrived.
        """
        size = segment.size * runs
        forget_engagements()
        burst = self.version.connection.requests_per_burst
        self.bench.sink.reset(
            latency_ms=latency_ms, burst=0 if burst == NO_LIMIT else burst
        )
        with self.bench.meter(self.child) as meter:
            started = database_now()
            active = [
                activate(make_engagement(segment, self.version)) for _ in range(runs)
            ]
            ended = max(self.wait_for(run, size) for run in active)
        counts = self.bench.sink.counts()
        check(active, segment, counts["objects"], counts["sample"])
        return Measurement.of(
            name=name,
            people=size,
            workers=self.workers,
            seconds=(ended - started).total_seconds(),
            cost=meter.cost,
            counts=counts,
        )

    def wait_for(self, run: Run, size: int) -> datetime:
        """Wait for a run's end, and return when it was."""
        self.processes.wait_until(
            lambda: _has_ended(run),
            f"the run of {size:,} people",
            60 + size / SLOWEST,
        )
        run.refresh_from_db()
        assert run.ended_at is not None
        return run.ended_at

    def warm_up(self, segment: Segment) -> None:
        """Everyone's first task imports and connects; that is not what we measure."""
        for _ in range(self.workers):
            self.measure(segment)


def _has_ended(run: Run) -> bool:
    # The run's own clock says when; asking more often would only disturb it.
    time.sleep(0.1)
    return Run.objects.filter(pk=run.pk, ended_at__isnull=False).exists()


@contextmanager
def started(
    bench: Bench, version: ExternalAPIVersion, workers: int
) -> Iterator[Engine]:
    with bench.processes() as processes:
        child = start_worker(processes, "lemnisk_braze", workers)
        processes.start("beat", [*CELERY, "lemnisk_braze", "beat", "-l", "WARNING"])
        yield Engine(
            bench=bench,
            processes=processes,
            child=child,
            workers=workers,
            version=version,
        )


def check(runs: Sequence[Run], segment: Segment, objects: int, sample: str) -> None:
    """Nothing is fast that did not arrive: each once, recorded, and as it should be."""
    for run in runs:
        sent = Delivery.objects.filter(run=run, state=Delivery.State.SENT)
        recorded = sent.values("profile").distinct().count()
        if recorded != segment.size or objects != segment.size * len(runs):
            raise LocalError(
                f"{run} ended as {run.state}: of {segment.size:,} people {recorded:,} are"
                f" recorded as sent; {objects:,} arrived of {len(runs)} such runs."
                f" {run.failure}"
            )
    check_payload(sample)


def check_payload(sample: str) -> None:
    for payload in orjson.loads(sample)["attributes"]:
        if not people.is_expected(payload):
            raise LocalError(f"This arrived, and should not look so: {payload}")


def set_plan(version: ExternalAPIVersion, burst: int) -> None:
    """Let the connection send so many requests in 3 seconds."""
    version.connection.requests_per_burst = burst
    version.connection.save()
    # A window that was opened under the old plan is over after three seconds.
    time.sleep(3)
