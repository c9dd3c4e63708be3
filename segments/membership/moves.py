"""Entries and exits: who is to move, and what is written about them.

Whoever writes holds the row lock of each segment it writes for: Transition says why.
Nothing else keeps two writers apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from segments.models import Segment
from segments.models.signals import segments_changed
from segments.rules import verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How many people entered and how many left."""

    entered: int = 0
    left: int = 0

    def __add__(self, other: "Change") -> "Change":
        return Change(entered=self.entered + other.entered, left=self.left + other.left)

    def __bool__(self) -> bool:
        return bool(self.entered or self.left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Who enters a segment and who leaves it; `rule`: its valid rule as JSON.

    Ids of people are numbers with commas between them, as PostgreSQL reads and writes
    them in braces. `spares_touched`: who was evaluated while the segment was counted
    (Touched) is left as they are.
    """

    segment_id: int
    rule: str
    entering: str = ""
    leaving: str = ""
    spares_touched: bool = False


def listed(ids: Sequence[int]) -> str:
    """Ids as Move has them."""
    return ",".join(map(str, ids))


def array(ids: str) -> str:
    """Ids as SQL."""
    return f"'{{{ids}}}'::bigint[]"


def find(segments: Sequence[tuple[int, str]], ids: str) -> list[Move]:
    """Who of these people is to enter or leave, in one statement.

    `segments`: (id, valid rule as JSON). Somebody who is not there, or is merged into
    another, leaves all of them.
    """
    asked = verdicts.of(tuple(rule for _, rule in segments))
    people = array(ids)
    parts = asked.parts
    statement = FIND.format(
        bits=verdicts.BITS,
        segments=array(listed([id for id, _ in segments])),
        verdicts=asked.select(people),
        people=people,
        olds=", ".join(
            f"bit_or(1::bigint << s.bit) FILTER (WHERE s.part = {n}) AS m{n}"
            for n in parts
        ),
        news=", ".join(f"coalesce(n.m{n}, 0) AS n{n}" for n in parts),
        changed=", ".join(
            f"coalesce(n.m{n}, 0) # coalesce(o.m{n}, 0) AS x{n}" for n in parts
        ),
        differs=" OR ".join(f"x{n} <> 0" for n in parts),
        is_changed=_bit("x", parts),
        is_in=_bit("n", parts),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [
            Move(
                segment_id=segments[k][0],
                rule=segments[k][1],
                entering=(entering or "")[1:-1],
                leaving=(leaving or "")[1:-1],
            )
            for k, entering, leaving in cursor.fetchall()
        ]


def write(moves: Sequence[Move]) -> Change:
    """Write memberships, sizes and the log, in one statement.

    Who is in already cannot enter, which is an error; who is not in does not leave.
    """
    moved = [sql for move in moves for sql in _moved(move)]
    if not moved:
        return Change()
    statement = WRITE.format(moved="\nUNION ALL\n".join(moved))
    with connection.cursor() as cursor:
        cursor.execute(statement)
        entered, left = cursor.fetchone()
    change = Change(entered=entered, left=left)
    if change:
        transaction.on_commit(send_changed)
    return change


def _moved(move: Move) -> list[str]:
    """SQL of (segment, person, kind, event) of those who enter and those who leave."""
    return [
        MOVED.format(
            segment=move.segment_id,
            kind=kind,
            event=verdicts.cause(move.rule, is_wanted=kind == "entry"),
            people=array(ids),
            spared=SPARED.format(segment=move.segment_id)
            if move.spares_touched
            else "",
        )
        for kind, ids in (("entry", move.entering), ("exit", move.leaving))
        if ids
    ]


def _bit(letter: str, parts: range) -> str:
    """SQL: whether the bit of the segment `s` is set in `d`."""
    whens = " ".join(f"WHEN {n} THEN d.{letter}{n}" for n in parts)
    return f"((CASE s.part {whens} END >> s.bit) & 1) = 1"


def send_changed() -> None:
    """Tell who listens that people have moved."""
    segments_changed.send_robust(sender=Segment)


FIND = """
WITH s AS MATERIALIZED (
    SELECT id, (place - 1)::int AS k, ((place - 1) / {bits})::int AS part,
        ((place - 1) % {bits})::int AS bit
    FROM unnest({segments}) WITH ORDINALITY u (id, place)
),
n AS MATERIALIZED ({verdicts}),
o AS MATERIALIZED (
    SELECT m.profile_id AS id, {olds}
    FROM segments_membership m JOIN s ON s.id = m.segment_id
    WHERE m.profile_id = ANY({people}) GROUP BY 1
),
d AS MATERIALIZED (
    SELECT * FROM (SELECT id, {news}, {changed} FROM n FULL JOIN o USING (id) OFFSET 0) d
    WHERE {differs}
)
SELECT s.k, (array_agg(d.id ORDER BY d.id) FILTER (WHERE {is_in}))::text,
    (array_agg(d.id ORDER BY d.id) FILTER (WHERE NOT {is_in}))::text
FROM d JOIN s ON {is_changed} GROUP BY s.k ORDER BY s.k
"""
# Who moves is `p`, for the SQL of what caused it.
MOVED = """
SELECT {segment}::bigint, p.id, '{kind}', {event} FROM unnest({people}) p (id) {spared}
"""
SPARED = """
WHERE NOT EXISTS (
    SELECT FROM segments_touched t WHERE t.segment_id = {segment} AND t.profile_id = p.id
)
"""
# Memberships that go are looked up one by one: a join would read very many.
WRITE = """
WITH moved (segment_id, profile_id, kind, event_id) AS MATERIALIZED ({moved}),
entered AS (
    INSERT INTO segments_membership (segment_id, profile_id, event_id)
    SELECT segment_id, profile_id, event_id FROM moved WHERE kind = 'entry'
    ORDER BY segment_id, profile_id
),
leaving AS MATERIALIZED (
    SELECT segment_id, profile_id, event_id, (
        SELECT m.id FROM segments_membership m
        WHERE m.segment_id = moved.segment_id AND m.profile_id = moved.profile_id
    ) AS id FROM moved WHERE kind = 'exit'
),
gone AS (
    DELETE FROM segments_membership WHERE id = ANY(ARRAY(SELECT id FROM leaving))
),
done AS MATERIALIZED (
    SELECT * FROM moved WHERE kind = 'entry'
    UNION ALL
    SELECT segment_id, profile_id, 'exit', event_id FROM leaving WHERE id IS NOT NULL
),
logged AS (
    INSERT INTO segments_transition (segment_id, profile_id, kind, event_id)
    SELECT segment_id, profile_id, kind, event_id FROM done
    ORDER BY segment_id, profile_id
),
sized AS (
    UPDATE segments_segment s SET size = greatest(s.size + n.more, 0) FROM (
        SELECT segment_id, sum(CASE kind WHEN 'entry' THEN 1 ELSE -1 END) AS more
        FROM done GROUP BY segment_id
    ) n WHERE s.id = n.segment_id
)
SELECT count(*) FILTER (WHERE kind = 'entry'), count(*) FILTER (WHERE kind = 'exit')
FROM done
"""
