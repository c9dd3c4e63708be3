"""How the way in is doing: what waits in the inbox, what was refused, what is not counted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

# A number is counted so far; beyond, it is "at least".
MOST_COUNTED = 100_000
# The share of refused messages is that of the newest, as far as they came lately.
NEWEST = 2_000
LATELY = timedelta(minutes=10)
MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What waits, since when and why; and what became of the newest messages.

    `waiting` and `refused` are counted up to MOST_COUNTED; `still`: since when nothing
    was applied, or the oldest waits where nothing ever was.
    """

    waiting: int
    oldest_at: datetime | None
    oldest: timedelta
    still: timedelta
    reason: str
    refused: int
    newest: int
    newest_refused: int
    uncounted: tuple[tuple[str, str], ...]

    @property
    def refused_percent(self) -> int:
        return self.newest_refused * 100 // self.newest if self.newest else 0


def read() -> Intake:
    """Read it in one query that costs the same however full the tables are."""
    with connection.cursor() as cursor:
        cursor.execute(
            READ,
            {
                "most": MOST_COUNTED,
                "newest": NEWEST,
                "lately": LATELY.total_seconds(),
                "named": MOST_NAMED,
            },
        )
        waiting, oldest_at, oldest, still, reason, *numbers, hurt = cursor.fetchone()
    refused, newest, newest_refused = numbers
    return Intake(
        waiting=waiting,
        oldest_at=oldest_at,
        oldest=oldest or timedelta(0),
        still=min(still or oldest, oldest) if oldest else timedelta(0),
        reason=reason or "",
        refused=refused,
        newest=newest,
        newest_refused=newest_refused,
        uncounted=tuple((name, problem) for name, problem in hurt or ()),
    )


# Messages are applied in order: the one before the oldest says when that last went on.
READ = """
SELECT (SELECT count(*) FROM (
        SELECT FROM segments_inboxmessage WHERE applied_at IS NULL LIMIT %(most)s) w),
    oldest.received_at, clock_timestamp() - oldest.received_at,
    clock_timestamp() - (
        SELECT applied_at FROM segments_inboxmessage
        WHERE id < oldest.id ORDER BY id DESC LIMIT 1
    ),
    oldest.error,
    (SELECT count(*) FROM (
        SELECT FROM segments_inboxmessage
        WHERE error <> '' AND applied_at > now.at - since LIMIT %(most)s) r),
    newest.number, newest.refused,
    (SELECT array_agg(ARRAY[name, problem] ORDER BY id) FROM (
        SELECT id, name, problem FROM segments_segment
        WHERE is_active AND problem <> '' ORDER BY id LIMIT %(named)s) hurt)
FROM (
    SELECT clock_timestamp() AS at, make_interval(secs => %(lately)s) AS since
) now
LEFT JOIN LATERAL (
    SELECT id, received_at, error FROM segments_inboxmessage
    WHERE applied_at IS NULL ORDER BY id LIMIT 1
) oldest ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS number, count(*) FILTER (WHERE error <> '') AS refused
    FROM (
        SELECT applied_at, error FROM segments_inboxmessage
        ORDER BY id DESC LIMIT %(newest)s
    ) m WHERE applied_at > now.at - since
) newest ON true
"""
