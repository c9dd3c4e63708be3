"""People and segments that are deleted: nobody writes memberships of them meanwhile.

The database holds no references of memberships and of the log (Membership says why).
Django deletes what refers to a deleted row; a count or the clock that is at work, and
has read the row before, is waited for here, and finds it gone afterwards. A large
segment's memberships and log stay behind, since what comes in waits for whoever deletes
it: everybody who reads them reads the segment, too, and the tick clears them away.
"""

import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete

from segments.membership.references import graph
from segments.models import Profile, Segment

# Rows of a table that a segment takes along itself, and that are cleared away at once.
RANGE = 10_000
# In seconds: how long a tick clears what is left.
CLEARING = 10


def connect() -> None:
    """Called once, when the app is ready."""
    uid = "segments.membership.deleting"
    pre_delete.connect(_hold_of_person, sender=Profile, dispatch_uid=uid)
    pre_delete.connect(_hold_segment, sender=Segment, dispatch_uid=uid)


def hold(profile_id: int) -> None:
    """Take somebody out of the sizes of their segments, and let no writer at them.

    For the transaction that deletes them; where that is SQL, call it before. Whoever
    applies messages has the person first and then the segments: so has this.
    """
    with connection.cursor() as cursor:
        cursor.execute(HOLD_PERSON, [profile_id])
        cursor.execute(HOLD_ALL)
        cursor.execute(SHRINK, [profile_id])
        cursor.execute(TOUCH, [profile_id])


def clear(
    seconds: float = CLEARING, between: Callable[[], object] = lambda: None
) -> int:
    """Delete what deleted segments left behind; return how many rows that were.

    In ranges with a commit each; what is left after so many seconds is left to the next
    time. After each of them what waits has a turn, `between`.
    """
    count, deadline = 0, time.monotonic() + seconds
    for table in TABLES:
        with connection.cursor() as cursor:
            cursor.execute(GONE.format(table=table))
            gone = [id for (id,) in cursor.fetchall()]
        for segment_id in gone:
            while time.monotonic() < deadline and (
                cleared := _clear(table, segment_id)
            ):
                count += cleared
                between()
    return count


def _clear(table: str, segment_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(CLEAR.format(table=table), [segment_id, RANGE])
        return int(cursor.rowcount)


def _hold_of_person(instance: Profile, **kwargs: Any) -> None:
    hold(instance.pk)


def _hold_segment(instance: Segment, **kwargs: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(HOLD_ONE, [instance.pk])
        if (True,) in cursor.fetchall():
            # Who may delete segments need not be who may let engagements send.
            raise ProtectedError("It keeps its people from being sent to.", {instance})
    # Until it is gone no rule begins to ask for it.
    graph.hold()
    if users := graph.segments_that_ask("segment", [instance.pk]):
        raise ProtectedError("Other segments ask for it.", set(users))
    for table in TABLES:
        _clear(table, instance.pk)


HOLD_PERSON = "SELECT FROM segments_profile WHERE id = %s FOR UPDATE"
HOLD_ONE = "SELECT is_suppression FROM segments_segment WHERE id = %s FOR UPDATE"
HOLD_ALL = "SELECT FROM segments_segment ORDER BY id FOR NO KEY UPDATE"
SHRINK = """
UPDATE segments_segment SET size = greatest(size - 1, 0)
WHERE id IN (SELECT segment_id FROM segments_membership WHERE profile_id = %s)
"""
# A count that is at work has read them.
TOUCH = """
INSERT INTO segments_touched (segment_id, profile_id)
SELECT id, %s FROM segments_segment WHERE counting_until IS NOT NULL
ON CONFLICT DO NOTHING
"""
TABLES = ("segments_membership", "segments_transition")
# A step in the index for each segment that is in the table.
GONE = """
WITH RECURSIVE held (id) AS (
    (SELECT segment_id FROM {table} ORDER BY segment_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT t.segment_id FROM {table} t
        WHERE t.segment_id > held.id ORDER BY t.segment_id LIMIT 1
    ) FROM held WHERE held.id IS NOT NULL
)
SELECT id FROM held
WHERE id IS NOT NULL AND NOT EXISTS (
    SELECT FROM segments_segment s WHERE s.id = held.id
)
"""
CLEAR = """
DELETE FROM {table} WHERE id = ANY(ARRAY(
    SELECT id FROM {table} WHERE segment_id = %s LIMIT %s
))
"""
