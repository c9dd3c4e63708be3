"""Entries and exits: who is to move, and what is written about them.

Whoever writes holds the row lock of each segment it writes for: Transition says why.
Nothing else keeps two writers apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from segments.membership import prepared
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


def ids_in(*lists: str) -> list[int]:
    """The ids in such texts, in order."""
    return sorted(int(id) for ids in lists if ids for id in ids.split(","))


def array(ids: str) -> str:
    """Ids as SQL."""
    return f"'{{{ids}}}'::bigint[]"


def find(segments: Sequence[tuple[int, str]], ids: str) -> list[Move]:
    """Who of these people is to enter or leave, in one statement.

    `segments`: (id, valid rule as JSON). Somebody who is not there, or is merged into
    another, leaves all of them. The same segments are asked of few people again and
    again, so that a plan is worth keeping.
    """
    asked = verdicts.of(tuple(rule for _, rule in segments))

    def write(people: str) -> str:
        return _find(asked, [id for id, _ in segments], people)

    return _read(segments, prepared.rows(write, f"{{{ids}}}"))


def _find(asked: verdicts.Verdicts, segment_ids: Sequence[int], people: str) -> str:
    parts = asked.parts
    return FIND.format(
        bits=verdicts.BITS,
        segments=array(listed(segment_ids)),
        verdicts=asked.select(people),
        people=people,
        olds=", ".join(
            f"bit_or(1::bigint << s.bit) FILTER (WHERE s.part = {n}) AS m{n}"
            for n in parts
        ),
        masks=", ".join(
            f"coalesce(n.m{n}, 0) AS n{n}, coalesce(o.m{n}, 0) AS o{n}" for n in parts
        ),
        differs=" OR ".join(f"n{n} <> o{n}" for n in parts),
    )


def _read(
    segments: Sequence[tuple[int, str]], rows: Iterable[tuple[int, ...]]
) -> list[Move]:
    """Rows of (person, bits now, bits before, the next part's bits now, …) as moves."""
    entering: dict[int, list[int]] = {}
    leaving: dict[int, list[int]] = {}
    for id, *masks in rows:
        for part, (now, before) in enumerate(zip(masks[::2], masks[1::2], strict=True)):
            for bits, moving in ((now & ~before, entering), (before & ~now, leaving)):
                while bits:
                    lowest = bits & -bits
                    bits ^= lowest
                    k = part * verdicts.BITS + lowest.bit_length() - 1
                    moving.setdefault(k, []).append(id)
    return [
        Move(
            segment_id=segments[k][0],
            rule=segments[k][1],
            entering=listed(entering.get(k, ())),
            leaving=listed(leaving.get(k, ())),
        )
        for k in sorted(entering.keys() | leaving.keys())
    ]


def write(moves: Sequence[Move]) -> Change:
    """Write memberships, sizes and the log, in one statement.

    Who is in already cannot enter, which is an error; who is not in does not leave.
    """
    statement = _enter(moves[0]) if _is_fill(moves) else _move(moves)
    if not statement:
        return Change()
    with connection.cursor() as cursor:
        cursor.execute(ONE_BY_ONE.format(statement=statement))
        # The settings come before it.
        while cursor.nextset() and cursor.description is None:
            pass
        entered, left = cursor.fetchone()
    change = Change(entered=entered, left=left)
    if change:
        transaction.on_commit(send_changed)
    return change


def _is_fill(moves: Sequence[Move]) -> bool:
    """Whether nobody leaves, and all enter the same segment."""
    return len(moves) == 1 and bool(moves[0].entering) and not moves[0].leaving


def _enter(move: Move) -> str:
    """SQL that lets people enter one segment: 8 % less work than `_move`."""
    return ENTER.format(
        segment=move.segment_id,
        event=verdicts.cause(move.rule, is_wanted=True),
        people=array(move.entering),
        spared=_spared(move),
    )


def _move(moves: Sequence[Move]) -> str:
    """SQL that lets people enter and leave; "" where nobody does."""
    if not (moved := _moved(moves)):
        return ""
    is_one_way = not any(move.leaving for move in moves)
    return WRITE.format(
        moved="\nUNION ALL\n".join(moved), done=ALL_ENTER if is_one_way else SOME_LEAVE
    )


def _moved(moves: Iterable[Move]) -> list[str]:
    """SQL of (segment, person, kind, event) of those who enter and those who leave."""
    uncaused: list[str] = []
    found: list[str] = []
    for move in moves:
        for kind, ids in (("entry", move.entering), ("exit", move.leaving)):
            if not ids:
                continue
            event = verdicts.cause(move.rule, is_wanted=kind == "entry")
            if event == verdicts.NONE and not move.spares_touched:
                uncaused.append(f"({move.segment_id}, '{kind}', {array(ids)})")
                continue
            found.append(
                MOVED.format(
                    segment=move.segment_id,
                    kind=kind,
                    event=event,
                    people=array(ids),
                    spared=_spared(move),
                )
            )
    if uncaused:
        found.append(UNCAUSED.format(moves=", ".join(uncaused), event=verdicts.NONE))
    return found


def _spared(move: Move) -> str:
    return SPARED.format(segment=move.segment_id) if move.spares_touched else ""


def send_changed() -> None:
    """Tell who listens that people have moved."""
    segments_changed.send_robust(sender=Segment)


# What somebody is in is looked up person by person. Two indexes have it, and to PostgreSQL
# they cost the same: by the one that begins with the segment it would look into as many
# places as there are segments, for each person. Only the other has the people in order,
# which a limit that is known too late asks for. Joined with the segments, it may read all
# their memberships. They are named in the condition, since what is found in others would
# be looked up in the table as well.
FIND = """
WITH s AS MATERIALIZED (
    SELECT id, ((place - 1) / {bits})::int AS part, ((place - 1) % {bits})::int AS bit
    FROM unnest({segments}) WITH ORDINALITY u (id, place)
),
n AS MATERIALIZED ({verdicts}),
o AS MATERIALIZED (
    SELECT m.profile_id AS id, {olds} FROM (
        SELECT profile_id, segment_id FROM segments_membership
        WHERE profile_id = ANY({people}) AND segment_id = ANY({segments})
        ORDER BY profile_id, segment_id LIMIT (SELECT 1000000000)
    ) m JOIN s ON s.id = m.segment_id GROUP BY 1
)
SELECT * FROM (SELECT id, {masks} FROM n FULL JOIN o USING (id) OFFSET 0) d
WHERE {differs} ORDER BY id
"""
# Who moves is `p`, for the SQL of what caused it.
MOVED = """
SELECT {segment}::bigint, p.id, '{kind}', {event} FROM unnest({people}) p (id) {spared}
"""
UNCAUSED = """
SELECT m.segment::bigint, p.id, m.kind, {event}
FROM (VALUES {moves}) m (segment, kind, people), unnest(m.people) p (id)
"""
# By hash, whatever joins may do.
SPARED = """
WHERE p.id NOT IN (SELECT profile_id FROM segments_touched WHERE segment_id = {segment})
"""
# Who has moved. Those who enter are not kept twice.
ALL_ENTER = "done AS NOT MATERIALIZED (SELECT * FROM moved)"
SOME_LEAVE = """
gone AS (
    DELETE FROM segments_membership m USING moved
    WHERE moved.kind = 'exit'
        AND m.segment_id = moved.segment_id AND m.profile_id = moved.profile_id
    RETURNING m.segment_id, m.profile_id, moved.event_id
),
done AS MATERIALIZED (
    SELECT * FROM moved WHERE kind = 'entry'
    UNION ALL
    SELECT segment_id, profile_id, 'exit', event_id FROM gone
)"""
# Memberships that go are looked up one by one: any other join would read very many. In
# order of the people, since more indexes begin with them, and those are the scattered.
ONE_BY_ONE = """
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
{statement};
SET LOCAL enable_hashjoin TO DEFAULT;
SET LOCAL enable_mergejoin TO DEFAULT;
"""
WRITE = """
WITH moved (segment_id, profile_id, kind, event_id) AS MATERIALIZED (
    SELECT * FROM ({moved}) m (segment_id, profile_id, kind, event_id)
    ORDER BY profile_id, segment_id
),
entered AS (
    INSERT INTO segments_membership (segment_id, profile_id, event_id)
    SELECT segment_id, profile_id, event_id FROM moved WHERE kind = 'entry'
),
{done},
logged AS (
    INSERT INTO segments_transition (segment_id, profile_id, kind, event_id)
    SELECT segment_id, profile_id, kind, event_id FROM done
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
# In the order of the people as they are given: that of their ids. Who enters is not kept
# twice, nor sorted, nor told from who leaves.
ENTER = """
WITH moved (profile_id, event_id) AS MATERIALIZED (
    SELECT p.id, {event} FROM unnest({people}) p (id) {spared}
),
counted AS MATERIALIZED (SELECT count(*) AS more FROM moved),
entered AS (
    INSERT INTO segments_membership (segment_id, profile_id, event_id)
    SELECT {segment}, profile_id, event_id FROM moved
),
logged AS (
    INSERT INTO segments_transition (segment_id, profile_id, kind, event_id)
    SELECT {segment}, profile_id, 'entry', event_id FROM moved
),
sized AS (
    UPDATE segments_segment SET size = size + (SELECT more FROM counted)
    WHERE id = {segment}
)
SELECT more, 0 FROM counted
"""
