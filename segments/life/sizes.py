"""How many entered and left a segment on each day, and how many were in it.

The tick adds what the log has got since the last time. Within one segment the log's ids
are committed in order (Transition), so "counted until this id" misses nothing; days are
those of UTC.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import IntegrityError, connection, transaction

from lemnisk_braze.lib import database_clock
from segments.models import Segment, SegmentDay

# In days.
KEPT = 400
# Lines of the log of one segment that are counted at once; the next time goes on.
MOST = 100_000
SECONDS = 5
# pg_advisory_xact_lock's key: any number that nothing else here uses.
LOCK = 0x5E69_DA75
# The picture: its size, and the least height of something that is not nothing.
WIDTH, HEIGHT, LEAST = 600, 100, 1.0


def keep(seconds: float = SECONDS, most: int = MOST) -> None:
    """Count what the logs have got, for at most so many seconds; forget what is old."""
    deadline = time.monotonic() + seconds
    while _add(most) and time.monotonic() < deadline:
        pass
    with connection.cursor() as cursor:
        cursor.execute(FORGET, [KEPT])


def _add(most: int) -> bool:
    """Whether some log has more than `most` new lines, so that there is more to add."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Two at once would add the same lines twice. No lock of the table: whoever
            # deletes a segment takes its days along, and is waited for at the end.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
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


# Of each segment: how far its log is counted, and where so many lines later end. Today's
# row is written wherever one is, so that the newest row says how far.
ADD = """
WITH s AS MATERIALIZED (
    SELECT g.id, g.size, coalesce(d.until_id, 0) AS since
    FROM segments_segment g LEFT JOIN LATERAL (
        SELECT until_id FROM segments_segmentday
        WHERE segment_id = g.id ORDER BY day DESC LIMIT 1
    ) d ON true
),
b AS MATERIALIZED (
    SELECT s.*, least(
        (SELECT id FROM segments_transition
        WHERE segment_id = s.id AND kind = 'entry' AND id > s.since
        ORDER BY id OFFSET %(most)s LIMIT 1),
        (SELECT id FROM segments_transition
        WHERE segment_id = s.id AND kind = 'exit' AND id > s.since
        ORDER BY id OFFSET %(most)s LIMIT 1)
    ) AS bound
    FROM s
),
moved AS MATERIALIZED (
    SELECT b.id, t.day, t.entered, t.left, t.until_id FROM b CROSS JOIN LATERAL (
        SELECT (at AT TIME ZONE 'UTC')::date AS day,
            count(*) FILTER (WHERE kind = 'entry') AS entered,
            count(*) FILTER (WHERE kind = 'exit') AS left,
            max(id) AS until_id
        FROM segments_transition
        WHERE segment_id = b.id AND kind IN ('entry', 'exit') AND id > b.since
            AND id < coalesce(b.bound, 9223372036854775807)
        GROUP BY 1
    ) t
),
today AS (SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date AS day),
written AS (
    INSERT INTO segments_segmentday AS d
        (segment_id, day, entered, "left", size, until_id)
    SELECT b.id, days.day, coalesce(moved.entered, 0), coalesce(moved.left, 0),
        CASE WHEN days.day = today.day THEN b.size END,
        greatest(b.since, (SELECT max(m.until_id) FROM moved m WHERE m.id = b.id))
    FROM b CROSS JOIN today CROSS JOIN LATERAL (
        SELECT today.day UNION SELECT m.day FROM moved m WHERE m.id = b.id
    ) days
    LEFT JOIN moved ON moved.id = b.id AND moved.day = days.day
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
