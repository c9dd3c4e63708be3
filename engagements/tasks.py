"""Celery's way in. A task is an address: it calls one function."""

from typing import Any

from celery import shared_task
from celery.signals import worker_init

from engagements import delivery, doorbell, workers
from engagements import tick as ticking


@worker_init.connect
def _begin(sender: Any, **kwargs: object) -> None:
    workers.begin(sender.hostname)


@shared_task(ignore_result=True)
def drain() -> None:
    """Send what is due; if the time ran out before the work did, ring once more."""
    remains = delivery.drain(call_for_help=doorbell.ring)
    # While every worker drains, beat's own ticks wait in line and expire there.
    if remains and not ticking.tick_if_late():
        doorbell.ring()


@shared_task(ignore_result=True)
def tick() -> None:
    """What no wake-up may be needed for: every 15 seconds, by beat."""
    ticking.tick()
