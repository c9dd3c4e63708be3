"""How many entered and left a segment on each day, and how many were in it.

The tick adds what the log has got since the last time. Within one segment the log's ids
are committed in order (Transition), so "counted until this id" misses nothing; days are
those of UTC.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import IntegrityError, connection, transaction

from lemnisk_braze.lib import database_clock
from segments.models import Segment, SegmentDay

# In days.
KEPT = 400
# Lines of the log that are counted at once, of all segments together; the next time
# goes on.
MOST = 20_000
# Of a tick: after a first fill of millions a whole second of each made who came to a
# website meanwhile wait, where two cores had hardly anything to spare.
SECONDS = 0.25
# pg_advisory_xact_lock's key: any number that nothing else here uses.
LOCK = 0x5E69_DA75
# The picture: its size, and the least height of something that is not nothing.
WIDTH, HEIGHT, LEAST = 600, 100, 1.0


def keep(
    seconds: float = SECONDS,
    most: int = MOST,
    between: Callable[[], object] = lambda: None,
) -> None:
    """Count what the logs have got, for at most so many seconds; forget what is old.

    In pieces of about `most` lines; after each of them what waits has a turn, `between`.
    """
    deadline = time.monotonic() + seconds
    while _add(most) and time.monotonic() < deadline:
        between()
    with connection.cursor() as cursor:
        cursor.execute(FORGET, [KEPT])


def _add(most: int) -> bool:
    """Whether some log has more new lines than were added, so that there is more to add."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Two at once would add the same lines twice. No lock of the table: whoever
            # deletes a segment takes its days along, and is waited for at the end.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            cursor.execute(PLAN)
            cursor.execute(ADD, {"most": most})
            return bool(cursor.fetchone()[0])
    except IntegrityError:
        # A segment was deleted meanwhile.
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of the table; `size` None: nobody looked."""

    day: date
    entered: int
    left: int
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A rectangle of the picture."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The last days, oldest first, and their pictures of 600 × 100.

    `lines` are the points of the size, a line for each stretch of days that are known.
    """

    days: Sequence[Day]
    entered: int
    left: int
    top_moved: int
    top_size: int
    entries: Sequence[Bar]
    exits: Sequence[Bar]
    lines: Sequence[str]

    @property
    def is_a_day_long(self) -> bool:
        """Whether the size is known of one day, or of none: its line is hardly seen."""
        return sum(day.size is not None for day in self.days) < 2

    @property
    def is_empty(self) -> bool:
        return not any(day.entered or day.left or day.size for day in self.days)


def of(segment: Segment, count: int) -> Sizes:
    """The segment's last so many days, today among them."""
    today = database_clock.now().date()
    first = today - timedelta(days=count - 1)
    rows = SegmentDay.objects.filter(segment=segment, day__gte=first).order_by("day")
    known = {row.day: row for row in rows}
    days = [_day(first + timedelta(days=n), known) for n in range(count)]
    top_moved = max(1, *(max(day.entered, day.left) for day in days))
    top_size = max(1, *(day.size or 0 for day in days))
    return Sizes(
        days=days,
        entered=sum(day.entered for day in days),
        left=sum(day.left for day in days),
        top_moved=top_moved,
        top_size=top_size,
        entries=_bars([day.entered for day in days], top_moved),
        exits=_bars([day.left for day in days], top_moved),
        lines=_lines([day.size for day in days], top_size),
    )


def _day(day: date, known: dict[date, SegmentDay]) -> Day:
    row = known.get(day)
    if row is None:
        return Day(day=day, entered=0, left=0, size=None)
    return Day(day=day, entered=row.entered, left=row.left, size=row.size)


def _bars(values: Sequence[int], top: int) -> list[Bar]:
    step = WIDTH / len(values)
    found = []
    for n, value in enumerate(values):
        if value:
            height = max(LEAST, value / top * HEIGHT)
            found.append(
                Bar(
                    x=round(n * step, 2),
                    y=round(HEIGHT - height, 2),
                    width=round(step * 0.8, 2),
                    height=round(height, 2),
                )
            )
    return found


def _lines(values: Sequence[int | None], top: int) -> list[str]:
    """The points of each stretch, from the left to the right edge of its days."""
    step = WIDTH / len(values)
    found: list[list[str]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            y = round(HEIGHT - value / top * HEIGHT, 2)
            found[-1] += [f"{n * step:.2f},{y}", f"{(n + 1) * step:.2f},{y}"]
    return [" ".join(points) for points in found if points]


# A segment's new lines. Rows are compared as a whole, which only the index of the log
# can answer: PostgreSQL would look for those of a quiet segment among all that others
# have got since its last.
_NEW = """
FROM segments_transition t
WHERE (t.segment_id, t.kind, t.id) > (s.id, {kind}, s.since)
    AND (t.segment_id, t.kind, t.id) < (s.id, {kind}, {until})
ORDER BY t.segment_id, t.kind, t.id
"""
_NEVER = "9223372036854775807"
_ENTRIES = _NEW.format(kind="'entry'", until=_NEVER)
_EXITS = _NEW.format(kind="'exit'", until=_NEVER)
_LINES = _NEW.format(kind="k.kind", until=f"coalesce(s.bound, {_NEVER})")
_SHARE = "(SELECT greatest(%(most)s / greatest(count(*), 1), 1) FROM new)"
PLAN = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
# Of each segment: how far its log is counted, and where its share of the piece ends.
# Today's row is written wherever one is, so that the newest row says how far.
ADD = f"""
WITH s AS MATERIALIZED (
    SELECT g.id, g.size, coalesce(d.until_id, 0) AS since
    FROM segments_segment g LEFT JOIN LATERAL (
        SELECT until_id FROM segments_segmentday
        WHERE segment_id = g.id ORDER BY day DESC LIMIT 1
    ) d ON true
),
new AS MATERIALIZED (
    SELECT * FROM s WHERE (SELECT t.id {_ENTRIES} LIMIT 1) IS NOT NULL
        OR (SELECT t.id {_EXITS} LIMIT 1) IS NOT NULL
),
b AS MATERIALIZED (
    SELECT s.id, s.since, least(
        (SELECT t.id {_ENTRIES} OFFSET {_SHARE} LIMIT 1),
        (SELECT t.id {_EXITS} OFFSET {_SHARE} LIMIT 1)
    ) AS bound
    FROM new s
),
moved AS MATERIALIZED (
    SELECT s.id, t.day, count(*) FILTER (WHERE k.kind = 'entry') AS entered,
        count(*) FILTER (WHERE k.kind = 'exit') AS left, max(t.id) AS until_id
    FROM b s CROSS JOIN (VALUES ('entry'), ('exit')) k (kind) CROSS JOIN LATERAL (
        SELECT t.id, (t.at AT TIME ZONE 'UTC')::date AS day {_LINES}
    ) t
    GROUP BY s.id, t.day
),
today AS (SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date AS day),
written AS (
    INSERT INTO segments_segmentday AS d
        (segment_id, day, entered, "left", size, until_id)
    SELECT s.id, days.day, coalesce(moved.entered, 0), coalesce(moved.left, 0),
        CASE WHEN days.day = today.day THEN s.size END,
        greatest(s.since, (SELECT max(m.until_id) FROM moved m WHERE m.id = s.id))
    FROM s CROSS JOIN today CROSS JOIN LATERAL (
        SELECT today.day UNION SELECT m.day FROM moved m WHERE m.id = s.id
    ) days
    LEFT JOIN moved ON moved.id = s.id AND moved.day = days.day
    ON CONFLICT (segment_id, day) DO UPDATE SET entered = d.entered + excluded.entered,
        "left" = d.left + excluded.left, size = coalesce(excluded.size, d.size),
        until_id = excluded.until_id
    WHERE d.until_id <> excluded.until_id OR d.size IS DISTINCT FROM excluded.size
)
SELECT EXISTS (SELECT FROM b WHERE bound IS NOT NULL)
"""
FORGET = """
DELETE FROM segments_segmentday
WHERE day < (statement_timestamp() AT TIME ZONE 'UTC')::date - %s
"""
