"""Windows move on with the time: who did something just as many days ago is asked.

"Did X within d days" changes by time alone only for who did X between d days before the
last look and d days before now: so does each edge (rules.kinds.Edge). The index by name
and time has them; nobody else is counted. A date that was sent ("in the last d days")
still takes a count of everybody.
"""

import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, connection, transaction

from lemnisk_braze.lib.database_errors import LOCKED, sqlstate
from lemnisk_braze.lib.logs import get_logger
from segments.membership import evaluation
from segments.membership.evaluation import Asked
from segments.membership.moves import Change
from segments.rules import tree, verdicts
from segments.rules.kinds import Edge
from segments.rules.operators import literal

logger = get_logger(__name__)

# How far windows may be behind.
EVERY = timedelta(minutes=1)
# Those that are further behind than this are counted anew.
MOST_BEHIND = timedelta(hours=1)
# People who are asked at once: others wait for the segments meanwhile.
MOST = 1_000
MOST_EVENTS = 10_000
# Where so many did it at the same time, a count is as quick.
SHORTEST_STEP = timedelta(seconds=1)
# In seconds: a process may have frozen that holds a segment.
PATIENCE = 2


def is_enough(rule: dict[str, Any]) -> bool:
    """Whether a valid rule changes by time only as this module sees it."""
    return not tree.is_counted(rule)


def move_on(deadline: float) -> Change:
    """Let windows of counted segments move on, until time.monotonic() is at `deadline`.

    In steps with so few people that nothing else waits long. What is left is moved on
    later; what is far behind is counted.
    """
    change, step = Change(), MOST_BEHIND
    while time.monotonic() < deadline and step >= SHORTEST_STEP:
        try:
            moved = _move_on(step)
        except Error as e:
            if sqlstate(e) != LOCKED:
                raise
            logger.info("segment.in_use", because=e)
            break
        if moved is None:
            step /= 2
        elif moved.is_done:
            return change + moved.change
        else:
            change += moved.change
    return change


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    """What one step came to; `is_done`: all windows stand where they should."""

    change: Change
    is_done: bool


def _move_on(step: timedelta) -> _Moved | None:
    """Move all windows on by at most `step`; None where that is about too many people.

    The time is read under the locks: whoever has evaluated these segments by an earlier
    one has committed, and their events are found here.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
        cursor.execute(LOCK, [MOST_BEHIND.total_seconds(), EVERY.total_seconds()])
        rows = cursor.fetchall()
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
        cursor.execute("SELECT statement_timestamp()")
        now = cursor.fetchone()[0]
        if not rows:
            return _Moved(change=Change(), is_done=True)
        edges = {
            edge for _, rule, _ in rows for edge in tree.edges(verdicts.read(rule))
        }
        since = min(clock_at for _, _, clock_at in rows)
        # Everybody's latest end from everybody's first beginning: a person too many costs
        # a look.
        until = min(now, max(clock_at for _, _, clock_at in rows) + step)
        people: list[int] = []
        if edges:
            cursor.execute(_passed(edges, since, until))
            people = [id for (id,) in cursor.fetchall()]
        ids = sorted(set(people))
        if len(people) == MOST_EVENTS or len(ids) > MOST:
            return None
        asked = [Asked(id=id, rule=rule) for id, rule, _ in rows]
        change = evaluation.ask(asked, ids)
        cursor.execute(MOVED_ON, [now, step.total_seconds(), [id for id, _, _ in rows]])
    return _Moved(change=change, is_done=until == now)


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


LOCK = """
SELECT id, rule::text, clock_at FROM segments_segment
WHERE is_active AND problem = '' AND counting_until IS NULL
    AND clock_at > statement_timestamp() - make_interval(secs => %s)
    AND clock_at < statement_timestamp() - make_interval(secs => %s)
ORDER BY id FOR NO KEY UPDATE
"""
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
