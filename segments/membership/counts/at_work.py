"""A count at work: everybody is read, and who is to move is written.

A count reads everybody without a lock, and then writes who is to move in ranges: the
segment's row is held for one range at a time, so that what comes in waits for no more
than that. Whoever is evaluated meanwhile is noted (Touched) and left as they are, since
what the count has read of them is old. A count that was killed is made anew: what it
wrote is right, and what is left is found again.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.db import Error, connection, transaction

from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.logs import get_logger
from segments.membership import evaluation, moves
from segments.membership.counts import filling
from segments.membership.evaluation import Asked
from segments.membership.moves import Change, Move
from segments.membership.references import graph
from segments.models import Profile, Segment
from segments.rules import tree, verdicts

logger = get_logger(__name__)

# In seconds, for one statement of a count: it ends before its task is ended.
LONGEST_COUNT = 80
# In seconds: a count that reads everybody for so long is not at work any more, nor is
# one that has written no range for so long. One that is killed is soon gone on with.
LEASE = LONGEST_COUNT + 20
LEASE_OF_A_RANGE = 20
# People who are asked together, where everybody at once could not be.
RANGE = 10_000
# Ids that a range has at least, and in how many seconds one is to be written: others
# wait for the segment meanwhile. Twice as many take twice as long.
BLOCK = 1_000
FEW_BLOCKS, MOST_BLOCKS = 5, 50
SOON, LONG = 0.05, 0.1
# In seconds: so long a count waits for who writes without knowing of the segment, and
# looks so often. Who takes longer is found by a second count (refresh.SETTLED_AFTER).
SETTLING, SETTLING_GLANCE = 1.0, 0.02


class BusyError(Exception):
    """Another process counts this segment."""


class WaitsError(BusyError):
    """A segment that this one asks for is yet to be counted."""


class OvertakenError(Exception):
    """The segment was changed, or is counted by another now: this count ends."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Who moves of a thousand ids, as PostgreSQL writes arrays; those who stay too."""

    entering: str | None
    leaving: str | None
    staying: str | None


@dataclass(slots=True, kw_only=True)
class Count:
    """One count at work; `lease` is what counting_until says while it is.

    `settled_at`: when that was saved whose count reads all; None: the row says it, or it
    may not have read all.
    """

    segment_id: int
    rule: str
    renews: bool
    begun_at: datetime
    lease: datetime
    seconds: float
    settled_at: datetime | None
    change: Change = Change()
    in_halves: evaluation.InHalves = field(init=False)

    def __post_init__(self) -> None:
        self.in_halves = evaluation.InHalves(
            segment_id=self.segment_id, apply=self._apply_to
        )

    def run(self) -> None:
        """Raises OvertakenError where somebody changes the segment meanwhile."""
        try:
            blocks = self._who_moves()
        except Error as e:
            if about(e) is About.CONNECTION:
                raise
            logger.warning(
                "segment.counted_apart", segment_id=self.segment_id, because=e
            )
            self._count_apart()
        else:
            self._write(blocks)
        self._end()

    def give_up(self) -> None:
        """Let the next count begin at once; where the database is away, later."""
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '1s'")
                cursor.execute(GIVE_UP, [self.segment_id, self.lease])
        except Error as e:
            logger.info("segment.in_use", segment_id=self.segment_id, because=e)

    def _who_moves(self) -> list[_Block]:
        """Who differs from the memberships, of everybody and without a lock."""
        rule = verdicts.read(self.rule)
        matched, params = tree.people(rule).values("pk").query.sql_with_params()
        stays = "false"
        if self.renews:
            has_events = verdicts.cause(self.rule, is_wanted=True) != verdicts.NONE
            stays = "true" if has_events else "m.event_id IS NOT NULL"
        with transaction.atomic():
            self._limit()
            with hashing(), connection.cursor() as cursor:
                cursor.execute(IS_EMPTY, [self.segment_id])
                if cursor.fetchone()[0]:
                    statement = ALL_ENTER.format(matched=matched)
                else:
                    statement = MOVES.format(matched=matched, stays=stays)
                    params = (*params, self.segment_id)
                cursor.execute(statement, [*params, BLOCK, BLOCK])
                return [_Block(*row) for row in cursor.fetchall()]

    def _write(self, blocks: Sequence[_Block]) -> None:
        """In ranges of ids that are each written soon."""
        at, size = 0, FEW_BLOCKS
        while at < len(blocks):
            some = blocks[at : at + size]
            took = self._write_range(some)
            at += size
            if took > LONG:
                size = max(size // 2, 1)
            elif took < SOON:
                size = min(size * 2, MOST_BLOCKS)

    def _write_range(self, blocks: Sequence[_Block]) -> float:
        """Return for how many seconds others had to wait."""
        move = Move(
            segment_id=self.segment_id,
            rule=self.rule,
            entering=_joined(block.entering for block in blocks),
            leaving=_joined(block.leaving for block in blocks),
            spares_touched=True,
        )
        staying = _joined(block.staying for block in blocks)
        try:
            with self._held() as followers:
                started = time.monotonic()
                change = _written(move)
                if followers:
                    evaluation.ask(followers, moves.ids_in(move.entering, move.leaving))
                if staying:
                    self._renew(staying)
        except Error as e:
            if about(e) is About.CONNECTION:
                raise
            self._ask(moves.ids_in(move.entering, move.leaving, staying))
            return 0.0
        self.change += change
        self.in_halves.is_anybody_asked = True
        return time.monotonic() - started

    def _count_apart(self) -> None:
        """Everybody where somebody's value cannot be asked: the others by halves."""
        everybody = Profile.objects.order_by("pk").values_list("pk", flat=True)
        last = 0
        while ids := list(everybody.filter(pk__gt=last)[:RANGE]):
            self._ask(ids)
            last = ids[-1]

    def _ask(self, ids: Sequence[int]) -> None:
        with self._held() as followers:
            self.change += self.in_halves.ask(ids)
            evaluation.ask(followers, ids)

    def _apply_to(self, ids: Sequence[int]) -> Change:
        with transaction.atomic():
            people = moves.listed(ids)
            change = moves.write(moves.find([(self.segment_id, self.rule)], people))
            if self.renews:
                self._renew(people)
        return change

    def _renew(self, ids: str) -> None:
        """Let what satisfies the rule as it is now go with who is in already."""
        statement = RENEW.format(
            segment=self.segment_id,
            event=verdicts.cause(self.rule, is_wanted=True),
            people=moves.array(ids),
        )
        with connection.cursor() as cursor:
            cursor.execute(statement)

    @contextmanager
    def _held(self) -> Iterator[list[Asked]]:
        """A transaction with the segment's lock; the count is still at work.

        With the locks of those that ask for it, whom it yields: they follow.
        """
        with transaction.atomic(), connection.cursor() as cursor:
            self._limit()
            locked = evaluation.lock_if_read([self.segment_id])
            until = LEASE_OF_A_RANGE, self.segment_id, self.lease
            cursor.execute(HOLD, (*until, self.rule))
            row = cursor.fetchone()
            if row is None:
                raise OvertakenError
            yield [one for one in locked if one.id != self.segment_id]
        # Not before: what is rolled back has renewed nothing.
        (self.lease,) = row

    def _end(self) -> None:
        with self._held(), connection.cursor() as cursor:
            has_edges = bool(tree.edges(verdicts.read(self.rule)))
            clock_at = self.begun_at if has_edges else None
            ended = self.begun_at, clock_at, self.settled_at
            cursor.execute(END, [*ended, self.segment_id])
            cursor.execute(FORGET_TOUCHED, [self.segment_id])
            graph.wake_who_waits(self.segment_id)

    def _limit(self) -> None:
        """What a crash of the database forgets here, the next count finds."""
        with connection.cursor() as cursor:
            cursor.execute(LIMIT, [f"{self.seconds * 1_000:.0f}ms"])


def begin(segment_id: int, patience: int | None, seconds: float) -> Count:
    """Say that a count is at work; raises as refresh does.

    Whoever evaluates the segment after this notes whom, and who did before has
    committed: what the count reads next holds it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if patience is not None:
            cursor.execute(f"SET LOCAL lock_timeout = '{patience}s'")
        cursor.execute(LOCK, [segment_id])
        row = cursor.fetchone()
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
        if row is None:
            raise Segment.DoesNotExist
        rule, is_new, is_counted, waits, saved_at, is_settled = row
        if is_counted:
            raise BusyError(f"Segment {segment_id} is counted by another process.")
        if waits:
            raise WaitsError(f"Segment {segment_id} waits for one it asks for.")
        verdicts.read(rule)
        cursor.execute(FORGET_TOUCHED, [segment_id])
        cursor.execute(BEGIN, [LEASE, segment_id])
        lease, begun_at, xid = cursor.fetchone()
    settles = not is_settled and _have_ended_before(xid)
    return Count(
        segment_id=segment_id,
        rule=rule,
        renews=is_new,
        begun_at=begun_at,
        lease=lease,
        seconds=seconds,
        settled_at=saved_at if settles else None,
    )


def _have_ended_before(xid: str) -> bool:
    """Whether all writers that began before this transaction ended soon.

    Who wrote of people before the segment was saved, and did not find it, is among them.
    A transaction has its number before it asks for segments, since it has written.
    """
    if connection.in_atomic_block:
        return False  # the caller's is one of them
    deadline = time.monotonic() + SETTLING
    while True:
        with connection.cursor() as cursor:
            cursor.execute(HAVE_ENDED, [xid])
            if cursor.fetchone()[0]:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(SETTLING_GLANCE)


def is_any() -> bool:
    """Whether a segment is being counted."""
    with connection.cursor() as cursor:
        cursor.execute(IS_ANY)
        return bool(cursor.fetchone()[0])


def _written(move: Move) -> Change:
    return filling.write(move) if filling.is_fill(move) else moves.write([move])


def _joined(arrays: Iterable[str | None]) -> str:
    return ",".join(ids[1:-1] for ids in arrays if ids)


@contextmanager
def hashing() -> Iterator[None]:
    """Compare sets by hash, in memory.

    PostgreSQL has no statistics of a CTE (nor of tables just filled) and would compare
    everybody with everybody.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '128MB'")
        yield
        cursor.execute(
            "SET LOCAL enable_nestloop TO DEFAULT; SET LOCAL work_mem TO DEFAULT"
        )


IS_ANY = """
SELECT EXISTS (
    SELECT FROM segments_segment WHERE counting_until > clock_timestamp()
)
"""
LOCK = """
SELECT rule::text, refreshed_at IS NULL,
    coalesce(counting_until > clock_timestamp(), false),
    EXISTS (
        SELECT FROM segments_segment d WHERE d.id = ANY(s.reads_segments)
            AND d.is_active AND d.refreshed_at IS NULL AND d.problem = ''
    ), updated_at, settled_at IS NOT DISTINCT FROM updated_at
FROM segments_segment s WHERE id = %s AND is_active FOR NO KEY UPDATE
"""
BEGIN = """
UPDATE segments_segment
SET counting_until = clock_timestamp() + make_interval(secs => %s)
WHERE id = %s
RETURNING counting_until, statement_timestamp(), pg_current_xact_id()::xid::text
"""
HOLD = """
UPDATE segments_segment
SET counting_until = clock_timestamp() + make_interval(secs => %s)
WHERE id = %s AND counting_until = %s AND rule = %s::jsonb RETURNING counting_until
"""
END = """
UPDATE segments_segment SET refreshed_at = %s, clock_at = %s, problem = '',
    counting_until = NULL, settled_at = coalesce(%s, settled_at)
WHERE id = %s
"""
# By their locks: a snapshot knows all databases' transactions, and not whose they are.
HAVE_ENDED = """
SELECT NOT EXISTS (
    SELECT FROM pg_locks w JOIN pg_locks t USING (pid)
    WHERE w.locktype = 'relation' AND w.mode = 'RowExclusiveLock'
        AND w.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND t.locktype = 'transactionid' AND t.mode = 'ExclusiveLock'
        AND age(t.transactionid) > age(%s::text::xid)
)
"""
GIVE_UP = """
UPDATE segments_segment SET counting_until = NULL WHERE id = %s AND counting_until = %s
"""
FORGET_TOUCHED = "DELETE FROM segments_touched WHERE segment_id = %s"
LIMIT = """
SELECT set_config('statement_timeout', %s, true), set_config('jit', 'off', true),
    set_config('synchronous_commit', 'off', true)
"""
# Who enters or leaves after this is touched, and so left as they are.
IS_EMPTY = """
SELECT NOT EXISTS (SELECT FROM segments_membership WHERE segment_id = %s)
"""
ALL_ENTER = """
SELECT array_agg(id ORDER BY id)::text, NULL, NULL FROM ({matched}) x (id)
GROUP BY id / %s ORDER BY id / %s
"""
MOVES = """
WITH matched (id) AS MATERIALIZED ({matched}),
moved AS (
    SELECT coalesce(x.id, m.profile_id) AS id,
        CASE WHEN m.profile_id IS NULL THEN 'enters' WHEN x.id IS NULL THEN 'leaves'
            ELSE 'stays' END AS what
    FROM matched x FULL JOIN (
        SELECT profile_id, event_id FROM segments_membership WHERE segment_id = %s
    ) m ON m.profile_id = x.id
    WHERE m.profile_id IS NULL OR x.id IS NULL OR {stays}
)
SELECT (array_agg(id ORDER BY id) FILTER (WHERE what = 'enters'))::text,
    (array_agg(id ORDER BY id) FILTER (WHERE what = 'leaves'))::text,
    (array_agg(id ORDER BY id) FILTER (WHERE what = 'stays'))::text
FROM moved GROUP BY id / %s ORDER BY id / %s
"""
RENEW = """
UPDATE segments_membership m SET event_id = renewed.event_id
FROM (SELECT p.id, {event} AS event_id FROM unnest({people}) p (id)) renewed
WHERE m.segment_id = {segment} AND m.profile_id = ANY({people})
    AND m.profile_id = renewed.id AND m.event_id IS DISTINCT FROM renewed.event_id
"""
