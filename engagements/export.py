"""Deliveries as a spreadsheet reads them: one line after the other, never all at once."""

import csv
import re
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
# What a spreadsheet takes for the begin of a formula (OWASP, CSV injection): also
# behind what it does not show or trims, as full-width signs, and after what separates
# cells where a comma does not.
_FORMULA = re.compile(
    r"(^|\r\n|[;\t\n\v\f\r\x85\u2028\u2029])"
    r"(?=[\s\"\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u202a-\u202f\u205f-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
    r"\ufff0-\ufffb]*[=+\-@\u2212\ufe62-\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20])"
)
_HIDDEN_BEGIN = ("\t", "\r", "\n")
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
        (profile and profile.external_id) or "",
        profile.email if profile else "",
        profile.phone if profile else "",
        delivery.run.engagement,
        timezone.localtime(delivery.run.scheduled_for).isoformat(),
        delivery.get_state_display(),
        delivery.reason,
        timezone.localtime(delivery.updated_at).isoformat(),
    )


def harmless(value: object) -> str:
    """The value as a text that no spreadsheet runs: `=1+1` becomes `'=1+1`."""
    text = str(value).replace("\0", "")
    safe = _FORMULA.sub(r"\1'", text)
    is_bare = text.startswith(_HIDDEN_BEGIN) and not safe.startswith("'")
    return f"'{safe}" if is_bare else safe
