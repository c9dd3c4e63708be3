"""The rows of an upload that came to nothing, as a spreadsheet reads them."""

from collections.abc import Iterator

from django.db.models import QuerySet

from segments import spreadsheets
from segments.models import ListLine, ListUpload

Kind = ListLine.Kind
CHUNK = 2_000
# Whoever uploaded it wants to know of these.
UNMATCHED = (Kind.UNKNOWN, Kind.REFUSED, Kind.BLANK, Kind.TWICE)


def unmatched(upload: ListUpload) -> QuerySet[ListLine]:
    """Its rows that nobody is found by, in order."""
    return upload.lines.filter(kind__in=UNMATCHED).order_by("line", "pk")


def lines(upload: ListUpload) -> Iterator[str]:
    """The heads, then a line for each such row."""
    yield spreadsheets.MARK + spreadsheets.line(("line", "identifier", "why"))
    for row in unmatched(upload).iterator(chunk_size=CHUNK):
        why = row.reason or Kind(row.kind).label
        yield spreadsheets.line((row.line, row.value, why))
