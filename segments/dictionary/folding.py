"""From what chunks of messages told to the entries: many chunks at once.

A chunk costs one INSERT (NamesSeen); the tick adds them all to the entries, and whoever
applies a name that this process has not met yet does so at once.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import orjson
from django.db import connection, transaction

from segments.dictionary import writing
from segments.dictionary.observing import Key, Sighting

# Chunks that are added in one transaction.
PIECE = 1_000
# More names than that a process does not remember.
MOST_KNOWN = 50_000

_known: set[Key] = set()
_has_new = False
_kept = 0


def keep(seen: Mapping[Key, Sighting], mismatches: Mapping[Key, int]) -> None:
    """Keep what messages tell, in the transaction that applies them."""
    global _has_new, _kept
    if not seen and not mismatches:
        return
    lines = [
        [
            *key,
            one.count,
            [round(count) for count in one.types],
            sorted(one.sources),
            one.looks_personal,
        ]
        for key, one in seen.items()
    ]
    others = [[*key, count] for key, count in mismatches.items()]
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [orjson.dumps([lines, others]).decode()])
    _kept += 1
    if not _known.issuperset(seen):
        _has_new = True
        if len(_known) > MOST_KNOWN:
            _known.clear()
        _known.update(seen)


def add_new() -> None:
    """Add what was kept, where this process met a new name, or has kept very much."""
    global _has_new, _kept
    if _has_new or _kept >= PIECE:
        _has_new, _kept = False, 0
        add()


def add() -> None:
    """Add all that was kept to the entries."""
    while _add_a_piece() == PIECE:
        pass


@transaction.atomic
def _add_a_piece() -> int:
    """How many chunks were added; those that another process is at are left to it."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [PIECE])
        rows = sorted(cursor.fetchall())
    for _, of_a_day in groupby(rows, key=lambda row: row[0].astimezone(UTC).date()):
        _add(list(of_a_day))
    return len(rows)


def _add(rows: list[tuple[datetime, str]]) -> None:
    seen: dict[Key, Sighting] = {}
    mismatches: Counter[Key] = Counter()
    for _, body in rows:
        lines, others = orjson.loads(body)
        for line in lines:
            _merge(seen, line)
        for kind, event, name, count in others:
            mismatches[kind, event, name] += count
    first, last = rows[0][0].isoformat(), rows[-1][0].isoformat()
    writing.add(seen, first=first, last=last)
    writing.add_mismatches(mismatches)


def _merge(seen: dict[Key, Sighting], line: list[Any]) -> None:
    kind, event, name, count, types, sources, looks = line
    one = seen.setdefault((kind, event, name), Sighting())
    one.count += count
    one.types = [a + b for a, b in zip(one.types, types, strict=True)]
    one.sources.update(sources)
    one.looks_personal = one.looks_personal or looks


KEEP = "INSERT INTO segments_namesseen (body) VALUES (%s)"
TAKE = """
DELETE FROM segments_namesseen WHERE id = ANY(ARRAY(
    SELECT id FROM segments_namesseen ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
)) RETURNING at, body
"""
