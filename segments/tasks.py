"""Celery's way in. A task is an address: it calls one function."""

from celery import shared_task

from segments import inbox, membership
from segments.wakeup import publish


@shared_task(ignore_result=True)
def apply_inbox() -> None:
    """Apply what the tracking API took in; ring once more if some of it remains."""
    if inbox.apply().remains:
        wake_inbox()


@shared_task(ignore_result=True)
def refresh_segment(segment_id: int) -> None:
    """Count a segment's people anew."""
    membership.refresh(segment_id)


def wake_inbox() -> bool:
    """Ask a worker to apply the inbox; False where the broker could not be told."""
    return publish(apply_inbox)


def wake_refresh(segment_id: int) -> bool:
    """Ask a worker to count a segment; False where the broker could not be told."""
    return publish(refresh_segment, segment_id)
