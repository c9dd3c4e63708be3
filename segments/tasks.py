"""Celery's way in. A task is an address: it calls one function."""

from celery import shared_task

from segments.membership import refresh


@shared_task(ignore_result=True, soft_time_limit=90, time_limit=120)
def refresh_segment(segment_id: int) -> None:
    """Count a segment's people anew."""
    refresh.try_refresh(segment_id)
