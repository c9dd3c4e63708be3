"""Fixed lists: a segment of those who are in another one now, and who stay.

Who was in it is kept as a snapshot, by one statement, so that it is one moment's. The new
segment's rule asks for that: nobody enters it any more, who is erased leaves, and who
becomes part of somebody takes them in.
"""

import time

from django.db import connection, transaction
from django.utils import formats
from django.utils.timezone import localtime

from lemnisk_braze.lib.names import free_name
from segments.membership import counting, rule_changes
from segments.membership.readers import User
from segments.models import Segment, Snapshot

# Rows that are deleted at once, and in how many seconds a tick does it.
RANGE = 10_000
SECONDS = 5


@transaction.atomic
def keep(segment: Segment, user: User) -> Segment:
    """A live segment of the people who are in this one now."""
    snapshot = Snapshot.objects.create(name=segment.name, size=0, taken_by_id=user.pk)
    snapshot.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [snapshot.pk, segment.pk])
        Snapshot.objects.filter(pk=snapshot.pk).update(size=cursor.rowcount)
    day = formats.date_format(localtime(snapshot.taken_at), "DATE_FORMAT")
    made = Segment(
        name=free_name(f"{segment.name}, {day}", Segment),
        description=segment.description,
        rule={"snapshot": snapshot.pk},
        tags=segment.tags,
        owner_id=user.pk,
    )
    counting.mark_changed(made)
    made.save()
    rule_changes.record(made, user, note=f"Who was in “{segment}”.")
    counting.count_soon(made)
    return made


def clear(seconds: float = SECONDS) -> None:
    """Delete snapshots that no segment and no version asks for any more.

    In ranges, for at most so many seconds; the next time goes on.
    """
    deadline = time.monotonic() + seconds
    with connection.cursor() as cursor:
        cursor.execute(UNASKED)
        gone = [id for (id,) in cursor.fetchall()]
        for id in gone:
            while time.monotonic() < deadline:
                cursor.execute(CLEAR, [id, id, RANGE])
                if not cursor.rowcount:
                    Snapshot.objects.filter(pk=id).delete()
                    break


KEEP = """
INSERT INTO segments_snapshotmember (of_id, profile_id)
SELECT %s, profile_id FROM segments_membership WHERE segment_id = %s
ORDER BY profile_id
"""
# Not those that somebody has just taken: their segment is saved with them.
UNASKED = """
SELECT s.id FROM segments_snapshot s
WHERE NOT EXISTS (
    SELECT FROM segments_segment g
    WHERE g.rule @@ ('$.**.snapshot == ' || s.id)::jsonpath
) AND NOT EXISTS (
    SELECT FROM segments_segmentversion v
    WHERE v.rule @@ ('$.**.snapshot == ' || s.id)::jsonpath
) AND NOT EXISTS (
    SELECT FROM segments_proposal p
    WHERE p.rule @@ ('$.**.snapshot == ' || s.id)::jsonpath
)
"""
CLEAR = """
DELETE FROM segments_snapshotmember WHERE of_id = %s AND profile_id = ANY(ARRAY(
    SELECT profile_id FROM segments_snapshotmember WHERE of_id = %s LIMIT %s
))
"""
