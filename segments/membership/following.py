"""Memberships follow people who become one, or are split off again.

To be recognised is not to enter, nor to leave: a membership goes on with the person
whom its own has become part of, with its time and its event. Where both were in, one is
left, and of the other an exit is logged that says so. Who is split off from somebody who is in stays
in where the rule takes them in, and the log says nothing of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from django.db import connection

from segments.identity.people import Moved
from segments.membership.moves import Move, listed
from segments.models.copying import number_array

# Who was split off → those whom they were shown as.
Heirs: TypeAlias = Mapping[int, frozenset[int]]


def follow(moved: Iterable[Moved]) -> Heirs:
    """Let memberships go where these people went, in the transaction that writes them.

    Return who was split off: they may stay in (`inherit`).
    """
    moved = list(moved)
    joined = {one.source: one.target for one in moved if one.is_whole}
    if joined:
        with connection.cursor() as cursor:
            cursor.execute(LOCK)
            sources, targets = number_array(joined), number_array(joined.values())
            cursor.execute(JOIN, [sources, targets])
            cursor.execute(TOUCH, [number_array([*joined, *joined.values()])])
    heirs: dict[int, frozenset[int]] = {}
    for one in moved:
        if one.source not in joined:
            heirs[one.target] = heirs.get(one.target, frozenset()) | {one.source}
    return heirs


def inherit(found: Sequence[Move], heirs: Heirs) -> list[Move]:
    """Let who was split off stay in, silently; return the moves that are left.

    Whose membership went over whole, and who is not taken in any more, leaves silently
    too: somebody is in for them.
    """
    sources = sorted(set().union(*heirs.values()))
    with connection.cursor() as cursor:
        cursor.execute(MEMBERS, [sources])
        members = set(cursor.fetchall())
        copied: list[tuple[int, int, int]] = []
        left: list[Move] = []
        for move in found:
            entering, leaving = _ids(move.entering), _ids(move.leaving)
            given: set[int] = set()
            for person in sorted(entering & heirs.keys()):
                was = [s for s in heirs[person] if (move.segment_id, s) in members]
                if was:
                    copied.append((move.segment_id, min(was), person))
                    entering.discard(person)
                    given.update(set(was[:1]) & leaving)
            # Only the exits that nobody is in for are left, and are logged.
            if given:
                copied += ((move.segment_id, source, 0) for source in sorted(given))
                leaving -= given
            left.append(
                replace(
                    move,
                    entering=listed(sorted(entering)),
                    leaving=listed(sorted(leaving)),
                )
            )
        if copied:
            cursor.execute(
                INHERIT, [list(column) for column in zip(*copied, strict=True)]
            )
        cursor.execute(UNNAME, [sources])
    return left


def _ids(listed_ids: str) -> set[int]:
    return set(map(int, listed_ids.split(","))) if listed_ids else set()


LOCK = "SELECT FROM segments_segment ORDER BY id FOR NO KEY UPDATE"
# Of several who become one the earliest membership is kept.
JOIN = """
WITH joined AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) j (part, person)),
went AS (
    DELETE FROM segments_membership m USING joined j WHERE m.profile_id = j.part
    RETURNING m.segment_id, j.part, j.person, m.since, m.event_id
),
first AS (
    SELECT DISTINCT ON (segment_id, person) * FROM went
    ORDER BY segment_id, person, since, part
),
came AS (
    INSERT INTO segments_membership AS m (segment_id, profile_id, since, event_id)
    SELECT segment_id, person, since, event_id FROM first
    ON CONFLICT (segment_id, profile_id) DO UPDATE
    SET since = least(m.since, excluded.since),
        event_id = CASE WHEN excluded.since < m.since THEN excluded.event_id
            ELSE m.event_id END
    RETURNING m.segment_id, m.profile_id, xmax = 0 AS is_new
),
gone AS (
    SELECT w.segment_id, w.part FROM went w
    JOIN first f ON f.segment_id = w.segment_id AND f.person = w.person
    JOIN came c ON c.segment_id = w.segment_id AND c.profile_id = w.person
    WHERE NOT (c.is_new AND f.part = w.part)
),
logged AS (
    INSERT INTO segments_transition (segment_id, profile_id, kind, is_by_merge)
    SELECT segment_id, part, 'exit', true FROM gone ORDER BY part, segment_id
)
UPDATE segments_segment s SET size = greatest(s.size - n.fewer, 0)
FROM (SELECT segment_id, count(*) AS fewer FROM gone GROUP BY segment_id) n
WHERE s.id = n.segment_id
"""
# A count that is at work has read them as they were.
TOUCH = """
INSERT INTO segments_touched (segment_id, profile_id)
SELECT s.id, person FROM segments_segment s, unnest(%s::bigint[]) person
WHERE s.counting_until IS NOT NULL
ON CONFLICT DO NOTHING
"""
MEMBERS = """
SELECT segment_id, profile_id FROM segments_membership WHERE profile_id = ANY(%s::bigint[])
"""
# To 0: nobody. An event goes along with whose it is now.
INHERIT = """
WITH heirs AS (
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
    h (segment_id, source, person)
),
copied AS (
    INSERT INTO segments_membership (segment_id, profile_id, since, event_id)
    SELECT m.segment_id, h.person, m.since, e.id
    FROM heirs h JOIN segments_membership m
        ON m.segment_id = h.segment_id AND m.profile_id = h.source
    LEFT JOIN segments_event e ON e.id = m.event_id AND e.profile_id = h.person
    WHERE h.person > 0
    RETURNING segment_id
),
gone AS (
    DELETE FROM segments_membership m USING heirs h
    WHERE h.person = 0 AND m.segment_id = h.segment_id AND m.profile_id = h.source
    RETURNING m.segment_id
)
UPDATE segments_segment s SET size = greatest(s.size + n.more, 0)
FROM (
    SELECT segment_id, sum(more) AS more FROM (
        SELECT segment_id, 1 AS more FROM copied UNION ALL SELECT segment_id, -1 FROM gone
    ) one GROUP BY segment_id
) n
WHERE s.id = n.segment_id
"""
# Nobody is in by what somebody else did.
UNNAME = """
UPDATE segments_membership m SET event_id = NULL FROM segments_event e
WHERE m.profile_id = ANY(%s::bigint[]) AND e.id = m.event_id
  AND e.profile_id <> m.profile_id
"""
