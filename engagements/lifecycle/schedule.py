"""Which slots of a schedule are due, and the one run that each of them gets.

A slot is a reading of the wall clock, "25 October, 02:30", and has one run however often
the clock shows it. One that the clocks skip goes out as much later as they were put
forward; a day that a zone leaves out has none. Hours are hours, whatever clocks show.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Max, QuerySet

from engagements.models import Engagement, Run
from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.logs import after_commit, get_logger

logger = get_logger(__name__)

Repeat = Engagement.Repeat
HOUR = timedelta(hours=1)
PERIODS = {
    Repeat.HOURLY: HOUR,
    Repeat.DAILY: timedelta(days=1),
    Repeat.WEEKLY: timedelta(weeks=1),
}
# The share of its period that at least lies between two runs of a schedule. A slot that
# was missed is made up for while so much is left before the next, and no later.
APART = 4
# How the name of the one slot begins that does not come again.
ONCE = "once "
# Where the engagement is in the state that it was looked at in, and while nobody moves
# it; the slot may have its run already.
MAKE = """
    INSERT INTO engagements_run (engagement_id, version_id, "values", scheduled_for,
        slot, state, failure, is_standing, expansion_cursor, next_sequence)
    SELECT e.id, e.version_id, e.values, %(at)s, %(slot)s, 'expanding', '', false, 0, 0
    FROM engagements_engagement e
    WHERE e.id = %(engagement)s AND e.state = %(state)s AND NOT EXISTS (
        SELECT FROM segments_segment s WHERE s.id = e.segment_id
            AND s.is_active AND s.refreshed_at IS NULL AND s.problem = ''
    ) FOR SHARE OF e
    ON CONFLICT DO NOTHING RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """When it is, and the reading of the clock that its run is known by."""

    at: datetime
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a schedule does at a moment.

    `due` goes out now. `left_out` was missed and does not; `following` comes next.
    """

    due: Slot | None = None
    left_out: Slot | None = None
    following: datetime | None = None


def newest_slot(
    start: datetime, repeat: str, zone: ZoneInfo, now: datetime
) -> datetime | None:
    """The newest slot that is due at `now`, or None before the first."""
    slot = _newest(start, repeat, zone, now)
    return slot.at if slot else None


def next_slot(
    start: datetime, repeat: str, zone: ZoneInfo, now: datetime
) -> datetime | None:
    """The first slot after `now`, or None where the schedule has no more."""
    if now < start:
        return start
    found = (slot.at for slot in _around(start, repeat, zone, now) if slot.at > now)
    return next(found, None)


def _newest(start: datetime, repeat: str, zone: ZoneInfo, now: datetime) -> Slot | None:
    if now < start:
        return None
    due = [slot for slot in _around(start, repeat, zone, now) if slot.at <= now]
    return due[-1]


def _around(
    start: datetime, repeat: str, zone: ZoneInfo, now: datetime
) -> Iterator[Slot]:
    """The slots about `now`, in order: the newest that is due is among them."""
    period = PERIODS.get(Repeat(repeat))
    if period is None:
        yield Slot(at=start, name=ONCE)
        return
    local = start.astimezone(zone).replace(tzinfo=None)
    if period == HOUR:
        passed = (now - start) // period
    else:
        passed = (now.astimezone(zone).replace(tzinfo=None) - local) // period
    # A zone that changes sides of the date line is a whole day off.
    for number in range(max(passed - 2, 0), passed + 3):
        if period == HOUR:
            at = (start + number * period).astimezone(UTC)
            yield Slot(at=at, name=f"{at:%Y-%m-%dT%H:%M:%S.%fZ}")
            continue
        wall = local + number * period
        # The first may be the clock's second reading of this time.
        at = wall.replace(tzinfo=zone) if number else start
        yield Slot(at=at.astimezone(UTC), name=f"{wall:%Y-%m-%dT%H:%M:%S.%f}")


def plan(engagement: Engagement, now: datetime) -> Plan:
    """What the schedule of an engagement does at `now`, were it active."""
    activated_at = engagement.activated_at
    if activated_at is None or engagement.trigger != Engagement.Trigger.SCHEDULE:
        return Plan()
    zone = ZoneInfo(engagement.time_zone)
    start = engagement.starts_at or activated_at
    if engagement.repeat == Repeat.ONCE:
        # In the past means now, and now was when it was activated.
        start = max(start, activated_at)
    slot = _newest(start, engagement.repeat, zone, now)
    following = next_slot(start, engagement.repeat, zone, now)
    if slot and engagement.repeat == Repeat.ONCE:
        # Once is once an activation, whenever it was put off to.
        slot = Slot(at=slot.at, name=f"{ONCE}{activated_at:%Y-%m-%dT%H:%M:%S.%fZ}")
    if slot is None or not _is_its_own(engagement, slot):
        return Plan(following=following)
    is_early = following is not None and following - now < _apart(engagement)
    if is_early:
        return Plan(left_out=slot, following=following)
    return Plan(due=slot, following=following)


def _is_its_own(engagement: Engagement, slot: Slot) -> bool:
    """Whether a slot in the past is still to be run.

    One from before the activation, or before somebody set the schedule so, is nobody's.
    One that a run has covered is over: its own, or of what the schedule was before.
    """
    if engagement.repeat != Repeat.ONCE and slot.at < _since(engagement):
        return False
    if _runs(engagement).filter(slot=slot.name).exists():
        return False
    last = _runs(engagement).aggregate(last=Max("scheduled_for"))["last"]
    covered = max(slot.at - _apart(engagement), _activated_at(engagement))
    return last is None or last <= covered


def _since(engagement: Engagement) -> datetime:
    set_at = engagement.schedule_set_at
    activated_at = _activated_at(engagement)
    return max(activated_at, set_at) if set_at else activated_at


def _activated_at(engagement: Engagement) -> datetime:
    assert engagement.activated_at is not None
    return engagement.activated_at


def _apart(engagement: Engagement) -> timedelta:
    period = PERIODS.get(Repeat(engagement.repeat))
    return period / APART if period else timedelta(0)


def _runs(engagement: Engagement) -> QuerySet[Run]:
    return engagement.runs.exclude(slot="")


def make_due_runs(now: datetime) -> int:
    """Make the run of each active schedule's newest due slot; return how many.

    After an outage only the newest missed slot runs. Two ticks at once make one run:
    the slot is unique. One schedule that cannot be read does not stop the others; its
    error is raised when they are done.
    """
    engagements = Engagement.objects.filter(
        state=Engagement.State.ACTIVE, trigger=Engagement.Trigger.SCHEDULE
    )
    made, errors = 0, []
    for engagement in engagements:
        try:
            made += make_due_run(engagement, now)
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
    of its people: the run is made when it has all.

    In one statement of its own: a process that freezes here holds up nobody else's, and
    makes none when it wakes and somebody has stopped the engagement meanwhile.
    """
    slot = plan(engagement, now).due
    if slot is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            MAKE,
            {
                "at": slot.at,
                "slot": slot.name,
                "engagement": engagement.pk,
                "state": engagement.state,
            },
        )
        made = cursor.fetchone()
    if made is None:
        return False
    after_commit(
        logger.info, "run.started", run_id=made[0], engagement_id=engagement.pk
    )
    return True


def is_due(engagement: Engagement, now: datetime) -> bool:
    """Whether make_due_run would make a run."""
    return plan(engagement, now).due is not None


def in_words(engagement: Engagement, now: datetime) -> str:
    """What comes next, in sentences; "" where there is nothing to say.

    Of one that is not active: what happens when somebody resumes it now.
    """
    if engagement.state in Engagement.AT_REST:
        return ""
    found = plan(engagement, now)
    said = []
    if found.due:
        said.append(
            f"The missed run of {_moment(engagement, found.due.at)} goes out now"
        )
    if found.left_out:
        said.append(
            f"The missed run of {_moment(engagement, found.left_out.at)} is left out,"
            " because the next one is near"
        )
    if found.following:
        said.append(f"Next run: {_moment(engagement, found.following)}")
    if not said:
        return ""
    if engagement.state != Engagement.State.ACTIVE:
        said[0] = f"If you resume it now: {said[0][0].lower()}{said[0][1:]}"
    return ". ".join(said) + "."


def _moment(engagement: Engagement, at: datetime) -> str:
    local = at.astimezone(ZoneInfo(engagement.time_zone))
    return f"{local:%-d %B %Y at %H:%M} ({engagement.time_zone})"
