"""The admin's home: the way through the three steps, and what needs attention."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Count, Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse

from engagements.delivery import samples
from engagements.lifecycle import approval
from engagements.models import Approval, Delivery, Engagement, Run
from engagements.operations import alarms, standstills
from engagements.operations.types import Alarm
from engagements.reporting import reports
from lemnisk_braze.dashboard import steps
from lemnisk_braze.lib import database_clock
from segments.ingest import health
from segments.lists import effects
from segments.membership import readers
from segments.models import (
    Event,
    ListUpload,
    Profile,
    Proposal,
    Segment,
    UploadedList,
)

State = Delivery.State
DAY = timedelta(days=1)
LAST_DAY = "last 24 hours"
# A number on the home page reads this many rows at most, whatever a table holds.
MOST_READ = 100_000
MOST_SHOWN = 8
# How long a run that ended badly is named.
NAMED_FOR = timedelta(days=7)
LATEST_SHOWN = 5
# What a number is called → the states in it, and its colour where it is not 0.
OUTCOMES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "Sent": ((State.SENT, State.ACCEPTED_UNVERIFIED), ""),
    "Rejected": ((State.REJECTED, State.DEAD), "danger"),
    "Uncertain": ((State.UNCERTAIN,), "warning"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number; `is_capped` says that there are at least so many."""

    label: str
    period: str
    value: int
    url: str
    is_capped: bool = False
    is_estimate: bool = False
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An engagement that waits for somebody."""

    engagement: Engagement
    uncertain: int
    url: str


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the home page shows: only what this user may see."""
    since = database_clock.reckoned() - DAY
    journey = steps.journey(request.user)
    numbers = list(_numbers(request, since))
    context |= {
        "journey": journey,
        "is_journey_done": all(step.is_done for step in journey),
        "numbers": numbers,
        "is_empty": not any(number.value for number in numbers),
        "alarm": _alarm(request),
        "may_operate": request.user.has_perm("engagements.operate_delivery"),
        "troubles": _troubles(request),
        "proposals": _proposals(request),
        "uploads": _uploads(request),
        "may_decide": readers.may_decide(request.user),
        "asked": _asked(request),
        "engagements": _latest(request),
    }
    return context


def _may_see(request: HttpRequest, model: type[Model]) -> bool:
    options = model._meta
    return request.user.has_perm(f"{options.app_label}.view_{options.model_name}")


def _list_url(model: type[Model], query: str = "") -> str:
    options = model._meta
    name = f"admin:{options.app_label}_{options.model_name}_changelist"
    registered = admin.site.is_registered(model)
    return reverse(name) + query if registered else ""


# --- Numbers ------------------------------------------------------------------


def _numbers(request: HttpRequest, since: datetime) -> Iterable[Number]:
    if _may_see(request, Profile):
        yield _people()
    if _may_see(request, Event):
        yield _events(since)
    if _may_see(request, Engagement):
        yield Number(
            label="Engagements",
            period="active now",
            value=Engagement.objects.filter(state=Engagement.State.ACTIVE).count(),
            url=_list_url(Engagement, "?state__exact=active"),
        )
    if _may_see(request, Delivery):
        yield from _deliveries(since)


def _people() -> Number:
    """Counted as far as counting is quick; beyond, what the database believes."""
    count = Profile.objects.all()[: MOST_READ + 1].count()
    is_estimate = count > MOST_READ
    return Number(
        label="People",
        period="in all",
        value=max(_estimate(Profile), count) if is_estimate else count,
        url=_list_url(Profile),
        is_estimate=is_estimate,
    )


def _estimate(model: type[Model]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
            [model._meta.db_table],
        )
        return int(cursor.fetchone()[0])


def _events(since: datetime) -> Number:
    newest = Event.objects.order_by("-pk").values("pk", "received_at")[:MOST_READ]
    found = newest.aggregate(recent=Count("pk", filter=Q(received_at__gte=since)))
    return Number(
        label="Events",
        period=LAST_DAY,
        value=found["recent"],
        url=_list_url(Event),
        is_capped=found["recent"] == MOST_READ,
    )


def _deliveries(since: datetime) -> Iterable[Number]:
    """The newest deliveries by what became of them.

    Only the newest are read: a row further down waited longer than a day before it
    changed, or there are so many new ones that the numbers are "at least" anyway.
    """
    newest = Delivery.objects.order_by("-pk").values("pk", "state", "updated_at")[
        :MOST_READ
    ]
    recent = Q(updated_at__gte=since)
    found = newest.aggregate(
        recent=Count("pk", filter=recent),
        **{
            label: Count("pk", filter=recent & Q(state__in=states))
            for label, (states, _) in OUTCOMES.items()
        },
    )
    for label, (states, tone) in OUTCOMES.items():
        yield Number(
            label=label,
            period=LAST_DAY,
            value=found[label],
            url=_list_url(Delivery, f"?state__exact={states[0]}"),
            is_capped=found["recent"] == MOST_READ,
            tone=tone if found[label] else "",
        )


# --- What needs attention -----------------------------------------------------


def _alarm(request: HttpRequest) -> Alarm | None:
    """That the tick does not come or the inbox stands still, where somebody minds."""
    active = Engagement.objects.filter(state=Engagement.State.ACTIVE)
    if not _may_see(request, Engagement) or not active.exists():
        return None
    for alarm in standstills.intake(health.read()):
        if alarm.is_everybodys:
            return alarm
    return alarms.tick(samples.tick_age())


def _troubles(request: HttpRequest) -> list[Trouble]:
    """Engagements that an error stopped, and those with uncertain deliveries."""
    if not _may_see(request, Engagement):
        return []
    uncertain = _uncertain_by_engagement() if _may_see(request, Delivery) else {}
    # Who pauses it gives no reason; the engine does.
    stopped = Q(state=Engagement.State.BLOCKED) | (
        Q(state=Engagement.State.PAUSED) & ~Q(blocked_reason="")
    )
    named = stopped | _ended_badly() | Q(pk__in=uncertain)
    engagements = _with_names(Engagement.objects.filter(named))
    return [
        Trouble(
            engagement=engagement,
            uncertain=uncertain.get(engagement.pk, 0),
            url=_list_url(
                Delivery,
                f"?state__exact=uncertain&run__engagement__id__exact={engagement.pk}",
            ),
        )
        for engagement in engagements[:MOST_SHOWN]
    ]


def _proposals(request: HttpRequest) -> list[Proposal]:
    """Changes of segments that wait for this user, or that they proposed."""
    if not _may_see(request, Segment):
        return []
    found = Proposal.objects.filter(state=Proposal.State.OPEN)
    if not readers.may_decide(request.user):
        found = found.filter(proposed_by=request.user.pk)
    related = found.select_related("segment", "proposed_by").order_by("pk")
    return list(related[:MOST_SHOWN])


def _uploads(request: HttpRequest) -> list[ListUpload]:
    """Uploads to lists that change whom an Engagement sends to, as with proposals."""
    if not _may_see(request, UploadedList):
        return []
    return effects.waiting_for_approval(request.user, MOST_SHOWN)


def _ended_badly() -> Q:
    """Their last run mostly failed, not long ago."""
    states = (Engagement.State.ACTIVE, Engagement.State.ENDED)
    recent = Run.objects.filter(
        engagement=OuterRef("pk"), ended_at__gte=Now() - NAMED_FOR
    )
    return Q(Exists(recent), ~Q(blocked_reason=""), state__in=states)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What waits for somebody's word; `refusal`: why it is not this user's."""

    approval: Approval
    refusal: str


def _asked(request: HttpRequest) -> list[Asked]:
    """What waits for approval, the longest first: an Approver's, or what they asked for."""
    found = approval.waiting_for(request.user, MOST_SHOWN)
    return [
        Asked(approval=one, refusal=approval.refusal(one, request.user))
        for one in found
    ]


def _with_names(engagements: QuerySet[Engagement]) -> QuerySet[Engagement]:
    return engagements.select_related("segment", "version__external_api").order_by(
        "-updated_at"
    )


def _uncertain_by_engagement() -> dict[int, int]:
    """{engagement id: people}; one probe of (run, state) for each recent run."""
    runs = Run.objects.order_by("-pk").values("pk")[:MOST_READ]
    uncertain = Delivery.objects.filter(run__in=runs, state=Delivery.State.UNCERTAIN)
    rows = uncertain.order_by().values_list("run__engagement").annotate(Count("pk"))
    return dict(rows)


# --- What was last worked on --------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    engagement: Engagement
    when: str
    tone: str


def _latest(request: HttpRequest) -> list[Latest]:
    if not _may_see(request, Engagement):
        return []
    return [
        Latest(
            engagement=engagement,
            when=reports.trigger_in_words(engagement),
            tone=reports.ENGAGEMENT_TONES[engagement.state],
        )
        for engagement in _with_names(Engagement.objects.all())[:LATEST_SHOWN]
    ]
