"""Windows move on with the time: who did something just as many days ago is asked.

"Did X within d days" changes by time alone only for who did X between d days before the
last look and d days before now: so does each edge (rules.kinds.Edge). The index by name
and time has them; nobody else is counted. A date that was sent ("in the last d days")
still takes a count of everybody: where its days are a calendar's, when a day begins.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from django.db import Error, connection, transaction

from lemnisk_braze.lib.database_errors import LOCKED, sqlstate
from lemnisk_braze.lib.logs import get_logger
from segments.membership import evaluation
from segments.membership.evaluation import Asked
from segments.membership.moves import Change
from segments.rules import tree, verdicts
from segments.rules.comparing.days import next_midnight
from segments.rules.kinds import Edge
from segments.rules.operators import literal

logger = get_logger(__name__)

# How far windows may be behind.
EVERY = timedelta(minutes=1)
# What time changes otherwise is counted as often.
COUNTED_EVERY = timedelta(minutes=15)
# Those that are further behind than this are counted anew.
MOST_BEHIND = timedelta(hours=1)
# People who are asked at once: others wait for the segments meanwhile.
MOST = 1_000
# So many whom the same step is about are asked one thousand after the other. Where even
# the shortest one is about more, a count is as quick.
MOST_MOVED = 50_000
MOST_EVENTS = 2 * MOST_MOVED
SHORTEST_STEP = timedelta(seconds=1)
# In seconds: a process may have frozen that holds a segment.
PATIENCE = 2


def is_due(
    rule: dict[str, Any], counted_at: datetime, clock_at: datetime | None, now: datetime
) -> bool:
    """Whether time has changed who is in since everybody was counted, or may have.

    `clock_at`: until when windows have moved on. One that cannot be read (any more) is
    counted, which says why.
    """
    if tree.problem(rule):
        return counted_at <= now - COUNTED_EVERY
    midnights = tree.midnights(rule)
    if any(next_midnight(zone, counted_at) <= now for zone in midnights):
        return True
    # What moves on by itself needs a count only where it has not.
    if clock_at and (midnights or not tree.is_counted(rule)):
        counted_at = clock_at
    if counted_at > now - COUNTED_EVERY:
        return False
    if midnights and not tree.edges(rule):
        return False
    return tree.reads_the_clock(rule)


def move_on(deadline: float, most: int = MOST_MOVED) -> Change:
    """Let windows of counted segments move on, until time.monotonic() is at `deadline`.

    In steps that are about `most` people each. What is left is moved on later; what is
    far behind is counted.
    """
    change, step = Change(), MOST_BEHIND
    while time.monotonic() < deadline and step >= SHORTEST_STEP:
        turn = _Turn(step=step, deadline=deadline)
        try:
            turn.run(most)
        except Error as e:
            if sqlstate(e) != LOCKED:
                raise
            logger.info("segment.in_use", because=e)
            break
        finally:
            change += turn.change
        if turn.is_too_much:
            step /= 2
        elif turn.is_last:
            break
    return change


# A segment's id, its rule as JSON and the time that its windows stand at.
_Row: TypeAlias = tuple[int, str, datetime]


@dataclass(slots=True, kw_only=True)
class _Turn:
    """All windows move on by at most `step`.

    The time is read under the segments' locks, and so is who is to be asked: whoever has
    evaluated these segments by an earlier one has committed, and their events are found;
    whoever does so later does it by a later time, so that the locks may be given back
    between one thousand people and the next.
    """

    step: timedelta
    deadline: float
    change: Change = Change()
    is_too_much: bool = False
    # All windows stand where they should then.
    is_last: bool = False
    # Those that ask for the segments whose locks are held, with theirs: they follow.
    readers: Sequence[Asked] = ()

    def run(self, most: int) -> None:
        with self._held(
            DUE, MOST_BEHIND.total_seconds(), EVERY.total_seconds()
        ) as rows:
            if not rows:
                self.is_last = True
                return
            now = _now()
            since = min(clock_at for _, _, clock_at in rows)
            # Everybody's latest end from everybody's first beginning: a person too many
            # costs a look.
            until = min(now, max(clock_at for _, _, clock_at in rows) + self.step)
            ids = _who_passed(rows, since, until)
            if ids is None or len(ids) > most:
                self.is_too_much = True
                return
            self._ask(rows, ids[:MOST])
            if len(ids) <= MOST:
                self._move(rows, now)
        for start in range(MOST, len(ids), MOST):
            if time.monotonic() > self.deadline:
                return
            with self._held(SAME, [id for id, _, _ in rows]) as found:
                # One that was counted or changed meanwhile goes its own way.
                rows = [row for row in found if row in rows]
                self._ask(rows, ids[start : start + MOST])
                if start + MOST >= len(ids):
                    self._move(rows, now)
        self.is_last = until == now

    @contextmanager
    def _held(self, which: str, *params: float | list[int]) -> Iterator[list[_Row]]:
        """A transaction with the locks of segments that a count is not at work for."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
            cursor.execute(WANTED.format(which=which), params)
            wanted = [id for (id,) in cursor.fetchall()]
            locked = evaluation.lock_if_read(wanted)
            cursor.execute(LOCK.format(which=which), [*params, wanted])
            rows = [row for row in cursor.fetchall() if evaluation.is_right(*row[:2])]
            ids = {id for id, _, _ in rows}
            self.readers = [one for one in locked if one.id not in ids]
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
            yield rows

    def _ask(self, rows: Sequence[_Row], ids: Sequence[int]) -> None:
        asked = [Asked(id=id, rule=rule) for id, rule, _ in rows]
        self.change += evaluation.ask([*asked, *self.readers], ids)

    def _move(self, rows: Sequence[_Row], now: datetime) -> None:
        with connection.cursor() as cursor:
            ids = [id for id, _, _ in rows]
            cursor.execute(MOVED_ON, [now, self.step.total_seconds(), ids])


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def _who_passed(
    rows: Sequence[_Row], since: datetime, until: datetime
) -> list[int] | None:
    """Whom time may have let in or out, sorted; None where they did too much."""
    edges = {edge for _, rule, _ in rows for edge in tree.edges(verdicts.read(rule))}
    if not edges:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_passed(edges, since, until))
        found = cursor.fetchall()
    return None if len(found) == MOST_EVENTS else sorted({id for (id,) in found})


def _passed(edges: Iterable[Edge], since: datetime, until: datetime) -> str:
    """SQL of who did what the edges pass from one time to the other."""
    rows = []
    for edge in sorted(edges, key=astuple):
        times = (
            edge.time.replace("$now", f"{literal(at)}::timestamptz")
            for at in (since, until)
        )
        rows.append(f"({literal(edge.event)}, {', '.join(times)})")
    return PASSED.format(edges=", ".join(rows), most=MOST_EVENTS)


_OPEN = "is_active AND problem = '' AND counting_until IS NULL AND {which}"
WANTED = f"SELECT id FROM segments_segment WHERE {_OPEN}"
LOCK = f"""
SELECT id, rule::text, clock_at FROM segments_segment
WHERE {_OPEN} AND id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
DUE = """
clock_at > statement_timestamp() - make_interval(secs => %s)
AND clock_at < statement_timestamp() - make_interval(secs => %s)
"""
SAME = "id = ANY(%s)"
PASSED = """
SELECT e.profile_id FROM (VALUES {edges}) w (name, low, high) CROSS JOIN LATERAL (
    SELECT profile_id FROM segments_event
    WHERE name = w.name AND time >= w.low AND time < w.high
) e LIMIT {most}
"""
MOVED_ON = """
UPDATE segments_segment SET clock_at = least(%s, clock_at + make_interval(secs => %s))
WHERE id = ANY(%s)
"""
