"""What the pages of segments, people and engagements ask for while they are drawn."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import template
from django.contrib.admin import ListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from engagements.audience import send_again
from engagements.authoring import explaining
from engagements.models import (
    Approval,
    Attempt,
    Batch,
    Delivery,
    Engagement,
    Run,
    SuppressedChannels,
    Suppression,
    channels_in_words,
)
from engagements.operations import alarms, bottleneck
from engagements.reporting import history, listening, reports
from engagements.schedules import own_zone, words
from engagements.sync import comparing
from engagements.variants import plan
from externalapi.models import Connection
from externalapi.testing.explanations import search_users_url
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.pages.share_bar import share_bar
from segments import naming
from segments.models import Profile, Segment

register = template.Library()


@register.simple_tag
def engagements_of(segment: Segment) -> QuerySet[Engagement]:
    """A segment's engagements with `deliveries_sent`, newest first."""
    engagements = segment.engagements.select_related("version__external_api")
    return reports.with_deliveries_sent(engagements).order_by("-pk")


@register.simple_tag
def waiting_for(profile: Profile) -> list[Batch]:
    """The batches that this person waits in."""
    return history.waiting_for(profile)


@register.simple_tag
def guards_of(engagement: Engagement) -> list[str]:
    """What its own guards are set to, a sentence each."""
    return explaining.in_words(engagement)


@register.simple_tag
def variants_of(engagement: Engagement) -> str:
    """Its variants and their shares, without a stop; "" where there are none."""
    return plan.in_words(plan.of(engagement))


@register.simple_tag
def suppressions_of(profile: Profile) -> list[tuple[Suppression, str]]:
    """The person's own entries on the suppression list, and their channels."""
    rows = Suppression.objects.filter(profile=profile)
    return [(one, channels_in_words(one.channels)) for one in rows]


@register.simple_tag
def suppressed_channels(segment: Segment) -> str:
    """The channels that a suppression segment is for; "" where it is for all."""
    row = SuppressedChannels.objects.filter(segment=segment).first()
    return channels_in_words(row.channels) if row and row.channels else ""


@register.simple_tag(takes_context=True)
def search_users_of(context: Context, person: Profile) -> list[tuple[str, str]]:
    """(connection, address) of each place where a sent person can be looked up.

    The sandbox's page is asked for them at once; Braze's dashboard takes no question.
    """
    if not context["request"].user.has_perm("externalapi.view_connection"):
        return []
    places: dict[str, str] = {}
    for connection in Connection.objects.order_by("name"):
        url = search_users_url(connection)
        if url.endswith("/search-users") and person.external_id:
            url = f"{url}?{urlencode({'q': person.external_id})}"
        places.setdefault(url, str(connection))
    places.pop("", None)
    return [(name, url) for url, name in places.items()]


@register.simple_tag(takes_context=True)
def called(context: Context, person: Profile | None) -> str:
    """What the user who looks calls a person."""
    return naming.called(person, context["request"].user)


@register.simple_tag(takes_context=True)
def may_see_people(context: Context) -> bool:
    """Whether what names people is for the user who looks."""
    return naming.may_see_people(context["request"].user)


@register.simple_tag(takes_context=True)
def scrubbed(context: Context, text: str) -> str:
    """Words that may name people, as they are for the user who looks."""
    return naming.scrubbed(text, context["request"].user)


@register.simple_tag(takes_context=True)
def person_link(context: Context, person: Profile | None) -> str:
    """The same, as a link to the person's page for who may open it."""
    words = called(context, person)
    if person is None or not naming.may_see_people(context["request"].user):
        return words
    return format_html('<a href="{}">{}</a>', person.get_absolute_url(), words)


register.simple_tag(share_bar)


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
def state_tone(obj: Delivery | Engagement | Approval) -> str:
    if isinstance(obj, Approval):
        return reports.APPROVAL_TONES[obj.state]
    if isinstance(obj, Engagement):
        return reports.ENGAGEMENT_TONES[obj.state]
    return reports.TONES[obj.state]


@register.filter
def outcome_tone(attempt: Attempt) -> str:
    return reports.OUTCOME_TONES[attempt.outcome]


@register.filter
def trigger_words(engagement: Engagement) -> str:
    return reports.trigger_in_words(engagement)


@register.simple_tag
def next_times_of(engagement: Engagement) -> list[words.Time]:
    """The next times of its schedule; of a draft, were it activated now."""
    return words.next_times(engagement, database_clock.now())


@register.simple_tag
def unknown_zones_of(engagement: Engagement) -> own_zone.Unknown | None:
    """Whose own zone is not known; None where that takes too long to count."""
    return own_zone.unknown_zones(engagement)


@register.filter
def filtered_by(listed: ChangeList) -> list[str]:
    """What a list is filtered by: each filter that is set, with what was chosen."""
    return [
        f"{spec.title}: {chosen}"
        for spec in listed.filter_specs
        if (typed := _typed(listed, spec))
        for choice in spec.choices(listed)
        if (chosen := typed if "form" in choice else _display(choice))
    ]


def _typed(listed: ChangeList, spec: ListFilter) -> str:
    """What stands in the address for a filter; "" where it is not set."""
    said = (listed.filter_params.get(str(n)) for n in spec.expected_parameters())
    return next((str(values[-1]) for values in said if values), "")


def _display(choice: Mapping[str, Any]) -> str:
    return str(choice["display"]) if choice["selected"] else ""


@register.simple_tag
def taken_in_by_day_of(engagement: Engagement) -> str:
    """When people who change with the day are taken in; "" where that is no question."""
    return words.taken_in_by_day(engagement, database_clock.now())


@register.filter
def waiting_words(engagement: Engagement) -> str:
    return listening.waiting_in_words(engagement)


@register.filter
def next_listened_words(engagement: Engagement) -> str:
    return listening.next_in_words(engagement)


@register.filter
def meanwhile_words(engagement: Engagement) -> str:
    return listening.meanwhile_in_words(engagement)


@register.filter
def changes_words(engagement: Engagement) -> str:
    return listening.changes_in_words(engagement)


@register.filter
def first_words(engagement: Engagement) -> str:
    return listening.first_in_words(engagement)


@register.filter
def takes_in(run: Run) -> str:
    return listening.run_in_words(run)


@register.filter
def next_words(engagement: Engagement) -> str:
    """What its schedule does next."""
    return words.in_words(engagement, database_clock.now())


@register.filter
def again_words(engagement: Engagement) -> str:
    return send_again.in_words(engagement)


@register.filter
def sync_words(engagement: Engagement) -> str:
    return comparing.in_words(engagement)


@register.filter
def clock(value: datetime | None) -> str:
    """A time of day with its zone; the day as well where it is another one."""
    return bottleneck.clock(value)


@register.filter
def zone(value: datetime) -> str:
    return timezone.localtime(value).tzname() or ""


@register.filter
def since(now: datetime, before: datetime) -> str:
    """How long it is from `before` to `now`, in words."""
    return alarms.in_words(now - before)


@register.filter
def ago(age: timedelta) -> str:
    return f"{alarms.in_words(age)} ago"


@register.filter
def span(seconds: int) -> str:
    """A window of a rate in words."""
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = seconds // 60
    return "minute" if minutes == 1 else f"{minutes} minutes"


@register.filter
def unlocal(value: float) -> str:
    """A number of a drawing: with a point, whatever the language."""
    return f"{value:g}"
