"""What became of everybody: counts that add up, and the words for them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import (
    CharField,
    Count,
    F,
    Func,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce
from django.urls import reverse

from engagements.guards.reasons import NOTHING_NEW, REASONS
from engagements.models import (
    PEOPLE_LEFT,
    Approval,
    Attempt,
    Batch,
    Delivery,
    Engagement,
    Run,
    Tally,
)
from engagements.reporting import listening, waiting
from engagements.reporting.headcount import Headcount, headcount
from engagements.schedules.words import sentence as schedule_sentence
from segments import naming

# Who has no delivery yet: in the reports a state like the others.
WAITING = "pending"

# The reason of a skipped delivery is "code: words" (renderer.Skip).
SKIP_REASONS: Mapping[str, str] = {
    "no_identifier": "No identifier that the External API asks for",
    "missing_parameter": "A required parameter had no value",
    "template_error": "A value could not be worked out",
    "too_big": "More than one request takes",
    "nothing_to_send": "Nothing to send",
    **NOTHING_NEW,
    **REASONS,
}

EXPLANATIONS: Mapping[str, str] = {
    WAITING: "Waiting in line. Nothing was sent yet, or it is sent again after an "
    "error.",
    Delivery.State.SENT: "The other side took it and said so.",
    Delivery.State.ACCEPTED_UNVERIFIED: "The other side accepted the request, but its "
    "answer could not be read to the end, or has an error that names nobody. It is not "
    "sent again by itself.",
    Delivery.State.REJECTED: "The other side read it and refused this person’s data.",
    Delivery.State.SKIPPED: "Nothing was sent: there was nothing to send, no payload "
    "could be made for this person, nothing had changed, or one of the guards stopped it.",
    Delivery.State.UNCERTAIN: "The answer was lost, so nobody can know whether it "
    "arrived. Somebody has to decide.",
    Delivery.State.DEAD: "It was tried until the attempts were used up, or the other "
    "side refused it without saying what is wrong with this person’s data.",
    Delivery.State.CANCELLED: "The run was cancelled before it was sent.",
    Delivery.State.ERASED: "The person was erased, and with them whatever told what "
    "became of it. Only the number is kept.",
}

# The colours of badges and bars.
TONES: dict[str, str] = {
    WAITING: "info",
    Delivery.State.SENT: "success",
    Delivery.State.ACCEPTED_UNVERIFIED: "warning",
    Delivery.State.REJECTED: "danger",
    Delivery.State.SKIPPED: "warning",
    Delivery.State.UNCERTAIN: "warning",
    Delivery.State.DEAD: "danger",
    Delivery.State.CANCELLED: "neutral",
    Delivery.State.ERASED: "neutral",
}

ENGAGEMENT_TONES: dict[str, str] = {
    Engagement.State.DRAFT: "neutral",
    Engagement.State.ACTIVE: "success",
    Engagement.State.PAUSED: "warning",
    Engagement.State.BLOCKED: "danger",
    Engagement.State.ENDED: "info",
}
APPROVAL_TONES: dict[str, str] = {
    Approval.State.WAITING: "info",
    Approval.State.APPROVED: "success",
    Approval.State.DECLINED: "danger",
    Approval.State.WITHDRAWN: "neutral",
    Approval.State.CLOSED: "neutral",
}
OUTCOME_TONES: dict[str, str] = {
    Attempt.Outcome.UNFINISHED: "info",
    Attempt.Outcome.SENT: "success",
    Attempt.Outcome.ACCEPTED_UNVERIFIED: "warning",
    Attempt.Outcome.NOT_SENT: "warning",
    Attempt.Outcome.RATE_LIMITED: "info",
    Attempt.Outcome.REFUSED: "danger",
    Attempt.Outcome.BLOCKED: "danger",
    Attempt.Outcome.AMBIGUOUS: "warning",
}

LABELS: dict[str, str] = {
    WAITING: "Waiting",
    **{str(state): str(state.label) for state in Delivery.State},
}

# Deliveries that no other run has taken along (Delivery.retry).
LAST_TRY: Mapping[str, object] = {"retry__isnull": True}

# Neither sent nor skipped: batches count these.
FAILED = Delivery.NOT_SENT - {Delivery.State.SKIPPED}
# In reading order: what arrived, what did not and why, what is still open.
ORDER = (
    Delivery.State.SENT,
    Delivery.State.ACCEPTED_UNVERIFIED,
    WAITING,
    Delivery.State.UNCERTAIN,
    Delivery.State.REJECTED,
    Delivery.State.SKIPPED,
    Delivery.State.DEAD,
    Delivery.State.CANCELLED,
    Delivery.State.ERASED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number of the report; `url` opens its people, `share` is in percent."""

    key: str
    label: str
    count: int
    share: float
    tone: str
    url: str
    parts: tuple["Row", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Deliveries, waiting ones too, in rows that add up to `total`; and whom to.

    `tally`: what its batches count, in all; `by_run`: the same of each run, by its id.
    `url` opens all of them; "" where some wait, for these are in another list.
    """

    total: int
    people: Headcount
    tally: Tally
    by_run: Mapping[int, Tally]
    rows: tuple[Row, ...]
    url: str
    # Requests that were taken with something odd about it, and the list of them.
    noted: int
    noted_url: str

    @property
    def is_empty(self) -> bool:
        return self.total == 0

    @property
    def unverified(self) -> Row | None:
        """The row that raises an alert: taken, and nobody can tell what."""
        state = Delivery.State.ACCEPTED_UNVERIFIED
        return next((row for row in self.rows if row.key == state), None)


def engagement_report(engagement: Engagement) -> Report:
    """The report of an engagement across all of its runs.

    Who failed and was tried again counts where that led, and not twice.
    """
    scope = {"run__engagement__id__exact": engagement.pk}
    has_retries = engagement.runs.filter(retry_of__isnull=False).exists()
    return _report(
        {"run__engagement": engagement},
        scope,
        LAST_TRY if has_retries else {},
        engagement.runs.all(),
    )


def repeats_left_out(engagement: Engagement) -> int:
    """How often its runs did not take somebody in who was sent already."""
    runs = engagement.runs.aggregate(n=Coalesce(Sum("repeats_left_out"), 0))
    return int(runs["n"])


def run_report(run: Run) -> Report:
    own = Run.objects.filter(pk=run.pk)
    return _report({"run": run}, {"run__id__exact": run.pk}, {}, own)


def _report(
    whose: Mapping[str, object],
    scope: Mapping[str, object],
    unsent: Mapping[str, object],
    runs: QuerySet[Run],
) -> Report:
    """`whose` filters batches and deliveries, `scope` is the same for a list's URL.

    `unsent` filters deliveries that were not sent further, in both.
    """
    # Before those who were sent: whoever goes out meanwhile is not missing.
    waits = waiting.of(whose)
    by_run = Batch.objects.filter(**whose).tallies()
    tally = sum(by_run.values(), Tally())
    skips = _skips_of_last_tries(whose, unsent) if unsent else tally.skips
    skipped = Delivery.State.SKIPPED
    counts = {
        Delivery.State.SENT: tally.sent,
        **_failed(whose, unsent),
        WAITING: waits.people,
        skipped: sum(skips.values()),
    }
    total = sum(counts.values())
    parts = {
        WAITING: _waiting_rows(waits, scope, total),
        skipped: _skip_rows(skips, {**scope, **unsent}, total),
    }
    rows = [
        Row(
            key=str(state),
            label=LABELS[state],
            count=counts[state],
            share=_share(counts[state], total),
            tone=TONES[state],
            url=people_url(
                {**scope, **unsent} if state in Delivery.NOT_SENT else scope,
                state=state,
            ),
            parts=parts.get(state, ()),
        )
        for state in ORDER
        if counts.get(state)
    ]
    return Report(
        total=total,
        people=headcount(runs, total),
        tally=tally,
        by_run=by_run,
        rows=tuple(rows),
        url="" if waits.people else people_url({**scope, **unsent}),
        noted=_noted(whose),
        noted_url=_noted_url(scope),
    )


def _noted(whose: Mapping[str, object]) -> int:
    batches = {f"batch__{name}": value for name, value in whose.items()}
    return Attempt.objects.exclude(note="").filter(**batches).count()


def _noted_url(scope: Mapping[str, object]) -> str:
    query = {f"batch__{name}": value for name, value in scope.items()}
    query["noted"] = "yes"
    return f"{reverse('admin:engagements_attempt_changelist')}?{urlencode(query)}"


def _failed(
    whose: Mapping[str, object], unsent: Mapping[str, object]
) -> dict[str, int]:
    others = Delivery.objects.filter(**whose, **unsent, state__in=FAILED)
    return dict(others.order_by().values_list("state").annotate(n=Count("*")))


def _skips_of_last_tries(
    whose: Mapping[str, object], unsent: Mapping[str, object]
) -> Counter[str]:
    """How many are skipped, by the reason's code; batches do not know who was retried."""
    code = Func(
        F("reason"),
        Value(":"),
        Value(1),
        function="split_part",
        output_field=CharField(),
    )
    skipped = Delivery.objects.filter(**whose, **unsent, state=Delivery.State.SKIPPED)
    counted = skipped.order_by().values_list(code).annotate(n=Count("pk"))
    return Counter(dict(counted))


def _skip_rows(
    skips: Counter[str], scope: Mapping[str, object], total: int
) -> tuple[Row, ...]:
    return tuple(
        Row(
            key=f"skipped-{reason}",
            label=SKIP_REASONS.get(reason, reason or "No reason was noted"),
            count=count,
            share=_share(count, total),
            tone="warning",
            url=people_url(scope, state="skipped", reason=reason),
        )
        for reason, count in skips.most_common()
    )


def _waiting_rows(
    waits: waiting.Waiting, scope: Mapping[str, object], total: int
) -> tuple[Row, ...]:
    return tuple(
        Row(
            key=f"{WAITING}-{which}",
            label=words,
            count=count,
            share=_share(count, total),
            tone=TONES[WAITING],
            url=_waiting_url(scope, which),
        )
        for which, (words, count) in waits.parts.items()
    )


def _waiting_url(scope: Mapping[str, object], which: str = "yes") -> str:
    query = {**scope, "waiting": which}
    return f"{reverse('admin:engagements_batch_changelist')}?{urlencode(query)}"


def people_url(
    scope: Mapping[str, object], *, state: str = "", reason: str = ""
) -> str:
    """The delivery list, filtered to exactly the people of a number.

    Who waits has no delivery yet: they are in the list of batches.
    """
    if state == WAITING:
        return _waiting_url(scope)
    query = dict(scope)
    if state:
        query["state__exact"] = state
    if reason:
        query["reason__startswith"] = reason
    return f"{reverse('admin:engagements_delivery_changelist')}?{urlencode(query)}"


def _share(count: int, total: int) -> float:
    return round(count * 100 / total, 2) if total else 0.0


def with_deliveries_sent(engagements: QuerySet[Engagement]) -> QuerySet[Engagement]:
    """Annotate `deliveries_sent`: those that the other side took."""
    # Subqueries are worked out for the rows of one page only, joins for all.
    sent = (
        Batch.objects.filter(run__engagement=OuterRef("pk"))
        .order_by()
        .values("run__engagement")
        .values_list(Sum("sent_count"))
    )
    unverified = (
        Delivery.objects.filter(
            run__engagement=OuterRef("pk"), state=Delivery.State.ACCEPTED_UNVERIFIED
        )
        .order_by()
        .values("run__engagement")
        .values_list(Count("pk"))
    )
    return engagements.annotate(
        deliveries_sent=Coalesce(Subquery(sent), 0) + Coalesce(Subquery(unverified), 0)
    )


def uncertain_batches(engagement: Engagement) -> QuerySet[Batch]:
    """Batches that wait for somebody's decision, oldest first, with their people."""
    return (
        Batch.objects.filter(run__engagement=engagement, state=Batch.State.UNCERTAIN)
        .annotate(people=PEOPLE_LEFT)
        .order_by("pk")
    )


def reason_in_words(reason: str) -> str:
    """The words of a delivery's reason, without the code that a skip begins with."""
    code, _, words = reason.partition(": ")
    return words if code in SKIP_REASONS and words else reason


def reason_for(reason: str, user: naming.User) -> str:
    """The same before this user: a skip's own words may hold the person's data."""
    code = reason.partition(": ")[0]
    if code in SKIP_REASONS and not naming.may_see_people(user):
        return SKIP_REASONS[code]
    return naming.scrubbed(reason_in_words(reason), user)


def trigger_in_words(engagement: Engagement) -> str:
    """The trigger as a sentence without its full stop."""
    if engagement.listens:
        return listening.in_words(engagement)
    return schedule_sentence(engagement)
