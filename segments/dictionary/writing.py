"""Adding what was seen to the entries: one statement for names that are known.

A source brings no more names than its budget: whoever has the write key of a website, and
everybody has that, could else fill the table. What is beyond it is applied all the same,
and not listed.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from django.db import connection

from segments.dictionary import personal
from segments.dictionary.observing import ATTRIBUTE, EVENT, PROPERTY, Key, Sighting
from segments.dictionary.values import SIZE
from segments.models.copying import number_array, text_array

# So many names a source brings; of properties, for each event and for all.
MOST_ATTRIBUTES = 2_000
MOST_EVENTS = 1_000
MOST_PROPERTIES = 200
MOST_PROPERTIES_OF_ALL = 10_000


def add(
    seen: Mapping[Key, Sighting],
    *,
    is_estimated: bool = False,
    first: str | None = None,
    last: str | None = None,
) -> None:
    """Add to the entries, in the caller's transaction; what is new becomes one.

    `first`, `last`: when it came, as PostgreSQL reads times; None: now. Two who add wait
    for each other, until the transaction of the first is over.
    """
    if not seen:
        return
    keys = sorted(seen)
    with connection.cursor() as cursor:
        times = [is_estimated, first, last]
        cursor.execute(UPDATE, [LOCK, *_columns(keys, seen), *times])
        known = set(cursor.fetchall())
        new = [key for key in keys if key not in known]
        if new and (new := _within_budget(new, seen, known)):
            cursor.execute(INSERT, [*_columns(new, seen), *times])


def add_mismatches(counts: Mapping[Key, int]) -> None:
    """Count values of another type than the one that is expected."""
    if not counts:
        return
    keys = sorted(counts)
    with connection.cursor() as cursor:
        numbers = number_array(counts[key] for key in keys)
        cursor.execute(MISMATCHES, [LOCK, *_names(keys), numbers])


def full_budgets() -> list[tuple[int, str, str, int]]:
    """(source's id, kind, event, how many names) of those that take no more names.

    `event` is "" where it is all of a source's names of the kind.
    """
    with connection.cursor() as cursor:
        cursor.execute(FULL)
        counts = cursor.fetchall()
    return [
        (source, kind, event or "", count)
        for source, kind, event, count in counts
        if count >= (MOST_PROPERTIES_OF_ALL if event is None else BUDGET[kind])
        and (event is not None or kind == PROPERTY)
    ]


def _names(keys: Sequence[Key]) -> list[str]:
    return [text_array(key[n] for key in keys) for n in range(3)]


def _columns(keys: Sequence[Key], seen: Mapping[Key, Sighting]) -> list[str]:
    """The parameters of NEW."""
    sightings = [seen[key] for key in keys]
    return [
        *_names(keys),
        number_array(one.count for one in sightings),
        text_array(number_array(map(round, one.types)) for one in sightings),
        text_array(number_array(sorted(one.sources)) for one in sightings),
        text_array(
            (personal.by_name(key[2]) or one.looks_personal) if key[0] != EVENT else ""
            for key, one in zip(keys, sightings, strict=True)
        ),
    ]


def _within_budget(
    new: Sequence[Key], seen: Mapping[Key, Sighting], known: Collection[Key]
) -> list[Key]:
    """Those that their source may still bring, events before their properties."""
    listed = {name for kind, _, name in known if kind == EVENT}
    sources = sorted(set(chain.from_iterable(seen[key].sources for key in new)))
    with connection.cursor() as cursor:
        cursor.execute(USED, [number_array(sources)])
        used = {row[:3]: row[3] for row in cursor.fetchall()}
    kept: list[Key] = []
    for key in new:
        kind, event, _ = key
        source = min(seen[key].sources)
        own, whole = (source, kind, event), (source, kind, None)
        is_full = used.get(own, 0) >= BUDGET[kind]
        if kind == PROPERTY:
            is_full |= used.get(whole, 0) >= MOST_PROPERTIES_OF_ALL
            is_full |= event not in listed
        if not is_full:
            listed |= {key[2]} if kind == EVENT else set()
            used[own] = used.get(own, 0) + 1
            used[whole] = used.get(whole, 0) + 1
            kept.append(key)
    return kept


BUDGET = {ATTRIBUTE: MOST_ATTRIBUTES, EVENT: MOST_EVENTS, PROPERTY: MOST_PROPERTIES}
# pg_advisory_xact_lock's key: any number that nothing else here uses. Rows are changed in
# no order, so that two who write would wait for each other for ever.
LOCK = 0x5E69_D1C7

_COUNTS = (
    "SELECT coalesce(source_id, 0), kind, event, count(*) FROM segments_dictionaryentry"
)
_BY_BUDGET = "GROUP BY GROUPING SETS ((source_id, kind, event), (source_id, kind))"
USED = (
    f"{_COUNTS} WHERE source_id = ANY(%s::bigint[]) OR source_id IS NULL {_BY_BUDGET}"
)
FULL = f"{_COUNTS} {_BY_BUDGET}"
# No row of a join comes before the lock is held.
_HELD = "(SELECT pg_advisory_xact_lock(%s) OFFSET 0) held"
_NEW = """
unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[],
    %s::text[]) AS new (kind, event, name, count, types, sources, looks)
CROSS JOIN LATERAL (SELECT new.types::bigint[] AS types) t
CROSS JOIN (
    SELECT is_estimated, coalesce(first, now) AS first, coalesce(last, now) AS last
    FROM (VALUES (
        %s::boolean, date_trunc('minute', %s::timestamptz),
        date_trunc('minute', %s::timestamptz), date_trunc('minute', clock_timestamp())
    )) given (is_estimated, first, last, now)
) w
"""
_SOURCES = """
(SELECT coalesce(jsonb_object_agg(id, to_char(w.last AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI"Z"')), '{}') FROM unnest(new.sources::bigint[]) id)
"""


def _sum(left: str, right: str) -> str:
    parts = (f"{left}[{n}] + {right}[{n}]" for n in range(1, SIZE + 1))
    return f"ARRAY[{', '.join(parts)}]"


_NONE = f"array_fill(0::bigint, ARRAY[{SIZE}])"
_DAY = "(w.last AT TIME ZONE 'UTC')::date"
UPDATE = f"""
UPDATE segments_dictionaryentry e SET
    count = e.count + new.count,
    is_count_estimated = e.is_count_estimated OR w.is_estimated,
    types = {_sum("e.types", "t.types")},
    day = greatest(e.day, {_DAY}),
    day_types = CASE
        WHEN e.day = {_DAY} THEN {_sum("e.day_types", "t.types")}
        WHEN e.day > {_DAY} THEN e.day_types
        ELSE t.types END,
    day_before_types = CASE
        WHEN e.day >= {_DAY} THEN e.day_before_types
        WHEN e.day = {_DAY} - 1 THEN e.day_types
        ELSE {_NONE} END,
    sources = CASE WHEN w.last >= e.last_seen
        THEN e.sources || {_SOURCES} ELSE {_SOURCES} || e.sources END,
    first_seen = least(e.first_seen, w.first),
    last_seen = greatest(e.last_seen, w.last),
    looks_personal =
        CASE e.looks_personal WHEN '' THEN new.looks ELSE e.looks_personal END
FROM {_HELD}, {_NEW}
WHERE (e.kind, e.event, e.name) = (new.kind, new.event, new.name)
RETURNING e.kind, e.event, e.name
"""
INSERT = f"""
INSERT INTO segments_dictionaryentry (kind, event, name, count, types, sources,
    looks_personal, source_id, is_count_estimated, day, day_types, day_before_types,
    first_seen, last_seen)
SELECT new.kind, new.event, new.name, new.count, t.types, {_SOURCES}, new.looks,
    (SELECT min(id) FROM segments_source
     WHERE id = ANY(new.sources::bigint[])), w.is_estimated, {_DAY}, t.types, {_NONE},
    w.first, w.last
FROM {_NEW}
"""
MISMATCHES = f"""
UPDATE segments_dictionaryentry e SET
    mismatches = e.mismatches + new.count, mismatched_at = clock_timestamp()
FROM {_HELD}, unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])
    AS new (kind, event, name, count)
WHERE (e.kind, e.event, e.name) = (new.kind, new.event, new.name)
"""
