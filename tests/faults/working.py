"""The worker's loop in this process, and the future brought here."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from engagements.delivery import loop
from engagements.lifecycle import completion
from engagements.models import Attempt, Batch, Destination, Engagement
from engagements.reporting import reports
from lemnisk_braze.lib import database_clock

MANY = 500


def once() -> None:
    """Send what is due now, without waiting for what is due later.

    By short pieces of work, and as many as it takes on a machine that is busy.
    """
    for _ in range(MANY):
        if not loop.work(timedelta(seconds=0.1)):
            return
    raise AssertionError("there is always work that is due")


def to_the_end(engagement: Engagement, rounds: int = 40) -> None:
    """Work until nothing is open, without the waits in between."""
    for _ in range(rounds):
        once()
        if not open_batches(engagement):
            completion.finish()
            return
        make_due(engagement)
    raise AssertionError(f"still open after {rounds} rounds: {states(engagement)}")


def make_due(engagement: Engagement) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Batch.objects.filter(run__engagement=engagement, state__in=Batch.DUE).update(
        next_attempt_at=past
    )
    Destination.objects.update(blocked_until=None)


def open_batches(engagement: Engagement) -> int:
    return Batch.objects.filter(
        run__engagement=engagement, state__in=Batch.OPEN
    ).count()


def due_batches(engagement: Engagement) -> int:
    return Batch.objects.filter(run__engagement=engagement, state__in=Batch.DUE).count()


def states(engagement: Engagement) -> dict[str, int]:
    """How many people are in each state; who waits is "pending"."""
    report = reports.engagement_report(engagement)
    return {row.key: row.count for row in report.rows}


def outcomes(engagement: Engagement) -> dict[str, int]:
    attempts = Attempt.objects.filter(batch__run__engagement=engagement)
    return dict(Counter(attempts.values_list("outcome", flat=True)))


@contextmanager
def in_thread(act: Callable[[], object]):
    """Run `act` beside the block, with a database connection of its own."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as e:
            problems.append(e)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(60)
    assert not thread.is_alive()
    if problems:
        raise problems[0]


def is_over(engagement: Engagement) -> bool:
    """Whether its one run has ended."""
    return engagement.runs.filter(ended_at__lte=timezone.now()).exists()


def ago(**units: float) -> datetime:
    """So long before now, by the database's clock."""
    return database_clock.now() - timedelta(**units)
