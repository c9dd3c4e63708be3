"""What was sent to a person, and what the other side said, for their timeline."""

from collections.abc import Iterator

from django.db.models import Q
from django.urls import reverse

from engagements.models import Attempt, Delivery
from engagements.reporting import history, reports
from segments.models import Profile
from segments.naming import User
from segments.people.timeline import Before, Entry, Log


def _deliveries(
    person: Profile, user: User, before: Before | None, size: int
) -> Iterator[Entry]:
    whose = Q(profile=person) | Q(profile__merged_into=person)
    found = Delivery.objects.filter(whose).select_related("run__engagement")
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
    words = attempt.message or attempt.get_outcome_display()
    said = " ".join(filter(None, (str(attempt.status or ""), words)))
    return (("answer", said), *((("reason", reason),) if reason else ()))


DELIVERIES = Log(
    name="deliveries",
    label="What was sent",
    permission="engagements.view_delivery",
    read=_deliveries,
)
