"""The rows of a file that did not come in, as a spreadsheet reads them."""

import json
from collections.abc import Iterator

from django.db.models import QuerySet

from segments import spreadsheets
from segments.identity.tombstones import REASON
from segments.imports import runner
from segments.models import Import, RefusedMessage

CHUNK = 2_000


def lines(imported: Import) -> Iterator[str]:
    """The heads, then a line for each bad row with its line in the file and why.

    After them what was read well and could not be applied, without its cells.
    """
    names = [column["name"] for column in imported.columns]
    yield spreadsheets.MARK + spreadsheets.line(("line", "reason", *names))
    rows = imported.bad_rows.order_by("line", "pk")
    for row in rows.iterator(chunk_size=CHUNK):
        cells = json.loads(row.cells)
        shown = [cell if isinstance(cell, str) else _as_text(cell) for cell in cells]
        yield spreadsheets.line((row.line, row.reason, *shown))
    prefix = runner.prefix_of(imported)
    for message in refused(imported).order_by("message_id").iterator(CHUNK):
        line = message.message_id.removeprefix(prefix).lstrip("0")
        yield spreadsheets.line((line, message.message))


def refused(imported: Import) -> QuerySet[RefusedMessage]:
    """Its messages that could not be applied."""
    return _not_applied(imported).exclude(code=REASON)


def erased(imported: Import) -> QuerySet[RefusedMessage]:
    """Its messages about people who were erased: nothing is kept of them."""
    return _not_applied(imported).filter(code=REASON)


def _not_applied(imported: Import) -> QuerySet[RefusedMessage]:
    return RefusedMessage.objects.filter(
        source=imported.source_id,
        at__gte=imported.started_at or imported.created_at,
        message_id__startswith=runner.prefix_of(imported),
    )


def _as_text(cell: object) -> str:
    return "" if cell is None else json.dumps(cell, ensure_ascii=False)
