"""Deliveries as a spreadsheet reads them: one line after the other, never all at once."""

import csv
import re
from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils import timezone

from engagements.models import Delivery
from engagements.reporting import reports
from segments import naming
from segments.models import Profile

# Of a person, for who may see people; and for who may not.
PERSON_HEADS = ("external ID", "e-mail", "phone")
NUMBER_HEADS = ("person",)
HEADS = (
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


def lines(deliveries: QuerySet[Delivery], user: naming.User) -> Iterator[str]:
    """The heads, then a line for each delivery, in the order of the query."""
    writer = csv.writer(_Line())
    # The mark by which spreadsheets know UTF-8.
    may_see = naming.may_see_people(user)
    who = PERSON_HEADS if may_see else NUMBER_HEADS
    yield "\ufeff" + writer.writerow(("delivery", *who, *HEADS))
    rows = deliveries.select_related("profile", "run__engagement")
    for delivery in rows.iterator(chunk_size=CHUNK):
        person = delivery.profile
        named = _identifiers(person) if may_see else (naming.called(person, user),)
        row = (delivery.pk, *named, *_row(delivery, user))
        yield writer.writerow(map(harmless, row))


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
        timezone.localtime(delivery.updated_at).isoformat(),
    )


def harmless(value: object) -> str:
    """The value as a text that no spreadsheet runs: `=1+1` becomes `'=1+1`."""
    text = str(value).replace("\0", "")
    safe = _FORMULA.sub(r"\1'", text)
    is_bare = text.startswith(_HIDDEN_BEGIN) and not safe.startswith("'")
    return f"'{safe}" if is_bare else safe
