"""Who was just sent something, where a segment's rule asks for that.

They are noted in the transaction that writes down what they were sent, and asked later
(engagements.audience.sent): delivery waits for no segment. Where no rule asks, nothing is
noted, and nothing is asked of the database but whether one does, every few seconds.
"""

import time
from collections.abc import Collection

from django.db import connection

from engagements.models import Delivery

ACCEPTED = (Delivery.State.SENT, Delivery.State.ACCEPTED_UNVERIFIED)
# In seconds. Who is sent something by a process that does not know yet is found by the
# second count of a segment, a minute after it was saved (membership.refresh).
EVERY = 5.0


class _Asked:
    """Whether a rule asks, as this process knows it."""

    is_asked = False
    known_until = float("-inf")


def is_asked() -> bool:
    """Whether an active segment's rule asks who was sent something."""
    if time.monotonic() > _Asked.known_until:
        with connection.cursor() as cursor:
            cursor.execute(IS_ASKED)
            (_Asked.is_asked,) = cursor.fetchone()
        _Asked.known_until = time.monotonic() + EVERY
    return _Asked.is_asked


def forget() -> None:
    """Ask the database anew, next time."""
    _Asked.known_until = float("-inf")


def note(batch_ids: Collection[int]) -> None:
    """Note whom these batches took along, in the caller's transaction."""
    if batch_ids:
        with connection.cursor() as cursor:
            cursor.execute(NOTE, [list(batch_ids)])


# A rule is a tree: a condition stands at any depth.
ASKS = "jsonb_path_exists(rule, '$.**.sent')"
IS_ASKED = f"SELECT EXISTS (SELECT FROM segments_segment WHERE is_active AND {ASKS})"
NOTE = """
INSERT INTO engagements_justsent (profile_id)
SELECT DISTINCT m.profile_id FROM engagements_batch b
CROSS JOIN LATERAL unnest(b.profile_ids) WITH ORDINALITY m (profile_id, place)
WHERE b.id = ANY(%s) AND m.place - 1 <> ALL(b.left_out) AND m.profile_id <> 0
"""
