"""Celery's way in. A task is an address: it calls one function."""

from typing import Any

from celery import Task, shared_task

from segments import inbox, membership, wakeup
from segments.wakeup import publish


@shared_task(ignore_result=True, soft_time_limit=90, time_limit=120)
def apply_inbox() -> None:
    """Apply what the tracking API took in; ring once more if some of it remains.

    For where no other app does it along with its own work: see apply_with.
    """
    wakeup.begun(apply_inbox)
    if inbox.apply().remains:
        wake_inbox()


@shared_task(ignore_result=True, soft_time_limit=90, time_limit=120)
def refresh_segment(segment_id: int) -> None:
    """Count a segment's people anew."""
    membership.try_refresh(segment_id)


_applier: "Task[Any, Any]" = apply_inbox


def apply_with(task: "Task[Any, Any]") -> None:
    """Let this task apply the inbox: one that goes on to what follows from it."""
    global _applier
    _applier = task


def wake_inbox() -> bool:
    """Ask a worker to apply the inbox; False where the broker could not be told."""
    return publish(_applier)


def wake_refresh(segment_id: int) -> bool:
    """Ask a worker to count a segment; False where the broker could not be told."""
    return publish(refresh_segment, segment_id)
