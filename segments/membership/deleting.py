"""People and segments that are deleted: nobody writes memberships of them meanwhile.

The database holds no references of memberships and of the log (Membership says why).
Django deletes what refers to a deleted row; a count or the clock that is at work, and
has read the row before, is waited for here, and finds it gone afterwards.
"""

from typing import Any

from django.db import connection
from django.db.models.signals import pre_delete

from segments.models import Profile, Segment


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


def _hold_of_person(instance: Profile, **kwargs: Any) -> None:
    hold(instance.pk)


def _hold_segment(instance: Segment, **kwargs: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(HOLD_ONE, [instance.pk])


HOLD_PERSON = "SELECT FROM segments_profile WHERE id = %s FOR UPDATE"
HOLD_ONE = "SELECT FROM segments_segment WHERE id = %s FOR UPDATE"
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
