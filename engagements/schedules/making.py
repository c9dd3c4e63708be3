"""Which slots are due, and the one run that each of them gets."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

from engagements.models import Engagement, Run
from engagements.schedules import own_zone, years
from engagements.schedules.own_zone import OwnZone
from engagements.schedules.slots import MOMENT, Schedule, Slot
from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.logs import after_commit, get_logger
from segments.membership import refresh

logger = get_logger(__name__)

Repeat = Engagement.Repeat
# The share of what lies between two slots that at least lies between two runs. A slot
# that was missed is made up for while so much is left before the next, and no later.
APART = 4
# How the name of the one slot begins that does not come again.
ONCE = "once "
# Where the engagement is in the state that it was looked at in, and while nobody moves
# it; the slot may have its run already.
MAKE = """
    INSERT INTO engagements_run (engagement_id, version_id, "values", scheduled_for,
        slot, state, failure, is_standing, expansion_cursor, next_sequence, own_zone,
        variants)
    SELECT e.id, e.version_id, e.values, %(at)s, %(slot)s, 'expanding', '', false, 0, 0,
        %(own_zone)s, e.variants
    FROM engagements_engagement e
    WHERE e.id = %(engagement)s AND e.state = %(state)s AND NOT EXISTS (
        SELECT FROM segments_segment s WHERE s.id = e.segment_id
            AND s.is_active AND s.refreshed_at IS NULL AND s.problem = ''
    ) FOR SHARE OF e
    ON CONFLICT DO NOTHING RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a schedule does at a moment.

    `due` goes out now. `left_out` was missed and does not; `following` comes next. With
    none of them it `is_over`: its end has come.
    """

    due: Slot | None = None
    left_out: Slot | None = None
    following: Slot | None = None
    is_over: bool = False


def schedule_of(engagement: Engagement, activated_at: datetime) -> Schedule:
    """The schedule, were it activated then."""
    start = engagement.starts_at or activated_at
    if engagement.repeat == Repeat.ONCE:
        # In the past means now, and now was when it was activated.
        start = max(start, activated_at)
    return own_zone.of_engagement(engagement, start)


def plan(engagement: Engagement, now: datetime) -> Plan:
    """What the schedule of an engagement does at `now`, were it active."""
    activated_at = engagement.activated_at
    if activated_at is None or engagement.trigger != Engagement.Trigger.SCHEDULE:
        return Plan()
    if years.problem(engagement):
        return Plan()
    schedule = schedule_of(engagement, activated_at)
    slot = schedule.newest(now)
    following = next(schedule.upcoming(now), None)
    if slot and engagement.repeat == Repeat.ONCE:
        # Once is once an activation, whenever it was put off to.
        name = f"{ONCE}{activated_at:%Y-%m-%dT%H:%M:%S.%fZ}"
        slot = Slot(at=slot.at, name=name, reading=slot.reading)
    apart = _apart(schedule, slot, following) if slot else timedelta(0)
    if slot is None or not _is_its_own(engagement, slot, apart):
        is_over = following is None and engagement.ends_at is not None
        return Plan(following=following, is_over=is_over)
    if following and own_zone.last_at(engagement, following) - now < apart:
        return Plan(left_out=slot, following=following)
    return Plan(due=slot, following=following)


def _is_its_own(engagement: Engagement, slot: Slot, apart: timedelta) -> bool:
    """Whether a slot in the past is still to be run.

    One from before the activation, or before somebody set the schedule so, is nobody's.
    One that a run has covered is over: its own, or of what the schedule was before.
    """
    is_once = engagement.repeat == Repeat.ONCE
    if not is_once and own_zone.last_at(engagement, slot) < _since(engagement):
        return False
    if _runs(engagement).filter(slot=slot.name).exists():
        return False
    last = _runs(engagement).aggregate(last=Max("scheduled_for"))["last"]
    covered = max(slot.at - apart, _activated_at(engagement))
    return last is None or last <= covered


def _since(engagement: Engagement) -> datetime:
    set_at = engagement.schedule_set_at
    activated_at = _activated_at(engagement)
    return max(activated_at, set_at) if set_at else activated_at


def _activated_at(engagement: Engagement) -> datetime:
    assert engagement.activated_at is not None
    return engagement.activated_at


def _apart(schedule: Schedule, slot: Slot, following: Slot | None) -> timedelta:
    """How much at least lies between a run of this slot and the others."""
    previous = schedule.newest(slot.at - MOMENT)
    gaps = []
    if previous:
        gaps.append(slot.at - previous.at)
    if following:
        gaps.append(following.at - slot.at)
    return min(gaps) / APART if gaps else timedelta(0)


def _runs(engagement: Engagement) -> QuerySet[Run]:
    # Of a form's one, which is yet to be saved, there are none.
    return Run.objects.filter(engagement=engagement.pk).exclude(slot="")


def make_due_runs(now: datetime) -> int:
    """Make the run of each active schedule's newest due slot; return how many.

    After an outage only the newest missed slot runs. Two ticks at once make one run:
    the slot is unique. A schedule whose end has come ends its engagement. One that cannot
    be read does not stop the others; its error is raised when they are done.
    """
    engagements = Engagement.objects.filter(
        state=Engagement.State.ACTIVE, trigger=Engagement.Trigger.SCHEDULE
    )
    made, errors = 0, []
    for engagement in engagements:
        try:
            found = plan(engagement, now)
            made += _make(engagement, found, now)
            if found.is_over:
                _end(engagement)
        except Exception as e:
            if about(e) is About.CONNECTION:
                raise
            logger.exception("schedule.broken", engagement_id=engagement.pk)
            errors.append(e)
    if errors:
        raise errors[0]
    return made


def make_due_run(engagement: Engagement, now: datetime) -> bool:
    """Make the run that is due, if one is; False where another was first, or later is.

    While the segment is counted for the first time, or by a new rule, it would have some
    of its people, and before it is counted for the day those of yesterday, such as their
    birthdays: the run is made when it has all.

    In one statement of its own: a process that freezes here holds up nobody else's, and
    makes none when it wakes and somebody has stopped the engagement meanwhile.
    """
    return _make(engagement, plan(engagement, now), now)


def _make(engagement: Engagement, found: Plan, now: datetime) -> bool:
    if found.due is None or refresh.is_of_a_day_before(engagement.segment, now):
        return False
    own = _own_zone(engagement, found, now)
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {
            "at": found.due.at,
            "slot": found.due.name,
            "engagement": engagement.pk,
            "state": engagement.state,
            "own_zone": own and Jsonb(own.stored()),
        }
        cursor.execute(MAKE, asked)
        made = cursor.fetchone()
    if made is None:
        return False
    after_commit(
        logger.info, "run.started", run_id=made[0], engagement_id=engagement.pk
    )
    return True


def _own_zone(engagement: Engagement, found: Plan, now: datetime) -> OwnZone | None:
    """Who of a run in each person's own zone is due when; None where all are at once.

    Whose time was over when the schedule was set so, or who was missed and is soon due
    again, is left to the next slot; where there is none, they are sent at once.
    """
    slot, following = found.due, found.following
    if slot is None or not own_zone.is_own(engagement):
        return None
    not_before = None
    if engagement.repeat != Repeat.ONCE:
        not_before = _since(engagement)
    if following is not None:
        gap = following.at - slot.at
        missed = now - gap + gap / APART
        not_before = max(not_before or missed, missed)
    return OwnZone(
        attribute=engagement.zone_attribute,
        fallback=engagement.time_zone,
        reading=slot.reading,
        not_before=not_before,
    )


def _end(engagement: Engagement) -> bool:
    """End it where nothing of it is at work, and nobody has touched it meanwhile."""
    at_work = Run.objects.filter(engagement=OuterRef("pk"), state__in=Run.OPEN)
    over = Engagement.objects.filter(
        ~Exists(at_work),
        pk=engagement.pk,
        state=Engagement.State.ACTIVE,
        ends_at=engagement.ends_at,
        ends_at__lte=Now(),
    )
    return bool(over.update(state=Engagement.State.ENDED))


def is_due(engagement: Engagement, now: datetime) -> bool:
    """Whether make_due_run would make a run."""
    return plan(engagement, now).due is not None


def due_if_activated(engagement: Engagement, now: datetime) -> Slot | None:
    """What would go out at once, were one that is at rest activated now."""
    if engagement.state not in Engagement.AT_REST:
        return None
    activated = copy.copy(engagement)
    activated.activated_at = now
    return plan(activated, now).due


def coming(engagement: Engagement, now: datetime) -> Iterator[Slot]:
    """The slots after `now`, in order; of a draft, were it activated then."""
    if years.problem(engagement):
        return
    activated_at = engagement.activated_at
    is_at_rest = engagement.state in Engagement.AT_REST
    if activated_at is None or is_at_rest:
        activated_at = now
    yield from schedule_of(engagement, activated_at).upcoming(now)
