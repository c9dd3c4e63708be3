"""Celery's way in. A task is an address: it calls one function."""

from celery import shared_task

from engagements import delivery, doorbell
from engagements import tick as ticking


@shared_task(ignore_result=True)
def drain() -> None:
    """Send what is due; if the time ran out before the work did, ring once more."""
    if delivery.drain(call_for_help=doorbell.ring):
        doorbell.ring()


@shared_task(ignore_result=True)
def tick() -> None:
    """What no wake-up may be needed for: every 15 seconds, by beat."""
    ticking.tick()
