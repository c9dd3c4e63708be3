"""Deliveries as a spreadsheet reads them: one line after the other, never all at once."""

import csv
from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils import timezone

from engagements.models import Delivery

HEADS = (
    "delivery",
    "external ID",
    "e-mail",
    "phone",
    "engagement",
    "run",
    "state",
    "reason",
    "changed at",
)
# What a spreadsheet takes for the begin of a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")
CHUNK = 2_000


class _Line:
    """What csv writes to: it hands each line on."""

    def write(self, line: str) -> str:
        return line


def lines(deliveries: QuerySet[Delivery]) -> Iterator[str]:
    """The heads, then a line for each delivery, in the order of the query."""
    writer = csv.writer(_Line())
    # The mark by which spreadsheets know UTF-8.
    yield "\ufeff" + writer.writerow(HEADS)
    rows = deliveries.select_related("profile", "run__engagement")
    for delivery in rows.iterator(chunk_size=CHUNK):
        yield writer.writerow(map(harmless, _row(delivery)))


def _row(delivery: Delivery) -> tuple[object, ...]:
    profile = delivery.profile
    return (
        delivery.pk,
        profile.external_id or "",
        profile.email,
        profile.phone,
        delivery.run.engagement,
        timezone.localtime(delivery.run.scheduled_for).isoformat(),
        delivery.get_state_display(),
        delivery.reason,
        timezone.localtime(delivery.updated_at).isoformat(),
    )


def harmless(value: object) -> str:
    """The value as a text that no spreadsheet runs: `=1+1` becomes `'=1+1`."""
    text = str(value).replace("\0", "")
    return f"'{text}" if text.startswith(FORMULA) else text
