"""The order of things: rounds in which the contestants take turns, then real time."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.db.models import Max

from benchmarks import (
    careful,
    engine,
    guards,
    naive,
    peers,
    people,
    raw,
    realtime,
    report,
    stages,
)
from benchmarks.bench import Bench, database_now, start_worker
from benchmarks.figures import Figures
from benchmarks.report import Latencies, Measurement, Ratio, Stages, Table
from externalapi.models import ExternalAPIVersion
from externalapi.vendors.braze.facts.contract import BURST_SECONDS
from lemnisk_braze.local.processes import Child, Processes, free_port
from segments.models import Profile, Segment

RATES = (100, 200)
NAIVE_PEOPLE = 2_000
CAREFUL_PEOPLE = 20_000
# Objects that Braze takes in a request.
OBJECTS = 75
# Braze's round trip in the measurement that keeps to Braze's limit.
LATENCY_MS = 50
# People a second that Braze's limit lets through.
BRAZE_PEOPLE = engine.BRAZE_BURST / BURST_SECONDS * OBJECTS
RAW = "requests.Session, ready-made bodies"
LIMITED = f"engine, Braze's limit, {LATENCY_MS} ms"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    sizes: Sequence[int]
    workers: Sequence[int]
    rounds: int
    # Seconds of each pace of events; 0 leaves real time out.
    seconds: float
    # For how many seconds Braze's limit is held.
    hold: float


@dataclass(slots=True, kw_only=True)
class Suite:
    """All that is measured of delivery; results go to `keep` as they come."""

    bench: Bench
    options: Options
    version: ExternalAPIVersion
    segments: dict[int, Segment]
    keep: Callable[[dict[str, Any]], None]
    measurements: list[Measurement] = field(default_factory=list)
    latencies: list[Latencies] = field(default_factory=list)
    stages: list[Stages] = field(default_factory=list)
    shares: guards.Shares = field(default_factory=guards.Shares)

    @classmethod
    def prepare(
        cls, bench: Bench, options: Options, keep: Callable[[dict[str, Any]], None]
    ) -> "Suite":
        """Make the people, the External API and a segment for each size."""
        most = max(*options.sizes, NAIVE_PEOPLE, CAREFUL_PEOPLE)
        say(f"Making {most:,} people …")
        people.load(most)
        peers.make_table()
        connection = engine.make_connection(bench.sink.url)
        sizes = {engine.WARM_UP, *options.sizes}
        segments = {size: engine.make_segment(size) for size in sorted(sizes)}
        engine.settle()
        return cls(
            bench=bench,
            options=options,
            version=engine.make_version(
                "Track Users", connection, people.BODY, people.PARAMETERS
            ),
            segments=segments,
            keep=keep,
        )

    def run(self) -> None:
        for number in range(1, self.options.rounds + 1):
            say(f"Round {number} of {self.options.rounds}")
            for workers in self.options.workers:
                self._engine(workers)
            self._peer(naive.app.main, naive.publish, NAIVE_PEOPLE)
            self._peer(careful.app.main, careful.publish, CAREFUL_PEOPLE)
            self._raw()
        self._guards()
        self._limited()
        self._stages()
        if self.options.seconds:
            self._real_time()

    def ratios(self) -> list[Ratio]:
        """The engine at the largest size, against each peer, round by round."""
        ours = self._rates("engine", max(self.options.sizes))
        compared = [
            Ratio(
                peer=title,
                values=[a / b for a, b in zip(ours, self._rates(name), strict=True)],
            )
            for name, title in (
                ("naive", "one task a person"),
                ("careful", "one task for 75 people"),
                (RAW, "one loop of ready-made bodies, which is only the client"),
            )
        ]
        return [
            *compared,
            Ratio(peer="Braze's own limit, with it kept", values=self._limit_shares),
        ]

    def figures(self) -> Figures:
        """What was measured, under the keys that the bar is held to."""
        largest = max(self.options.sizes)
        naive, careful, *_ = self.ratios()
        refused = sum(m.refused for m in self._of(LIMITED))
        ours = self._of("engine", largest)
        tenths = self._of("engine", largest // 10)
        pairs = list(zip(ours, tenths, strict=True)) if tenths else []
        return {
            "delivery.times_naive": naive.values,
            "delivery.times_careful": careful.values,
            # A limit that was overstepped was not held.
            "delivery.braze_limit_share": [] if refused else self._limit_shares,
            "delivery.growth": [a.seconds / b.seconds for a, b in pairs],
            "delivery.peak_mb": [m.peak_pss_mb for m in ours],
            "delivery.peak_growth": [a.peak_pss_mb / b.peak_pss_mb for a, b in pairs],
            **self.shares.speed,
            **realtime.figures(self.latencies),
        }

    def tables(self) -> list[Table]:
        made = report.tables(
            self.measurements, self.ratios(), self.latencies, self.stages
        )
        return [*made, self.shares.table()]

    @property
    def _limit_shares(self) -> list[float]:
        return [rate / BRAZE_PEOPLE for rate in self._rates(LIMITED)]

    @property
    def _middle(self) -> Segment:
        """The largest but one, where there are several."""
        return self.segments[sorted(self.options.sizes)[-2:][0]]

    @property
    def _compared(self) -> int:
        """With how many processes the engine stands beside the others."""
        return 2 if 2 in self.options.workers else max(self.options.workers)

    def _rates(self, name: str, size: int | None = None) -> list[float]:
        return [m.rate for m in self._of(name, size)]

    def _of(self, name: str, size: int | None = None) -> list[Measurement]:
        return [
            m
            for m in self.measurements
            if m.name == name
            and m.workers in (self._compared, 1 if name == RAW else self._compared)
            and size in (None, m.people)
        ]

    def _note(self, measurement: Measurement) -> None:
        self.measurements.append(measurement)
        self.keep(orjson.loads(orjson.dumps(measurement)))
        say(f"  {measurement.line()}")

    def _engine(self, workers: int) -> None:
        with engine.started(self.bench, self.version, workers) as running:
            running.warm_up(self.segments[engine.WARM_UP])
            for size in self.options.sizes:
                self._note(running.measure(self.segments[size]))

    def _guards(self) -> None:
        """Each after a run without, which is not the engine's own measurement."""
        segment = self._middle
        with engine.started(self.bench, self.version, self._compared) as running:
            running.warm_up(self.segments[engine.WARM_UP])
            for _ in range(self.options.rounds):
                for measured in guards.measure(running, segment, self.shares):
                    self.keep(orjson.loads(orjson.dumps(measured)))
                    say(f"  {measured.line()}")

    def _limited(self) -> None:
        """With Braze's rate plan and a real round trip; the sink counts and judges."""
        size = max(self.options.sizes)
        runs = max(round(self.options.hold * BRAZE_PEOPLE / size), 1)
        with engine.started(self.bench, self.version, self._compared) as running:
            running.warm_up(self.segments[engine.WARM_UP])
            engine.set_plan(self.version, engine.BRAZE_BURST)
            try:
                segment = self.segments[size]
                measured = running.measure(
                    segment, name=LIMITED, latency_ms=LATENCY_MS, runs=runs
                )
                self._note(measured)
            finally:
                engine.set_plan(self.version, engine.NO_LIMIT)
        say(f"    refused for their number: {measured.refused}")

    def _stages(self) -> None:
        """In this process, with nobody else at work."""
        segment = self._middle
        self.bench.sink.reset()
        for _ in range(self.options.rounds):
            self.stages.append(stages.measure(segment, self.version, self.bench))
        self.keep({"name": "stages", "seconds": [dict(s.seconds) for s in self.stages]})

    def _peer(self, name: str, publish: Callable[[list[int]], None], size: int) -> None:
        ids = list(Profile.objects.order_by("pk").values_list("pk", flat=True)[:size])
        peers.Sent.objects.all().delete()
        with self._peer_worker(name) as (processes, child):
            publish(ids[:100])
            _wait_for_sent(processes, 100)
            peers.Sent.objects.all().delete()
            self.bench.sink.reset()
            with self.bench.meter(child) as meter:
                started = database_now()
                publish(ids)
                ended = _wait_for_sent(processes, size)
        counts = self.bench.sink.counts()
        engine.check_payload(counts["sample"])
        self._note(
            Measurement.of(
                name=name,
                people=size,
                workers=self._compared,
                seconds=(ended - started).total_seconds(),
                cost=meter.cost,
                counts=counts,
            )
        )

    @contextmanager
    def _peer_worker(self, name: str) -> Iterator[tuple[Processes, Child]]:
        with self.bench.processes() as processes:
            app = f"benchmarks.{name}"
            yield processes, start_worker(processes, app, self._compared)

    def _raw(self) -> None:
        self.bench.sink.reset()
        size, seconds = raw.measure(self.bench.sink)
        counts = self.bench.sink.counts()
        self._note(
            Measurement.of(
                name=RAW,
                people=size,
                workers=1,
                seconds=seconds,
                counts=counts,
            )
        )

    def _real_time(self) -> None:
        story = realtime.Story.begin(self.version.connection)
        bulk = self.segments[max(self.options.sizes)]
        with engine.started(self.bench, self.version, self._compared) as running:
            address = realtime.start_web(running.processes, free_port(18_800))
            running.warm_up(self.segments[engine.WARM_UP])
            story.activate()
            realtime.measure(running, story.pace(address, "warm-up", 50, 3), None)
            for meanwhile in (None, bulk):
                for rate in RATES:
                    name = f"{'bulk' if meanwhile else 'alone'}-{rate}"
                    pace = story.pace(address, name, rate, self.options.seconds)
                    self._pace(running, pace, meanwhile)

    def _pace(
        self, running: engine.Engine, pace: realtime.Pace, bulk: Segment | None
    ) -> None:
        found = realtime.measure(running, pace, bulk)
        self.latencies.append(found)
        self.keep(found.to_dict())
        say(f"  {found.line()}")


def _wait_for_sent(processes: Processes, size: int) -> datetime:
    """Wait until so many rows are there; return when the last was written."""
    processes.wait_until(
        lambda: peers.Sent.objects.count() >= size,
        f"{size:,} people",
        120 + size / 20,
    )
    last = peers.Sent.objects.aggregate(last=Max("at"))["last"]
    assert isinstance(last, datetime)
    return last
