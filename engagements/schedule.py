"""Which slots of a schedule are due, and the one run that each of them gets."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from engagements.models import Engagement, Run

PERIODS = {
    Engagement.Repeat.HOURLY: timedelta(hours=1),
    Engagement.Repeat.DAILY: timedelta(days=1),
    Engagement.Repeat.WEEKLY: timedelta(weeks=1),
}


def newest_slot(
    start: datetime, repeat: str, zone: ZoneInfo, now: datetime
) -> datetime | None:
    """The newest slot that is due at `now`, or None before the first.

    Hours are hours; days and weeks keep the wall clock of `zone`, so "every day at
    nine" stays at nine when the clocks change.
    """
    if now < start:
        return None
    period = PERIODS.get(Engagement.Repeat(repeat))
    if period is None:
        return start
    if period == timedelta(hours=1):
        return start + (now - start) // period * period
    local = start.astimezone(zone).replace(tzinfo=None)
    passed = (now.astimezone(zone).replace(tzinfo=None) - local) // period
    slot = (local + passed * period).replace(tzinfo=zone)
    return slot if slot <= now else (local + (passed - 1) * period).replace(tzinfo=zone)


def next_slot(
    start: datetime, repeat: str, zone: ZoneInfo, now: datetime
) -> datetime | None:
    """The first slot after `now`, or None where the schedule has no more."""
    if now < start:
        return start
    period = PERIODS.get(Engagement.Repeat(repeat))
    if period is None:
        return None
    if period == timedelta(hours=1):
        return start + ((now - start) // period + 1) * period
    local = start.astimezone(zone).replace(tzinfo=None)
    passed = (now.astimezone(zone).replace(tzinfo=None) - local) // period
    slot = (local + passed * period).replace(tzinfo=zone)
    return slot if slot > now else (local + (passed + 1) * period).replace(tzinfo=zone)


def make_due_runs(now: datetime) -> int:
    """Make the run of each active schedule's newest due slot; return how many.

    After an outage only the newest missed slot runs. Two ticks at once make one run:
    the slot is unique.
    """
    engagements = Engagement.objects.filter(
        state=Engagement.State.ACTIVE, trigger=Engagement.Trigger.SCHEDULE
    )
    return sum(make_due_run(engagement, now) for engagement in engagements)


def make_due_run(engagement: Engagement, now: datetime) -> bool:
    slot = _due_slot(engagement, now)
    if slot is None:
        return False
    with transaction.atomic():
        _, is_new = Run.objects.get_or_create(
            engagement=engagement,
            scheduled_for=slot,
            is_standing=False,
            defaults={"version_id": engagement.version_id, "values": engagement.values},
        )
    return is_new


def is_due(engagement: Engagement, now: datetime) -> bool:
    """Whether make_due_run would make a run."""
    slot = _due_slot(engagement, now)
    runs = engagement.runs.filter(is_standing=False)
    return slot is not None and not runs.filter(scheduled_for=slot).exists()


def _due_slot(engagement: Engagement, now: datetime) -> datetime | None:
    activated_at = engagement.activated_at
    if activated_at is None:
        return None
    start = engagement.starts_at or activated_at
    slot = newest_slot(start, engagement.repeat, ZoneInfo(engagement.time_zone), now)
    # A slot from before the activation is nobody's; "once" in the past means now.
    if slot is not None and slot < activated_at:
        return activated_at if engagement.repeat == Engagement.Repeat.ONCE else None
    return slot
