"""What the pages of segments, people and engagements ask for while they are drawn."""

from datetime import datetime

from django import template
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from engagements import reports
from engagements.models import Attempt, Delivery, Engagement
from segments.models import Profile, Segment

register = template.Library()

DELIVERIES_SHOWN = 20


@register.simple_tag
def engagements_of(segment: Segment) -> QuerySet[Engagement]:
    """A segment's engagements with `people_sent`, newest first."""
    engagements = segment.engagements.select_related("version__external_api")
    return reports.with_people_sent(engagements).order_by("-pk")


@register.simple_tag
def deliveries_of(profile: Profile) -> list[tuple[Delivery, Attempt | None]]:
    """A person's newest deliveries, each with the newest attempt that carried it."""
    deliveries = list(
        profile.deliveries.select_related("run__engagement").order_by("-pk")[
            :DELIVERIES_SHOWN
        ]
    )
    answers = reports.last_answers(deliveries)
    return [(delivery, answers.get(delivery.pk)) for delivery in deliveries]


@register.simple_tag
def share_bar(share: float, tone: str) -> SafeString:
    """A bar as wide as the share in percent, which is also written beside it."""
    return format_html(
        '<span class="en-bar" aria-hidden="true">'
        '<span class="en-bar-fill en-bar--{}" style="width: {}%"></span></span>'
        '<span class="en-share">{}%</span>',
        tone,
        f"{share:.2f}",
        f"{share:.1f}",
    )


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A time to the second, with its zone."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}">{}</time>',
        local.isoformat(),
        f"{local:%-d %b %Y, %H:%M:%S} {local.tzname()}",
    )


@register.filter
def state_tone(obj: Delivery | Engagement) -> str:
    if isinstance(obj, Engagement):
        return reports.ENGAGEMENT_TONES[obj.state]
    return reports.TONES[obj.state]


@register.filter
def outcome_tone(attempt: Attempt) -> str:
    return reports.OUTCOME_TONES[attempt.outcome]


@register.filter
def reason_words(delivery: Delivery) -> str:
    return reports.reason_in_words(delivery.reason)


@register.filter
def trigger_words(engagement: Engagement) -> str:
    return reports.trigger_in_words(engagement)
