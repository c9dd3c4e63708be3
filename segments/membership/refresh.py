"""Everybody is counted: a segment becomes what its rule says.

Now (`refresh`), where nobody waits for it (`try_refresh`), or when it is due. The count
itself is in `counts.at_work`.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error
from django.db.models import F

from lemnisk_braze.lib.database_errors import LOCKED, TOO_LONG, sqlstate
from lemnisk_braze.lib.logs import get_logger
from segments.membership import clock, evaluation
from segments.membership.counts import at_work
from segments.membership.counts.at_work import BusyError, OvertakenError
from segments.membership.moves import Change
from segments.models import Segment

logger = get_logger(__name__)

# People whose data was just being written when a segment was saved are found by its
# first count or, where that data was committed a moment too late, by a second one.
SETTLED_AFTER = timedelta(minutes=1)
REFRESH_SECONDS = 30
# In seconds, for a segment that a process may have frozen in: others wait behind it.
PATIENCE = 2
# A segment that could not be asked is left alone for so long.
TRIED_AGAIN_AFTER = timedelta(minutes=5)


def refresh(
    segment_id: int, patience: int | None = None, longest: float | None = None
) -> Change:
    """Take in everybody whom the segment's rule names, and let the others go.

    Raises Segment.DoesNotExist where it is not live, ValidationError where its stored
    rule is wrong, BusyError where another counts it, WaitsError where it asks for one
    that is yet to be counted, and the database's error where others have it for longer
    than `patience` seconds (None: its own) or a statement takes longer than `longest`.
    """
    seconds = at_work.LONGEST_COUNT if longest is None else longest
    count = at_work.begin(segment_id, patience, seconds)
    try:
        count.run()
    except OvertakenError:
        logger.info("segment.overtaken", segment_id=segment_id)
    except BaseException:
        count.give_up()
        raise
    logger.info(
        "segment.refreshed",
        segment_id=segment_id,
        entered=count.change.entered,
        left=count.change.left,
    )
    return count.change


def try_refresh(
    segment_id: int, patience: int | None = None, longest: float | None = None
) -> Change:
    """The same where nobody waits for it: what goes wrong is written on the segment.

    Raises the database's error while it is away, and where a worker has more time.
    """
    try:
        return refresh(segment_id, patience, longest)
    except Segment.DoesNotExist:
        pass  # deleted or paused since somebody asked for it
    except BusyError:
        logger.info("segment.in_use", segment_id=segment_id)
    except SoftTimeLimitExceeded:
        raise
    except Exception as e:
        if sqlstate(e) == TOO_LONG and longest is not None:
            raise
        evaluation.leave_alone(segment_id, e)
    return Change()


def evaluate(
    profile_ids: Sequence[int], event_names: Sequence[str] | None = None
) -> Change:
    """Let the given people enter and leave the active segments concerned.

    `event_names`: just the segments that read one of these events; None: all.
    """
    if event_names is None:
        return evaluation.evaluate(profile_ids)
    return evaluation.evaluate((), profile_ids, event_names)


def refresh_due(now: datetime) -> Change:
    """Let windows move on with the clock, and count who is due.

    Stops after half a minute; what is left is still due at the next tick.
    """
    deadline = time.monotonic() + REFRESH_SECONDS
    change = clock.move_on(deadline)
    for segment in Segment.objects.filter(is_active=True).order_by(
        "priority", F("refreshed_at").asc(nulls_first=True)
    ):
        if time.monotonic() > deadline:
            break
        if is_due(segment, now):
            change += _refresh_if_free(segment.pk)
    return change


def is_due(segment: Segment, now: datetime) -> bool:
    """Whether it was not counted since it was saved, or its clock has run on since."""
    if segment.problem_at and segment.problem:
        return segment.problem_at < now - TRIED_AGAIN_AFTER
    if segment.refreshed_at is None:
        return True
    if segment.refreshed_at < segment.updated_at + SETTLED_AFTER < now:
        return True
    counted_at, moved_to = segment.refreshed_at, segment.clock_at
    return clock.is_due(segment.rule, counted_at, moved_to, now)


def _refresh_if_free(segment_id: int) -> Change:
    try:
        return try_refresh(segment_id, PATIENCE)
    except Error as e:
        if sqlstate(e) != LOCKED:
            raise
        logger.info("segment.in_use", segment_id=segment_id)
        return Change()
