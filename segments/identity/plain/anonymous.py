"""Whose the identifiers of anonymous people's calls are: their own, nobody's, or others'.

An anonymous person is joined to whoever the same was said of. So their call is plain
only where all that it says was said of nobody else, ever.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from django.db import connection

from segments.identity.calls import CONTACTS, Key
from segments.identity.plain.choosing import PlainCall
from segments.models.copying import text_array

# (id of the row, whether it is that one's own) of some of whom it was said.
Said: TypeAlias = list[tuple[int, bool]]
# In the place of the row of a known person, one that is one with others, or where
# somebody undid what it joins.
NOT_PLAIN = 0


def owners(calls: Collection[PlainCall]) -> dict[Key, int | None]:
    """By subject the id of the row that it is the own of: 0 where it is new.

    None where the call is not plain: what it says was said of somebody else, too, or
    the row is one with others.
    """
    if not calls:
        return {}
    said = _said_of({key for call in calls for key in call.keys})
    found = {call.subject: _owner(call, said) for call in calls}
    times = Counter(found.values())
    return {
        key: row if not row or times[row] == 1 else None for key, row in found.items()
    }


def _owner(call: PlainCall, said: Mapping[Key, Said]) -> int | None:
    of = {row for key in call.keys for row, _ in said[key]}
    if not of:
        return 0
    own = {row for row, is_own in said[call.subject] if is_own}
    return own.pop() if len(of) == 1 and own == of and NOT_PLAIN not in of else None


def _said_of(keys: Iterable[Key]) -> dict[Key, Said]:
    """Of whom each was said; of two at least, where there are so many."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, value in keys:
        by_kind[kind].append(value)
    found: dict[Key, Said] = defaultdict(list)
    with connection.cursor() as cursor:
        for kind, values in by_kind.items():
            statement = FACTS + (COLUMN.format(kind=kind) if kind in CONTACTS else "")
            cursor.execute(statement, {"kind": kind, "values": text_array(values)})
            for value, row, is_own in cursor.fetchall():
                found[kind, value].append((row, is_own))
    return found


FACTS = """
SELECT v.value, f.row, f.is_own FROM unnest(%(values)s::text[]) v (value)
CROSS JOIN LATERAL (
    SELECT CASE WHEN i.is_void OR p.external_id IS NOT NULL
            OR p.merged_into_id IS NOT NULL OR p.own IS NOT NULL
        THEN 0 ELSE p.id END AS row, i.is_own
    FROM segments_identifier i JOIN segments_profile p ON p.id = i.profile_id
    WHERE i.kind = %(kind)s AND i.value = v.value LIMIT 2
) f
"""
COLUMN = """
UNION ALL
SELECT v.value, p.id, false FROM unnest(%(values)s::text[]) v (value)
CROSS JOIN LATERAL (
    SELECT id FROM segments_profile
    WHERE {kind} = v.value AND {kind} <> '' LIMIT 2
) p
"""
