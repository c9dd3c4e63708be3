"""A segment's people as a file: CSV or JSON Lines, written as it is read.

Keyset reads of the people in order: however many there are, some thousand are in memory.
Who enters or leaves meanwhile may be in it or not.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from segments import naming, spreadsheets
from segments.models import DictionaryEntry, Segment, stored

CHUNK = 2_000
# Attributes that are columns of a CSV; the others are left to JSON Lines.
MOST_COLUMNS = 200
OWN = ("external_id", "email", "phone", "in_since")

Row = Mapping[str, Any]
# (columns of attributes or None for all, rows) → lines
Write = Callable[[Segment, Iterator[Row]], Iterator[str]]


def write(segment: Segment, format: str, *, is_masked: bool) -> Iterator[str]:
    """Yield the file's text; `format` is one of FORMATS."""
    return FORMATS[format](segment, _rows(segment, is_masked=is_masked))


def _rows(segment: Segment, *, is_masked: bool) -> Iterator[Row]:
    """{"external_id", "email", "phone", "in_since", "attributes"} of each, by id."""
    shown = naming.shown_attributes() if is_masked else set()
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(READ, [segment.pk, last, CHUNK])
            found = cursor.fetchall()
        if not found:
            return
        last = found[-1][0]
        for _, *names, since, attributes in found:
            values = stored.read(attributes)
            if is_masked:
                names = [name and naming.masked(name) for name in names]
                values = naming.masked_values(values, shown)
            external_id, email, phone = names
            yield {
                "external_id": external_id,
                "email": email,
                "phone": phone,
                "in_since": since,
                "attributes": values,
            }


def _json_lines(segment: Segment, rows: Iterator[Row]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False) + "\n"


def _csv(segment: Segment, rows: Iterator[Row]) -> Iterator[str]:
    columns = _columns()
    yield spreadsheets.MARK + spreadsheets.line([*OWN, *columns])
    for row in rows:
        values = row["attributes"]
        own = [row["external_id"], row["email"], row["phone"], _cell(row["in_since"])]
        cells = [_cell(values.get(name)) for name in columns]
        yield spreadsheets.line([*(cell or "" for cell in own), *cells])


def _columns() -> Sequence[str]:
    """The attributes that most people have, by name."""
    kind = DictionaryEntry.Kind.ATTRIBUTE
    entries = DictionaryEntry.objects.filter(kind=kind).exclude(name__in=OWN)
    names = entries.order_by("-count").values_list("name", flat=True)
    return sorted(set(names[:MOST_COLUMNS]))


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return _json(value)
    if isinstance(value, int | float):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _json(value: dict[str, Any] | list[Any]) -> str:
    """JSON that an import reads back as it was, and a spreadsheet runs nothing of."""
    text = json.dumps(value, ensure_ascii=False)
    return text if spreadsheets.harmless(text) == text else text.translate(_IN_JSON)


# What separates cells is within texts alone, where JSON has another way to write it.
_IN_JSON = {ord(sign): rf"\u{ord(sign):04x}" for sign in ";\x85\u2028\u2029"}
FORMATS: Mapping[str, Write] = {"csv": _csv, "jsonl": _json_lines}
READ = """
SELECT p.id, p.external_id, p.email, p.phone, m.since, p.attributes::text
FROM segments_membership m JOIN segments_profile p ON p.id = m.profile_id
WHERE m.segment_id = %s AND m.profile_id > %s ORDER BY m.profile_id LIMIT %s
"""
