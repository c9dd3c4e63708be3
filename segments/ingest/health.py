"""How the way in is doing: what waits in the inbox, what was refused, what is not counted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

# A number is counted so far; beyond, it is "at least".
MOST_COUNTED = 100_000
# So many of those that were refused are looked at.
MOST_REFUSED = 10_000
LATELY = timedelta(minutes=10)
MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What waits, since when and why; and what became of the messages of LATELY.

    `waiting` is counted up to MOST_COUNTED requests, `refused` up to MOST_REFUSED of
    those that nobody has sent in again; `still`: since when nothing was applied, or the
    oldest waits where nothing was. `newest` is how many were applied or refused,
    `newest_refused` how many of them refused.
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
                "refused": MOST_REFUSED,
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


READ = """
SELECT (SELECT coalesce(sum(count - done), 0) FROM (
        SELECT count, done FROM segments_inboxrequest LIMIT %(most)s) w),
    oldest.received_at, clock_timestamp() - oldest.received_at,
    clock_timestamp() - (SELECT max(last_at) FROM segments_intakeminute),
    oldest.note,
    (SELECT count(*) FROM (
        SELECT at, stage, replayed_at, code FROM segments_refusedmessage
        ORDER BY id DESC LIMIT %(refused)s) r
     WHERE at > now.at - since AND stage = 'applying' AND replayed_at IS NULL
       AND code <> 'erased'),
    newest.number, newest.refused,
    (SELECT array_agg(ARRAY[name, problem] ORDER BY id) FROM (
        SELECT id, name, problem FROM segments_segment
        WHERE is_active AND problem <> '' ORDER BY id LIMIT %(named)s) hurt)
FROM (
    SELECT clock_timestamp() AS at, make_interval(secs => %(lately)s) AS since
) now
LEFT JOIN LATERAL (
    SELECT id, received_at, note FROM segments_inboxrequest ORDER BY id LIMIT 1
) oldest ON true
LEFT JOIN LATERAL (
    SELECT coalesce(sum(applied + refused), 0) AS number,
        coalesce(sum(refused), 0) AS refused
    FROM segments_intakeminute WHERE minute > now.at - since
) newest ON true
"""
