"""The periodic tick: it finds by itself whatever a lost wake-up was about."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from engagements import (
    auto_pause,
    blocking,
    doorbell,
    notices,
    recovery,
    retention,
    runs,
    schedule,
    workers,
)
from engagements.operations import samples
from externalapi import key_rotation
from segments import membership

logger = logging.getLogger(__name__)

# Any number that nothing else in this database uses.
LOCK = 7_215_340_112


def tick() -> bool:
    """Do the periodic work; False when another tick is at it."""
    if not _lock():
        return False
    try:
        if reaped := recovery.reap():
            logger.warning("Took back %d batches whose worker went away", reaped)
        now = timezone.now()
        key_rotation.wipe_old_keys()
        blocking.resume_with_new_keys()
        membership.refresh_due(now)
        schedule.make_due_runs(now)
        runs.finish()
        auto_pause.pause_failing(timezone.now())
        workers.forget()
        retention.clean()
        # Last: a tick that fails on its way is one that did not come.
        samples.take()
    finally:
        _unlock()
    notices.tell_owners()
    doorbell.ring()
    return True


def tick_if_late() -> bool:
    """Do the periodic work where nobody has come to it for too long."""
    last = samples.last_tick()
    late = timedelta(seconds=settings.TICK_SECONDS)
    if last is not None and timezone.now() < last + late:
        return False
    return tick()


def _lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _unlock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
