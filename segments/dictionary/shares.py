"""How many people have an attribute, or did an event: asked of a sample, now and then.

The numbers of messages are counted as they come (observing); people are not, since it
would take a look at who has what already. Where there are more people than are asked,
the share is an estimate, and its entry says so.
"""

from collections.abc import Mapping

from django.db import connection, transaction
from django.db.models.functions import Now

from segments.dictionary.observing import ATTRIBUTE, EVENT
from segments.models import DictionaryEntry
from segments.models.copying import number_array

# So many people are asked; for what they did, which costs more, so many of them.
MOST_PEOPLE = 10_000
MOST_DOERS = 2_000
EVERY = "15 minutes"
# New names are not kept waiting for so long.
NEW_EVERY = "1 minute"
PIECE = 200


def refresh_due() -> bool:
    """Ask anew where that is due; whether it was."""
    with connection.cursor() as cursor:
        cursor.execute(IS_DUE, [EVERY, NEW_EVERY])
        is_due = bool(cursor.fetchone()[0])
    if is_due:
        refresh()
    return is_due


def refresh() -> None:
    """Ask a sample of people which attributes they have, and what they did."""
    with connection.cursor() as cursor:
        cursor.execute(HOW_MANY, [MOST_PEOPLE + 1, MOST_PEOPLE])
        part = 100.0 * MOST_PEOPLE / max(cursor.fetchone()[0], 1)
        sample = f"TABLESAMPLE SYSTEM ({part:.6f})" if part < 100 else ""
        cursor.execute(ASKED.format(sample=sample), [2 * MOST_PEOPLE])
        asked = [id for (id,) in cursor.fetchall()]
        cursor.execute(HAVE, [number_array(asked)])
        have = dict(cursor.fetchall())
        # Every so manieth: those in a row came on one day.
        doers = asked[:: -(-len(asked) // MOST_DOERS) or 1]
        cursor.execute(DID, [number_array(doers)])
        did = dict(cursor.fetchall())
    is_estimated = part < 100 or len(asked) == 2 * MOST_PEOPLE
    _write(ATTRIBUTE, have, len(asked), is_estimated=is_estimated)
    _write(EVENT, did, len(doers), is_estimated=is_estimated or len(doers) < len(asked))


def _write(
    kind: str, people: Mapping[str, int], asked: int, *, is_estimated: bool
) -> None:
    """In pieces, past the rows that somebody else is at: those have the next turn."""
    entries = DictionaryEntry.objects.filter(kind=kind).order_by("pk")
    ids = list(entries.values_list("pk", flat=True))
    for first in range(0, len(ids), PIECE):
        with transaction.atomic():
            piece = entries.filter(pk__in=ids[first : first + PIECE])
            rows = list(piece.only("name").select_for_update(skip_locked=True))
            for row in rows:
                row.people, row.people_asked = people.get(row.name, 0), asked
                row.is_share_estimated = is_estimated
                row.asked_at = Now()
            DictionaryEntry.objects.bulk_update(rows, WRITTEN)


WRITTEN = ["people", "people_asked", "is_share_estimated", "asked_at"]
IS_DUE = """
SELECT count(*) FILTER (WHERE asked_at < now() - %s::interval) > 0
    OR (count(*) FILTER (WHERE asked_at IS NULL) > 0
        AND coalesce(max(asked_at), '-infinity') < now() - %s::interval)
FROM segments_dictionaryentry WHERE kind <> 'property'
"""
# Few are counted: a table that was large has a size, and statistics, of what is gone.
# Otherwise what autovacuum knows; of a table that it has not seen yet, by its size.
HOW_MANY = """
WITH few AS (SELECT count(*) AS n FROM (SELECT FROM segments_profile LIMIT %s) p)
SELECT CASE WHEN n <= %s THEN n
    WHEN reltuples >= 0 THEN reltuples ELSE pg_relation_size(oid) / 500 END
FROM pg_class, few WHERE oid = 'segments_profile'::regclass
"""
ASKED = """
SELECT id FROM segments_profile {sample} WHERE merged_into_id IS NULL LIMIT %s
"""
HAVE = """
SELECT name, count(*) FROM segments_profile p CROSS JOIN LATERAL (
    SELECT jsonb_object_keys(p.attributes) WHERE jsonb_typeof(p.attributes) = 'object'
    UNION SELECT 'email' WHERE p.email <> ''
    UNION SELECT 'phone' WHERE p.phone <> ''
) n (name)
WHERE p.id = ANY(%s::bigint[]) GROUP BY name
"""
DID = """
SELECT name, count(DISTINCT profile_id) FROM segments_event
WHERE profile_id = ANY(%s::bigint[]) GROUP BY name
"""
