"""Events one by one through the real web process: how long until they are at Braze."""

import asyncio
import base64
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import aiohttp
from django.db import connection

from benchmarks import engine
from benchmarks.engine import Engine
from benchmarks.figures import Figures
from benchmarks.report import Latencies, percentile
from engagements.lifecycle import transitions
from engagements.models import Engagement
from externalapi.models import Connection
from externalapi.template.parameters import Level, Parameter, ParameterType
from lemnisk_braze.local import servers
from lemnisk_braze.local.processes import Processes
from segments.membership import refresh
from segments.models import Segment, Source, Transition
from segments.rules import tree
from segments.tracking import write_keys

EVENT = "Lead form submitted"
RULE = {"event": EVENT, "at_least": 1, "within_days": 30}
BODY = """\
{
  "attributes": [{"external_id": {{External ID}}, "plan": {{Plan}}}],
  "events": [
    {
      "external_id": {{External ID}},
      "name": "lead_submitted",
      "time": {{Event Time}},
      "properties": {"marker": {{Marker}}}
    }
  ]
}
"""
PARAMETERS = (
    Parameter(name="External ID", level=Level.IDENTIFIER),
    Parameter(name="Plan", required=False),
    Parameter(name="Event Time", type=ParameterType.DATETIME),
    Parameter(name="Marker"),
)
VALUES = {
    "Plan": '{{ profile.plan | default: "free" }}',
    "Event Time": "{{ event.time }}",
    "Marker": "{{ event.properties.marker }}",
}
LAST_ONES = 30  # seconds that we wait for the last events
CONNECTIONS = 32


@dataclass(slots=True, kw_only=True)
class Pace:
    """Sends `rate` events a second for some seconds, whatever the answers do."""

    address: str
    write_key: str
    name: str
    rate: int
    seconds: float
    # Marker → when the request was due, and when its answer came.
    asked: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        key = base64.b64encode(f"{self.write_key}:".encode()).decode()
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        headers = {"Authorization": f"Basic {key}"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as http:
            started = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for n in range(int(self.rate * self.seconds)):
                    due = started + n / self.rate
                    await asyncio.sleep(max(due - time.monotonic(), 0))
                    group.create_task(self._send(http, f"{self.name}-{n}", due))

    async def _send(self, http: aiohttp.ClientSession, marker: str, due: float) -> None:
        self.asked[marker] = due
        message = {
            "userId": marker,
            "messageId": marker,
            "event": EVENT,
            "properties": {"marker": marker},
        }
        try:
            async with http.post(f"{self.address}/v1/track", json=message) as response:
                await response.read()
        except aiohttp.ClientError:
            return  # never answered: it counts as lost
        if response.status == 200:
            self.answered[marker] = time.monotonic()


@dataclass(slots=True, kw_only=True)
class Story:
    """A source, a segment that its events lead into, and an engagement on entry."""

    write_key: str
    segment: Segment
    connection: Connection

    @classmethod
    def begin(cls, to: Connection) -> "Story":
        write_key = write_keys.issue(Source(name="Benchmark"))
        segment = Segment.objects.create(
            name="Submitted a form", rule=RULE, event_names=tree.event_names(RULE)
        )
        refresh.refresh(segment.pk)
        return cls(write_key=write_key, segment=segment, connection=to)

    def activate(self) -> None:
        version = engine.make_version("Leads", self.connection, BODY, PARAMETERS)
        engagement = Engagement.objects.create(
            name="Leads", segment=self.segment, version=version, values=VALUES
        )
        transitions.activate(engagement)

    def pace(self, address: str, name: str, rate: int, seconds: float) -> Pace:
        """Events of this source; `name` makes their people new ones."""
        return Pace(
            address=address,
            write_key=self.write_key,
            name=name,
            rate=rate,
            seconds=seconds,
        )


def start_web(processes: Processes, port: int) -> str:
    """The web server as an operator starts it; return its address."""
    address = f"http://127.0.0.1:{port}"
    processes.start("web server", servers.web(port))
    is_up = partial(servers.answers, f"{address}/admin/login/")
    processes.wait_until(is_up, "the web server", 60)
    return address


def measure(running: Engine, pace: Pace, bulk: Segment | None) -> Latencies:
    """The latencies of a pace's events, with or without bulk runs going on."""
    sink = running.bench.sink
    sink.reset()
    with _bulk_runs(running, bulk):
        pace.run()
        seen = _wait_for_last(running, pace)
    came = [marker for marker in pace.answered if marker in seen]
    applied = _applied(running, pace)
    return Latencies(
        rate=pace.rate,
        with_bulk=bulk is not None,
        after_applied=[(seen[m] - applied[m]) * 1000 for m in came],
        after_answer=[(seen[m] - pace.answered[m]) * 1000 for m in came],
        after_request=[(seen[m] - pace.asked[m]) * 1000 for m in came],
        lost=len(pace.asked) - len(came),
    )


def _wait_for_last(running: Engine, pace: Pace) -> dict[str, float]:
    deadline = time.monotonic() + LAST_ONES
    while True:
        running.processes.check()
        seen = running.bench.sink.seen()
        if pace.answered.keys() <= seen.keys() or time.monotonic() > deadline:
            return seen
        time.sleep(0.2)


def _applied(running: Engine, pace: Pace) -> dict[str, float]:
    """Marker → when its message was applied and so somebody entered, on the clock of what the sink saw.

    The database stands on this machine: its clock is the machine's.
    """
    offset = time.time() - time.monotonic()
    rows = Transition.objects.filter(event__message_id__in=list(pace.asked))
    entries = rows.values_list("event__message_id", "at")
    return {marker: at.timestamp() - offset for marker, at in entries}


def figures(latencies: Sequence[Latencies]) -> Figures:
    """The latencies that the bar names: 100 a second alone, 200 beside a bulk run."""
    alone = [one for one in latencies if (one.rate, one.with_bulk) == (100, False)]
    bulk = [one for one in latencies if (one.rate, one.with_bulk) == (200, True)]
    return {
        "realtime.alone_p50_ms": [percentile(one.after_applied, 50) for one in alone],
        "realtime.alone_p99_ms": [percentile(one.after_applied, 99) for one in alone],
        "realtime.bulk_p50_ms": [percentile(one.after_answer, 50) for one in bulk],
        "realtime.bulk_p99_ms": [percentile(one.after_answer, 99) for one in bulk],
    }


@contextmanager
def _bulk_runs(running: Engine, segment: Segment | None) -> Iterator[None]:
    """Activate one bulk engagement after the other until the block ends."""
    if segment is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_keep_busy, args=(running, segment, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _keep_busy(running: Engine, segment: Segment, stop: threading.Event) -> None:
    try:
        while not stop.is_set():
            run = engine.activate(engine.make_engagement(segment, running.version))
            while not stop.is_set() and run.ended_at is None:
                time.sleep(0.1)
                run.refresh_from_db(fields=["ended_at"])
            transitions.cancel(run)
    finally:
        connection.close()
