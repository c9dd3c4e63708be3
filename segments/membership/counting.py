"""A new rule asks for a new count: with its save where that is quick, else by a worker."""

from django.db import Error, connection, transaction

from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.logs import get_logger
from segments import wakeup
from segments.membership import refresh
from segments.membership.references import graph
from segments.models import Segment
from segments.rules import tree

logger = get_logger(__name__)

# Counting so many people takes about a second; more are counted by a worker.
QUICK = 100_000
# In seconds: a rule may be slow all the same, and somebody waits for the page.
SECONDS = 5
# What is written where a segment takes in others.
CHANGED = frozenset(
    {
        "rule",
        "is_active",
        "is_draft",
        "archived_at",
        "event_names",
        "reads_segments",
        "refreshed_at",
        "counting_until",
        "problem",
        "updated_at",
    }
)


def mark_changed(segment: Segment) -> None:
    """Let it be counted anew, by the rule that it has now; save CHANGED then.

    In the transaction that saves it. Raises a ValidationError where the rule is wrong, or
    asks for what it may not (graph.check).
    """
    tree.validate(segment.rule)
    graph.check(segment, segment.rule)
    segment.event_names = tree.event_names(segment.rule)
    segment.reads_segments = sorted(graph.segments_in(segment.rule))
    if segment.is_active:
        segment.is_draft, segment.archived_at = False, None
        # Paused, its people are those of the last count, until it is live again.
        segment.refreshed_at = None
    # A count by the rule as it was ends.
    segment.counting_until = None
    segment.problem = ""


def mark_uncounted(segment: Segment) -> None:
    """The same of a live one whose rule stays, where whom it asks for is another."""
    segment.refreshed_at = segment.counting_until = None
    segment.problem = ""


def count_soon(segment: Segment) -> None:
    """Count the people once it is saved: at once if that is quick, else by a worker.

    What goes wrong there undoes no save, and keeps nobody from the segment's row while
    it is still open.
    """
    if segment.is_active and segment.refreshed_at is None:
        transaction.on_commit(lambda: _count(segment.pk), robust=True)


def _count(segment_id: int) -> None:
    try:
        if _number_of_people() <= QUICK:
            refresh.try_refresh(segment_id, refresh.PATIENCE, SECONDS)
            return
    except Error as e:
        if about(e) is not About.CONNECTION:
            raise
        logger.info("segment.counted_later", segment_id=segment_id, because=e)
    wakeup.refresh_segment(segment_id)


def _number_of_people() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples FROM pg_class WHERE oid = 'segments_profile'::regclass"
        )
        return int(cursor.fetchone()[0])
