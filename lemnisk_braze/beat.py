"""Celery's beat by a clock that nobody sets."""

import time
from datetime import timedelta
from typing import Any

from celery import beat
from celery.schedules import schedstate


class Scheduler(beat.Scheduler):
    """It neither waits nor hurries when the machine's own clock is put right.

    Celery's compares wall clocks: set back by two hours, it would send nothing for so
    long. Every entry here is "every so many seconds".
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._due_at: dict[str, float] = {}
        super().__init__(*args, **kwargs)

    def is_due(self, entry: Any) -> schedstate:
        every: timedelta = entry.schedule.run_every
        now = time.monotonic()
        due_at = self._due_at.get(entry.name, now)
        if due_at > now:
            return schedstate(False, due_at - now)
        self._due_at[entry.name] = now + every.total_seconds()
        return schedstate(True, every.total_seconds())

    def _when(self, entry: Any, next_time_to_run: float, mktime: Any = None) -> float:
        """The place of an entry in the heap."""
        return time.monotonic() + (next_time_to_run or 0)
