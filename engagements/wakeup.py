"""The wake-up of the worker that takes in and sends."""

from lemnisk_braze.lib import wakeup
from lemnisk_braze.lib.wakeup import Wakeup
from segments.models.signals import segments_changed


def worker() -> Wakeup:
    return wakeup.of("engagements.tasks.work")


def connect() -> None:
    """Publish whenever someone has entered or left a segment."""
    segments_changed.connect(_on_change, dispatch_uid="engagements.wakeup")


def _on_change(**kwargs: object) -> None:
    publish()


def publish() -> None:
    """Wake a worker. Call it after commit: a worker may be faster than we are."""
    worker().publish()


def publish_another() -> None:
    """Wake one more worker, though one is at work."""
    worker().publish(is_needed=True)
