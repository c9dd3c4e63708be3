"""What was sent to a person, and what the other side said, for their timeline."""

from collections.abc import Iterator
from itertools import islice

from django.urls import reverse

from engagements.models import Attempt, Delivery
from engagements.reporting import history, reports
from segments.models import Profile
from segments.naming import User, may_see_people
from segments.people import export
from segments.people.timeline import Before, Entry, Log, ids_of

CHUNK = 500


def _deliveries(
    person: Profile, user: User, before: Before | None, size: int
) -> Iterator[Entry]:
    found = Delivery.objects.filter(profile__in=ids_of(person))
    found = found.select_related("run__engagement")
    if before:
        found = found.filter(before.of("updated_at"))
    deliveries = list(found.order_by("-updated_at", "-pk")[:size])
    answers = history.last_answers(deliveries)
    for delivery in deliveries:
        yield Entry(
            at=delivery.updated_at,
            id=delivery.pk,
            title=str(delivery.run.engagement),
            url=reverse("admin:engagements_delivery_change", args=[delivery.pk]),
            badge=delivery.get_state_display(),
            tone=reports.TONES[delivery.state],
            details=_answer(delivery, answers.get(delivery.pk), user),
        )


def _answer(
    delivery: Delivery, attempt: Attempt | None, user: User
) -> tuple[tuple[str, str], ...]:
    reason = reports.reason_for(delivery.reason, user) if delivery.reason else ""
    if attempt is None:
        return (("reason", reason),) if reason else ()
    outcome = str(attempt.get_outcome_display())
    words = (attempt.message if may_see_people(user) else "") or outcome
    said = " ".join(filter(None, (str(attempt.status or ""), words)))
    return (("answer", said), *((("reason", reason),) if reason else ()))


def _exported(whole: export.Whole) -> export.Entries:
    """Each delivery with the last answer, for the person themselves."""
    found = Delivery.objects.filter(profile__in=whole.ids).order_by("updated_at", "pk")
    rows = found.select_related("run__engagement").iterator(CHUNK)
    while some := list(islice(rows, CHUNK)):
        answers = history.last_answers(some)
        for delivery in some:
            attempt = answers.get(delivery.pk)
            yield {
                "engagement": str(delivery.run.engagement),
                "at": delivery.updated_at,
                "state": delivery.get_state_display(),
                "reason": delivery.reason or None,
                "sent_at": attempt and attempt.started_at,
                "status": attempt and attempt.status,
                "answer": attempt and _words(attempt),
            }


def _words(attempt: Attempt) -> str:
    """What was answered; about several people no words of it, which may name others."""
    outcome = str(attempt.get_outcome_display())
    return (attempt.message or outcome) if attempt.item_count == 1 else outcome


EXPORTED = export.Section(name="deliveries", read=_exported)
DELIVERIES = Log(
    name="deliveries",
    label="What was sent",
    permission="engagements.view_delivery",
    read=_deliveries,
)
