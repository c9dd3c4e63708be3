"""The wake-up for the senders. It carries nothing: the database says what to do.

A lost one costs at most a tick, a doubled one a query.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from segments.signals import segments_changed
from segments.tasks import apply_with
from segments.wakeup import publish


def connect() -> None:
    """Ring whenever someone has entered or left a segment, or will have.

    What the tracking API takes in is applied by whoever sends it on.
    """
    from engagements.tasks import drain

    apply_with(drain)
    segments_changed.connect(_ring_on_change, dispatch_uid="engagements.doorbell")


def _ring_on_change(**kwargs: object) -> None:
    if not _is_held:
        ring()


_is_held = False


@contextmanager
def held() -> Iterator[None]:
    """Let nobody be woken by what this worker does here: it goes on to it itself.

    A worker has one thread that changes segments.
    """
    global _is_held
    _is_held = True
    try:
        yield
    finally:
        _is_held = False


def call() -> None:
    """Wake another worker, though one is at work and stands in line for all."""
    from engagements.tasks import drain

    publish(drain, is_needed=True)


def ring() -> None:
    """Wake a worker. Call it after commit: a worker may be faster than we are."""
    from engagements.tasks import drain

    publish(drain)
