"""When nobody is sent: from a time until another, by each person's own clock.

An attribute has the name of the person's zone; (P) who has none, or a text that names
none, is in the engagement's. Over midnight as well, and whatever clocks do: what counts
is what the clock shows, so that an hour that comes twice is quiet twice.
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models.functions import Now

from engagements import time_zones
from engagements.guards.asking import Asked, Guard, Later, Verdict, Verdicts
from engagements.models import Batch, Engagement, Run
from engagements.personalization.renderer import Skip

# The fields of an engagement that say when it is quiet, and what becomes of whom then.
FIELDS = frozenset(
    {
        *("quiet_from", "quiet_to", "quiet_zone_attribute"),
        *("quiet_time_zone", "quiet_action"),
    }
)


def over_at(now: datetime, zone: ZoneInfo, begins: time, ends: time) -> datetime | None:
    """When the quiet hours end in which it is there now; None where it is in none."""
    local = now.astimezone(zone)
    at = local.time()
    is_over_midnight = ends < begins
    if not (at >= begins or at < ends if is_over_midnight else begins <= at < ends):
        return None
    day = local.date() + timedelta(days=is_over_midnight and at >= begins)
    end = datetime.combine(day, ends, tzinfo=zone)
    # The second time that the clock shows it, where the first is over.
    over = end if end.astimezone(UTC) > now else end.replace(fold=1)
    return over.astimezone(UTC)


def ask_again(engagement: Engagement) -> None:
    """Let who waits be asked anew, after another time was set: they may be sent now.

    Not where people wait for a time of their own besides, or with a delay: their batches
    do not say which of both it is. (P) These wait as it was when they were put off.
    """
    if engagement.delay_time:
        return
    waiting = Batch.objects.filter(
        run__engagement=engagement,
        run__state__in=Run.OPEN,
        run__own_zone__isnull=True,
        state=Batch.State.PENDING,
        next_attempt_at__gt=Now(),
    )
    waiting.update(next_attempt_at=Now())


def _is_set(asked: Asked) -> bool:
    return asked.engagement.quiet_from is not None


def _ask(asked: Asked) -> Verdicts:
    engagement = asked.engagement
    attribute = engagement.quiet_zone_attribute
    names = time_zones.of_people(asked.roots, attribute) if attribute else {}
    # Each zone is looked at once.
    said: dict[str | None, Verdict | None] = {
        name: _verdict(engagement, name, asked.now) for name in {None, *names.values()}
    }
    found = {id: said[names.get(root)] for id, root in asked.people.items()}
    return {id: why for id, why in found.items() if why is not None}


def _verdict(engagement: Engagement, name: str | None, now: datetime) -> Verdict | None:
    begins, ends = engagement.quiet_from, engagement.quiet_to
    assert begins is not None and ends is not None
    zone = time_zones.zone_of(name, engagement.quiet_time_zone)
    over = over_at(now, zone, begins, ends)
    if over is None:
        return None
    known = "" if name == zone.key else ", as no zone of theirs is known"
    words = (
        f"Quiet from {begins:%H:%M} until {ends:%H:%M}, and for the person it is"
        f" {now.astimezone(zone):%H:%M} ({zone.key}{known})."
    )
    if engagement.quiet_action == Engagement.Quiet.SKIP:
        return Skip(code="quiet_hours", message=words)
    return Later(at=over, message=words)


GUARD = Guard(name="Quiet hours", is_set=_is_set, ask=_ask)
