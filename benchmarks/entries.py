"""How long after an event was due its entry into a segment can be seen."""

import threading
import time
from dataclasses import dataclass, field

from django.db import connection

from benchmarks import realtime
from benchmarks.bench import CELERY, Bench, start_worker
from benchmarks.realtime import EVENT, RULE, Pace
from lemnisk_braze.local.processes import LocalError, free_port
from segments.membership import refresh
from segments.models import Segment

RATE = 500
WORKERS = 2
# How often the log is looked at, in seconds: no figure is finer.
GLANCE = 0.002
LAST_ONES = 30  # seconds that we wait for the last entries
NEW = """
SELECT t.id, p.external_id FROM segments_transition t
JOIN segments_profile p ON p.id = t.profile_id
WHERE t.segment_id = %s AND t.kind = 'entry' AND t.id > %s ORDER BY t.id
"""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks at a segment's log until it is stopped."""

    segment_id: int
    # External ID → when the entry was there, on this machine's monotonic clock.
    seen: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        last = 0
        try:
            while not self._stop.wait(GLANCE):
                with connection.cursor() as cursor:
                    cursor.execute(NEW, [self.segment_id, last])
                    rows = cursor.fetchall()
                now = time.monotonic()
                for _, external_id in rows:
                    self.seen.setdefault(external_id, now)
                last = rows[-1][0] if rows else last
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


def measure(bench: Bench, write_key: str, seconds: float) -> list[float]:
    """Milliseconds from due to visible, for RATE new people a second."""
    segment = Segment.objects.create(
        name="Submitted a form", rule=RULE, event_names=[EVENT]
    )
    refresh.refresh(segment.pk)
    with bench.processes() as processes:
        address = realtime.start_web(processes, free_port(18_800))
        start_worker(processes, "lemnisk_braze", WORKERS)
        processes.start("beat", [*CELERY, "lemnisk_braze", "beat", "-l", "WARNING"])
        # The first ones import and connect.
        for name, lasts in (("warm-up", 2.0), ("entry", seconds)):
            pace = Pace(
                address=address,
                write_key=write_key,
                name=name,
                rate=RATE,
                seconds=lasts,
            )
            watch = _watched(segment, pace)
    if lost := len(pace.asked) - len(pace.answered):
        raise LocalError(f"{lost} of {len(pace.asked):,} events were not accepted.")
    return [(watch.seen[m] - due) * 1000 for m, due in pace.asked.items()]


def _watched(segment: Segment, pace: Pace) -> Watch:
    watch = Watch(segment_id=segment.pk)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        pace.run()
        watch.wait_for(pace)
    finally:
        watch.stop()
        thread.join()
    return watch
