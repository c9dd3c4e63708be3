"""The dictionary of what was stored before it was there: read in pieces, by id.

The migration says up to where (DictionaryBuild): what came later is counted as it is
applied. Of a large table every so manieth piece is read, and stands for all of them. A
piece is read and its place moved on in one transaction, so that none is counted twice.
"""

import time
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now

from lemnisk_braze.lib.logs import get_logger
from segments.dictionary import writing
from segments.dictionary.observing import Sightings
from segments.dictionary.values import SIZE
from segments.models import (
    DictionaryBuild,
    DictionaryEntry,
    Event,
    NamesSeen,
    Profile,
    stored,
)

logger = get_logger(__name__)

Table = DictionaryBuild.Table
PIECE = 2_000
# So many pieces of a table are read.
MOST_PIECES = 500
SECONDS = 5.0


def go_on(seconds: float = SECONDS) -> bool:
    """Read on for a moment; whether something remains."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not _read_a_piece():
            return False
    return is_going_on()


def is_going_on() -> bool:
    return DictionaryBuild.objects.filter(finished_at=None).exists()


@transaction.atomic
def start_anew() -> None:
    """Count everything from the beginning; what people said of names stays.

    Take the inbox's lock before: what is applied meanwhile would be counted twice.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [writing.LOCK])
    none = [0] * SIZE
    DictionaryEntry.objects.update(
        count=0,
        is_count_estimated=False,
        types=none,
        day=None,
        day_types=none,
        day_before_types=none,
    )
    DictionaryBuild.objects.all().delete()
    NamesSeen.objects.all().delete()
    for table, model in ((Table.PEOPLE, Profile), (Table.EVENTS, Event)):
        last = model._default_manager.aggregate(last=Max("pk"))["last"]
        if last:
            DictionaryBuild.objects.create(
                table=table, until_id=last, every=every(last)
            )


def every(last_id: int) -> int:
    """Which piece of a table with ids up to this one is read: every so manieth."""
    return max(1, -(-last_id // (PIECE * MOST_PIECES)))


class Row(NamedTuple):
    """What was said of somebody between two times; `event` is "" of attributes."""

    day: date
    first: str
    last: str
    source_id: int
    event: str
    said: dict[str, Any]


@transaction.atomic
def _read_a_piece() -> bool:
    """False where nothing is left, or another process is at it."""
    waiting = DictionaryBuild.objects.filter(finished_at=None).order_by("-table")
    build = waiting.select_for_update(skip_locked=True).first()
    if build is None:
        return False
    until = min(build.next_id + PIECE, build.until_id)
    rows = _rows(build.table, build.next_id, until)
    for _, of_a_day in groupby(rows, key=lambda row: row.day):
        seen, told = Sightings(), list(of_a_day)
        for row in told:
            seen.add(row.source_id, row.event, row.said)
        build.rows += len(told)
        writing.add(
            seen.count(build.every),
            is_estimated=build.every > 1,
            first=min(row.first for row in told),
            last=told[-1].last,
        )
    build.next_id += PIECE * build.every
    if build.next_id >= build.until_id:
        build.finished_at = Now()
        logger.info("dictionary.built", table=build.table, rows=build.rows)
    build.save()
    return True


def _rows(table: str, after: int, until: int) -> Iterator[Row]:
    """By days, so that it is known on which a name came first, and last."""
    with connection.cursor() as cursor:
        cursor.execute(EVENTS if table == Table.EVENTS else PEOPLE, [after, until])
        for *columns, text in cursor.fetchall():
            said = stored.read(text)
            if isinstance(said, dict):
                yield Row._make([*columns, said])


EVENTS = """
SELECT received_at::date, received_at::text, received_at::text, source_id, name,
    properties::text
FROM segments_event WHERE id > %s AND id <= %s ORDER BY segments_event.received_at
"""
# The source that said most of a person; 0 where nobody wrote that down.
PEOPLE = """
SELECT updated_at::date, created_at::text, updated_at::text,
    coalesce((attribute_times -> '' ->> 2)::bigint, 0), '',
    (CASE jsonb_typeof(attributes) WHEN 'object' THEN attributes ELSE '{}' END
        || CASE email WHEN '' THEN '{}' ELSE jsonb_build_object('email', email) END
        || CASE phone WHEN '' THEN '{}' ELSE jsonb_build_object('phone', phone) END
    )::text
FROM segments_profile WHERE merged_into_id IS NULL AND id > %s AND id <= %s
ORDER BY segments_profile.updated_at
"""
