"""Lists that name somebody who is erased, and what is said of somebody in an export."""

import mmap
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import connection

from segments.identity.calls import Key
from segments.imports import storing
from segments.imports.reading.rows import FileError
from segments.lists import reading
from segments.models import ListEntry, ListLine, ListUpload
from segments.people.export import Section, Whole
from segments.privacy.naming import Named
from segments.privacy.places import LaterError, Place, rewritten

State = ListUpload.State
GONE = (
    "Somebody in this file was erased, and the file with them. Upload it again: what it"
    " says of them is kept out."
)


def _forget_files(named: Named) -> int:
    """Delete the files that name them, or may; LaterError where one is being read."""
    count, later = 0, []
    for upload in ListUpload.objects.exclude(path="").order_by("pk"):
        if not _names(upload, named):
            continue
        if upload.state == State.READING:
            later.append(f"“{upload}” is still being read.")
            continue
        storing.drop(upload)
        ListUpload.objects.filter(pk=upload.pk).update(
            path="",
            state=State.FAILED,
            problem=GONE,
            format=reading.without_columns(upload),
        )
        count += 1
    if later:
        raise LaterError(" ".join(later))
    return count


def _names(upload: ListUpload, named: Named) -> bool:
    if named.scan is None or not upload.bytes:
        return False
    if upload.format.get("kind") == "parquet":
        # What is compressed cannot be searched.
        return True
    try:
        with (
            storing.stream_of(upload) as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text,
        ):
            return named.scan.search(text) is not None
    except FileError:
        # It is not there any more.
        return False


def _forget_entries(named: Named) -> int:
    """Delete what lists and their uploads have of them, and shorten the lists.

    Whoever writes such a list has ended: what they wrote is found.
    """
    kinds, values = _columns(named.keys)
    with connection.cursor() as cursor:
        cursor.execute(HOLD, [kinds])
        cursor.execute(FORGET, [kinds, values])
        gone = int(cursor.fetchone()[0])
        cursor.execute(FORGET_LINES, [kinds, values, [v for _, v in named.keys]])
        return gone + int(cursor.rowcount)


def _lists(whole: Whole) -> Iterable[Mapping[str, Any]]:
    """The lists that they are on, and by which identifier."""
    with connection.cursor() as cursor:
        cursor.execute(ON, _columns(whole.named.keys))
        rows = cursor.fetchall()
    for name, kind, value in rows:
        yield {"list": name, "identifier": kind, "value": value}


def _columns(keys: Collection[Key]) -> tuple[list[str], list[str]]:
    return [kind for kind, _ in keys], [value for _, value in keys]


HOLD = """
SELECT FROM segments_uploadedlist WHERE kind = ANY(%s::text[]) ORDER BY id FOR UPDATE
"""
FORGET = """
WITH gone AS (
    DELETE FROM segments_listentry e USING segments_uploadedlist l,
        unnest(%s::text[], %s::text[]) k (kind, value)
    WHERE e.of_id = l.id AND l.kind = k.kind AND e.value = k.value RETURNING e.of_id
),
counted AS (SELECT of_id, count(*) AS n FROM gone GROUP BY of_id),
sized AS (
    UPDATE segments_uploadedlist l SET size = l.size - n FROM counted
    WHERE l.id = counted.of_id
)
SELECT count(*) FROM gone
"""
# By the list's kind, and what was refused by its text alone.
FORGET_LINES = """
DELETE FROM segments_listline WHERE id IN (
    SELECT i.id FROM segments_listline i
    JOIN segments_listupload u ON u.id = i.upload_id
    JOIN segments_uploadedlist l ON l.id = u.of_id
    JOIN unnest(%s::text[], %s::text[]) k (kind, value)
        ON l.kind = k.kind AND i.value = k.value
    UNION
    SELECT id FROM segments_listline
    WHERE kind = 'refused' AND lower(value) IN (SELECT lower(unnest(%s::text[])))
)
"""
ON = """
SELECT l.name, l.kind, e.value
FROM unnest(%s::text[], %s::text[]) k (kind, value)
JOIN segments_uploadedlist l ON l.kind = k.kind
JOIN segments_listentry e ON e.of_id = l.id AND e.value = k.value
ORDER BY l.name, e.value
"""
PLACES = (
    Place(label="files of lists", columns={}, forget=_forget_files),
    Place(
        label="identifiers on lists",
        columns={ListEntry: ["value"], ListLine: ["value", "reason"]},
        forget=_forget_entries,
    ),
    rewritten(ListUpload, "problems of lists", "problem"),
)
SECTION = Section(name="lists", read=_lists)
