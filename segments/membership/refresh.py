"""Everybody is counted: a segment becomes what its rule says.

Now (`refresh`), where nobody waits for it (`try_refresh`), in its turn after a save, or
when it is due. The count itself is in `counts.at_work`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error
from django.db.models import F, QuerySet

from lemnisk_braze.lib.database_errors import LOCKED, TOO_LONG, sqlstate
from lemnisk_braze.lib.logs import get_logger
from segments import wakeup
from segments.membership import clock, evaluation
from segments.membership.counts import at_work
from segments.membership.counts.at_work import BusyError, OvertakenError
from segments.membership.moves import Change
from segments.models import Segment
from segments.rules import tree
from segments.rules.comparing.days import next_midnight

logger = get_logger(__name__)

# People whose data was just being written when a segment was saved are found by its
# first count or, where that did not wait until it was written (settled_at), by a second.
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


def refresh_in_turn(segment_id: int) -> None:
    """Count a segment that was saved, unless another is being counted: then after that.

    One worker counts at a time: with a second one at it there may be nobody left who
    takes in what people do. Nor would PostgreSQL count both any sooner.
    """
    if at_work.is_any():
        logger.info("segment.waits", segment_id=segment_id)
        return
    try_refresh(segment_id)
    # The tick finds those whose turn is lost.
    counted = Segment.objects.filter(pk=segment_id, refreshed_at__isnull=False)
    if counted.exists() and (next_one := _uncounted().first()):
        wakeup.refresh_segment(next_one.pk)


def refresh_due(now: datetime, between: Callable[[], object] = lambda: None) -> Change:
    """Let windows move on with the clock, and count who is due, one after the other.

    Stops after half a minute, or when another worker counts; what is left is still due
    at the next tick. After each count what waits has a turn, `between`.
    """
    deadline = time.monotonic() + REFRESH_SECONDS
    change = clock.move_on(deadline)
    tried: set[int] = set()
    while time.monotonic() < deadline and not at_work.is_any():
        # Read each time: one that was saved meanwhile comes before recounts.
        segment_id = _next_due(now, tried)
        if segment_id is None:
            break
        tried.add(segment_id)
        change += _refresh_if_free(segment_id)
        between()
    return change


def _next_due(now: datetime, tried: set[int]) -> int | None:
    first_new = F("refreshed_at").asc(nulls_first=True)
    live = Segment.objects.filter(is_active=True).exclude(pk__in=tried)
    segments = live.order_by("priority", first_new)
    return next((segment.pk for segment in segments if is_due(segment, now)), None)


def _uncounted() -> QuerySet[Segment]:
    new = Segment.objects.filter(is_active=True, refreshed_at=None, problem="")
    return new.order_by("priority", "pk")


def is_due(segment: Segment, now: datetime) -> bool:
    """Whether it was not counted since it was saved, or its clock has run on since."""
    if segment.problem_at and segment.problem:
        return segment.problem_at < now - TRIED_AGAIN_AFTER
    if segment.refreshed_at is None:
        return True
    if segment.settled_at != segment.updated_at and (
        segment.refreshed_at < segment.updated_at + SETTLED_AFTER < now
    ):
        return True
    counted_at, moved_to = segment.refreshed_at, segment.clock_at
    return clock.is_due(segment.rule, counted_at, moved_to, now)


def is_of_a_day_before(segment: Segment, now: datetime) -> bool:
    """Whether its people, or those of a segment it asks for, are yesterday's.

    So until it is counted for the day; one that cannot be counted waits for nothing.
    """
    return any(_is_of_a_day_before(one, now) for one in _with_asked(segment))


def day_zones(segment: Segment) -> set[str]:
    """The zones by whose days its people, or those of a segment it asks for, change."""
    return set().union(*map(_day_zones, _with_asked(segment)))


def _with_asked(segment: Segment) -> Iterator[Segment]:
    """The segment, and those that it asks for, each once."""
    asked, seen = [segment], {segment.pk}
    while asked:
        one = asked.pop()
        yield one
        more = set(one.reads_segments) - seen
        seen |= more
        asked += Segment.objects.filter(pk__in=more)


def _is_of_a_day_before(segment: Segment, now: datetime) -> bool:
    counted_at = segment.refreshed_at
    if not segment.is_active or segment.problem or counted_at is None:
        return False
    return any(next_midnight(zone, counted_at) <= now for zone in _day_zones(segment))


def _day_zones(segment: Segment) -> set[str]:
    return set() if tree.problem(segment.rule) else tree.day_zones(segment.rule)


def _refresh_if_free(segment_id: int) -> Change:
    try:
        return try_refresh(segment_id, PATIENCE)
    except Error as e:
        if sqlstate(e) != LOCKED:
            raise
        logger.info("segment.in_use", segment_id=segment_id)
        return Change()
