"""A new rule asks for a new count: now where that is quick, else by a worker."""

from django.db import Error, connection, transaction

from lemnisk_braze.lib.database_errors import About, about
from segments import membership, rules, wakeup
from segments.models import Segment

# Counting so many people takes about a second; more are counted by a worker.
QUICK = 100_000
# What is written where a segment takes in others.
CHANGED = frozenset(
    {"rule", "is_active", "event_names", "refreshed_at", "problem", "updated_at"}
)


def mark_changed(segment: Segment) -> None:
    """Let it be counted anew, by the valid rule that it has now; save CHANGED then."""
    segment.event_names = rules.event_names(segment.rule)
    segment.refreshed_at = None
    segment.problem = ""


def count_soon(segment: Segment) -> None:
    """Count the people now if that is quick; else a worker does, or the next tick."""
    if not segment.is_active or segment.refreshed_at is not None:
        return
    if _number_of_people() > QUICK:
        transaction.on_commit(lambda: wakeup.refresh_segment(segment.pk))
        return
    try:
        membership.try_refresh(segment.pk)
    except Error as e:
        if about(e) is not About.CONNECTION:
            raise
        return  # somebody holds the segment for long: the tick counts it
    segment.refresh_from_db()


def _number_of_people() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples FROM pg_class WHERE oid = 'segments_profile'::regclass"
        )
        return int(cursor.fetchone()[0])
