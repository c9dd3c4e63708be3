"""Deliveries as a spreadsheet reads them: one line after the other, never all at once."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils import timezone

from engagements.models import Delivery
from engagements.reporting import reports
from engagements.variants import plan
from segments import naming, spreadsheets
from segments.models import Profile

# Of a person, for who may see people; and for who may not.
PERSON_HEADS = ("external ID", "e-mail", "phone")
NUMBER_HEADS = ("person",)
HEADS = (
    "engagement",
    "run",
    "state",
    "reason",
    "variant",
    "changed at",
)
CHUNK = 2_000


def lines(deliveries: QuerySet[Delivery], user: naming.User) -> Iterator[str]:
    """The heads, then a line for each delivery, in the order of the query."""
    may_see = naming.may_see_people(user)
    who = PERSON_HEADS if may_see else NUMBER_HEADS
    yield spreadsheets.MARK + spreadsheets.line(("delivery", *who, *HEADS))
    rows = deliveries.select_related("profile__merged_into", "run__engagement")
    for delivery in rows.iterator(chunk_size=CHUNK):
        person = delivery.person
        named = _identifiers(person) if may_see else (naming.called(person, user),)
        yield spreadsheets.line((delivery.pk, *named, *_row(delivery, user)))


def _identifiers(person: Profile | None) -> tuple[str, str, str]:
    if person is None:
        return "", "", ""
    return person.external_id or "", person.email, person.phone


def _row(delivery: Delivery, user: naming.User) -> tuple[object, ...]:
    is_open = naming.may_see_people(user)
    return (
        delivery.run.engagement,
        timezone.localtime(delivery.run.scheduled_for).isoformat(),
        delivery.get_state_display(),
        delivery.reason if is_open else reports.reason_for(delivery.reason, user),
        plan.of(delivery.run).name(delivery.variant),
        timezone.localtime(delivery.updated_at).isoformat(),
    )
