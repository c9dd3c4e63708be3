"""The rows of a file that did not come in, as a spreadsheet reads them."""

import json
from collections.abc import Iterator, Sequence

from django.db.models import Q, QuerySet

from segments import spreadsheets
from segments.identity.tombstones import REASON
from segments.imports import runner
from segments.imports.mapping.messages import MESSAGE_ID, Plan
from segments.models import Import, RefusedMessage

CHUNK = 2_000


def lines(imported: Import) -> Iterator[str]:
    """The heads, then a line for each bad row with its line in the file and why.

    After them what was read well and could not be applied, without its cells; of one
    with an ID of its own that, and no line.
    """
    names = [column["name"] for column in imported.columns]
    yield spreadsheets.MARK + spreadsheets.line(("line", "reason", *names))
    rows = imported.bad_rows.order_by("line", "pk")
    for row in rows.iterator(chunk_size=CHUNK):
        cells = json.loads(row.cells)
        shown = [cell if isinstance(cell, str) else _as_text(cell) for cell in cells]
        yield spreadsheets.line((row.line, row.reason, *shown))
    for message in refused(imported).order_by("message_id", "pk").iterator(CHUNK):
        yield spreadsheets.line(_not_applied_line(imported, message))


def refused(imported: Import) -> QuerySet[RefusedMessage]:
    """Its messages that could not be applied."""
    return _not_applied(imported).exclude(code=REASON)


def erased(imported: Import) -> QuerySet[RefusedMessage]:
    """Its messages about people who were erased: nothing is kept of them."""
    return _not_applied(imported).filter(code=REASON)


def _not_applied(imported: Import) -> QuerySet[RefusedMessage]:
    # By its ID alone: of one that a process of version 0.1.0 took in or applied.
    is_its = Q(import_id=imported.pk) | Q(
        message_id__startswith=runner.prefix_of(imported)
    )
    return RefusedMessage.objects.filter(
        is_its,
        source=imported.source_id,
        at__gte=imported.started_at or imported.created_at,
        replayed_at=None,
    )


def _not_applied_line(imported: Import, message: RefusedMessage) -> Sequence[object]:
    prefix = runner.prefix_of(imported)
    if message.message_id.startswith(prefix):
        line = message.message_id.removeprefix(prefix).lstrip("0")
        return line, message.message
    uses = Plan.from_json(imported.plan).columns
    cells = [message.message_id if use.to == MESSAGE_ID else "" for use in uses]
    return "", message.message, *cells


def _as_text(cell: object) -> str:
    return "" if cell is None else json.dumps(cell, ensure_ascii=False)
