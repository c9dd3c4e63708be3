"""How long after an event was due its entry into a segment can be seen."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from benchmarks import realtime
from benchmarks.bench import CELERY, Bench, start_worker
from benchmarks.realtime import EVENT, RULE, Pace
from benchmarks.suite import say
from lemnisk_braze.local.processes import LocalError, Processes, free_port
from segments import wakeup
from segments.membership import refresh
from segments.models import Segment

RATE = 500
WORKERS = 2
# How often the log is looked at, in seconds: no figure is finer.
GLANCE = 0.002
LAST_ONES = 30  # seconds that we wait for the last entries
# In seconds: how long a worker may be at a first fill, and how often we ask for its end.
LONGEST_FILL = 120
FILL_GLANCE = 0.05
LAST = "SELECT coalesce(max(id), 0) FROM segments_transition"
NEW = """
SELECT t.id, p.external_id FROM segments_transition t
JOIN segments_profile p ON p.id = t.profile_id
WHERE t.segment_id = %s AND t.kind = 'entry' AND t.id > %s ORDER BY t.id
"""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks at what is new in a segment's log until it is stopped.

    `last`: the newest line before; to look for the first new one through a log of
    millions would take seconds, which are not the product's.
    """

    segment_id: int
    last: int
    # External ID → when the entry was there, on this machine's monotonic clock.
    seen: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            while not self._stop.wait(GLANCE):
                with connection.cursor() as cursor:
                    cursor.execute(NEW, [self.segment_id, self.last])
                    rows = cursor.fetchall()
                now = time.monotonic()
                for _, external_id in rows:
                    self.seen.setdefault(external_id, now)
                self.last = rows[-1][0] if rows else self.last
        finally:
            connection.close()

    def wait_for(self, pace: Pace) -> None:
        """Stop when all that was accepted is seen; raise LocalError where it never is."""
        deadline = time.monotonic() + LAST_ONES
        while not pace.answered.keys() <= self.seen.keys():
            if time.monotonic() > deadline:
                lost = len(pace.answered.keys() - self.seen.keys())
                raise LocalError(
                    f"{lost} of {len(pace.answered):,} entered no segment."
                )
            time.sleep(0.1)

    def stop(self) -> None:
        self._stop.set()


@dataclass(slots=True, kw_only=True)
class Fill:
    """The first count of a new segment, by a worker."""

    segment_id: int
    # When it began and when it was whole, on this machine's monotonic clock.
    began: float = 0.0
    ended: float = 0.0

    def run(self) -> None:
        self.began = time.monotonic()
        try:
            wakeup.refresh_segment(self.segment_id)
            asked = Segment.objects.filter(pk=self.segment_id)
            while not asked.filter(refreshed_at__isnull=False).exists():
                if time.monotonic() > self.began + LONGEST_FILL:
                    return
                time.sleep(FILL_GLANCE)
            self.ended = time.monotonic()
        finally:
            connection.close()


@dataclass(slots=True, kw_only=True)
class Entries:
    """A website at its pace, and a segment that each of its events leads into."""

    segment: Segment
    write_key: str
    address: str

    def alone(self, name: str, seconds: float) -> list[float]:
        """Milliseconds from due to visible, for RATE new people a second.

        `name` makes them new ones.
        """
        pace = self._pace(name, seconds)
        return list(self._measured(pace).values())

    def beside_a_fill(
        self, name: str, seconds: float, rule: dict[str, Any]
    ) -> list[float]:
        """The same of the events that were due while a segment was filled at first."""
        segment = Segment.objects.create(name=f"Fill beside {name}", rule=rule)
        fill = Fill(segment_id=segment.pk)
        thread = threading.Thread(target=fill.run)
        thread.start()
        pace = self._pace(name, seconds)
        took = self._measured(pace)
        thread.join()
        segment.refresh_from_db()
        if not fill.ended:
            raise LocalError(f"The fill never ended: {segment.problem}")
        say(f"  {segment.size:,} filled in {fill.ended - fill.began:.1f} seconds")
        return [ms for m, ms in took.items() if pace.asked[m] < fill.ended]

    def _pace(self, name: str, seconds: float) -> Pace:
        return Pace(
            address=self.address,
            write_key=self.write_key,
            name=name,
            rate=RATE,
            seconds=seconds,
        )

    def _measured(self, pace: Pace) -> dict[str, float]:
        """Marker → milliseconds; raises LocalError where one is lost."""
        watch = _watched(self.segment, pace)
        if lost := len(pace.asked) - len(pace.answered):
            raise LocalError(f"{lost} of {len(pace.asked):,} events were not accepted.")
        return {m: (watch.seen[m] - due) * 1000 for m, due in pace.asked.items()}


@contextmanager
def started(bench: Bench, write_key: str) -> Iterator[Entries]:
    """Web server, workers and beat, as an operator starts them, and warm."""
    segment = Segment.objects.create(
        name="Submitted a form", rule=RULE, event_names=[EVENT]
    )
    refresh.refresh(segment.pk)
    with bench.processes() as processes:
        entries = Entries(
            segment=segment, write_key=write_key, address=_start(processes)
        )
        # The first ones import and connect.
        entries.alone(f"warm-up-{segment.pk}", 2.0)
        yield entries


def _last_line() -> int:
    with connection.cursor() as cursor:
        cursor.execute(LAST)
        last: int = cursor.fetchone()[0]
    return last


def _start(processes: Processes) -> str:
    address = realtime.start_web(processes, free_port(18_800))
    start_worker(processes, "lemnisk_braze", WORKERS)
    processes.start("beat", [*CELERY, "lemnisk_braze", "beat", "-l", "WARNING"])
    return address


def _watched(segment: Segment, pace: Pace) -> Watch:
    watch = Watch(segment_id=segment.pk, last=_last_line())
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        pace.run()
        watch.wait_for(pace)
    finally:
        watch.stop()
        thread.join()
    return watch
