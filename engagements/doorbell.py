"""The wake-up for the senders. It carries nothing: the database says what to do.

A lost one costs at most a tick, a doubled one a query.
"""

from segments.signals import segments_changed
from segments.wakeup import publish


def connect() -> None:
    """Ring whenever someone has entered or left a segment."""
    segments_changed.connect(_ring_on_change, dispatch_uid="engagements.doorbell")


def _ring_on_change(**kwargs: object) -> None:
    ring()


def ring() -> None:
    """Wake a worker. Call it after commit: a worker may be faster than we are."""
    from engagements.tasks import drain

    publish(drain)
