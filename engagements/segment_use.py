"""What a segment's page asks before it takes in others (segments.membership.readers)."""

from collections.abc import Sequence

from django.db.models import QuerySet

from engagements.audience import send_again
from engagements.models import Engagement
from engagements.reporting import listening, reports
from externalapi.connections.access import usable_by, why_not
from externalapi.models import Connection
from segments.membership.readers import Effect, Use, User
from segments.models import Segment

PERMISSION = "engagements.activate_engagement"
PEOPLE = "SELECT unnest(%(people)s::bigint[])"


def read(segment: Segment) -> bool:
    """Whether an engagement at work has the segment, or is kept from sending by it."""
    at_work = Engagement.objects.exclude(state__in=Engagement.AT_REST)
    if segment.is_suppression and at_work.exists():
        return True
    return (
        _at_work(segment).exists() or at_work.filter(excluded_segments=segment).exists()
    )


def effects(
    segment: Segment, entering: Sequence[int], leaving: Sequence[int]
) -> list[Effect]:
    """What each engagement at work would send to these people if they moved."""
    engagements = _at_work(segment).order_by("name")
    return [
        _effect(engagement, leaving if _is_of_exits(engagement) else entering)
        for engagement in engagements
    ]


def uses(segment: Segment) -> list[Use]:
    """The engagements of the segment, and those that exclude it, by name."""
    excluding = Engagement.objects.filter(excluded_segments=segment)
    return [
        *(_use(one, "Engagement") for one in segment.engagements.order_by("name")),
        *(
            _use(one, "Engagement that excludes it")
            for one in excluding.order_by("name")
        ),
    ]


def _use(engagement: Engagement, kind: str) -> Use:
    return Use(
        name=engagement.name,
        url=engagement.get_absolute_url(),
        kind=kind,
        state=engagement.get_state_display(),
        tone=reports.ENGAGEMENT_TONES[engagement.state],
        is_at_work=engagement.state not in Engagement.AT_REST,
    )


def refusal(segment: Segment, user: User) -> str:
    """Why the user may not let others in: a connection behind it is limited to others."""
    behind = Connection.objects.filter(
        versions__engagements__in=_at_work(segment).order_by()
    )
    limited = behind.exclude(pk__in=usable_by(user)).order_by("name").first()
    return why_not(limited, user) if limited else ""


def _at_work(segment: Segment) -> QuerySet[Engagement]:
    return segment.engagements.exclude(state__in=Engagement.AT_REST)


def _is_of_exits(engagement: Engagement) -> bool:
    return engagement.trigger == Engagement.Trigger.ON_EXIT


def _effect(engagement: Engagement, moving: Sequence[int]) -> Effect:
    return Effect(
        name=engagement.name,
        url=engagement.get_absolute_url(),
        state=engagement.get_state_display(),
        tone=reports.ENGAGEMENT_TONES[engagement.state],
        sent=_sent(engagement, moving),
        when=_when(engagement),
    )


def _sent(engagement: Engagement, moving: Sequence[int]) -> int:
    if not moving:
        return 0
    if _is_schedule(engagement) and _has_had_its_run(engagement):
        return 0
    if not send_again.is_guarded(engagement):
        return len(moving)
    return send_again.count_allowed(engagement, PEOPLE, {"people": list(moving)})


def _is_schedule(engagement: Engagement) -> bool:
    return engagement.trigger == Engagement.Trigger.SCHEDULE


def _has_had_its_run(engagement: Engagement) -> bool:
    """Whether no run comes any more that could take somebody in."""
    is_once = engagement.repeat == Engagement.Repeat.ONCE
    return is_once and engagement.runs.exists()


def _when(engagement: Engagement) -> str:
    wait = listening.delay_in_words(engagement)
    when = "in its next run" if _is_schedule(engagement) else "at once"
    when = f"{wait} later" if wait else when
    when = f"{when}, as they leave" if _is_of_exits(engagement) else when
    return (
        when if engagement.state == Engagement.State.ACTIVE else f"{when} after Resume"
    )
