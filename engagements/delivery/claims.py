"""Taking batches: fairly between engagements, and as many as their budgets allow."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from engagements.outbox import workers
from engagements.outbox.claim import Claim
from engagements.throttling import rate_limit
from lemnisk_braze.lib.database_retry import LATER_ON_DISK

# It goes on while the process is stopped, and where there is such a one, while the
# machine sleeps.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

# What may send at all, with how many requests its connection lets through just now.
# `stamp` is another text whenever a request of the run may read differently.
WAYS = f"""
    SELECT r.id AS run_id, r.engagement_id, r.is_standing, {rate_limit.PERMITS} AS permits,
        greatest(d.blocked_until, clock_timestamp() + make_interval(
            secs => {rate_limit.WAIT})) AS opens_at,
        concat_ws(' ', c.key_version, c.updated_at, c.base_url, e.updated_at,
            s.updated_at) AS stamp
    FROM engagements_run r
    JOIN engagements_engagement e ON e.id = r.engagement_id AND e.state = 'active'
    JOIN segments_segment s ON s.id = e.segment_id
    JOIN externalapi_externalapiversion v ON v.id = r.version_id
    JOIN externalapi_connection c ON c.id = v.connection_id
    LEFT JOIN engagements_destination d ON d.connection_id = c.id
    CROSS JOIN LATERAL {rate_limit.AT_ONCE}
    WHERE r.state IN ('expanding', 'sending')
"""
# Each run offers its oldest due batches. The claim takes every engagement's first
# before any one's second, those of people who just entered a segment before others: a
# small engagement is not stuck behind a large one, and nobody's turn is always last.
# A batch whose worker went away is taken alone: it may have been what killed it.
# A claim that a crash of the database forgets was none: the intent asks again. A token
# begins with the mark of the process that has it.
CLAIM_DUE = f"""
    WITH offered AS (
        SELECT b.id, w.stamp, w.is_standing, b.reap_count, row_number() OVER (
            PARTITION BY w.engagement_id ORDER BY b.next_attempt_at
        ) AS n
        FROM ({WAYS}) w
        CROSS JOIN LATERAL (
            SELECT id, next_attempt_at, reap_count FROM engagements_batch
            WHERE run_id = w.run_id AND state IN ('pending', 'retry')
              AND next_attempt_at <= clock_timestamp()
            ORDER BY next_attempt_at LIMIT least(%(limit)s, w.permits)
            FOR UPDATE SKIP LOCKED
        ) b
        WHERE (w.is_standing OR NOT %(only_standing)s) AND w.permits > 0
          AND w.opens_at <= clock_timestamp()
    ), suspect AS (
        SELECT id, stamp, is_standing FROM offered
        WHERE reap_count > 0 ORDER BY reap_count LIMIT 1
    ), others AS (
        SELECT id, stamp, is_standing FROM offered
        WHERE NOT EXISTS (SELECT FROM suspect)
        ORDER BY n, NOT is_standing, random() LIMIT %(limit)s
    ), chosen AS (
        TABLE suspect UNION ALL TABLE others
    )
    UPDATE engagements_batch b
    SET state = 'leased', lease_token = overlay(
            gen_random_uuid()::text PLACING %(mark)s FROM 1)::uuid,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    FROM chosen WHERE b.id = chosen.id AND {LATER_ON_DISK}
    RETURNING b.id, b.run_id, b.lease_token, b.profile_ids, b.event_ids,
        b.transition_ids, b.left_out, chosen.stamp, b.reap_count > 0,
        chosen.is_standing, coalesce(b.written_at, clock_timestamp()),
        b.written_at IS NOT NULL, %(until)s::double precision
"""
# Asked before the others, which take PostgreSQL ten times as long to plan: mostly no
# batch waits.
FIRST = """
    SELECT min(b.next_attempt_at) - clock_timestamp() FROM engagements_run r
    CROSS JOIN LATERAL (
        SELECT next_attempt_at FROM engagements_batch
        WHERE run_id = r.id AND state IN ('pending', 'retry')
        ORDER BY next_attempt_at LIMIT 1
    ) b
    WHERE r.state IN ('expanding', 'sending')
"""
NEXT_DUE = f"""
    SELECT min(greatest(b.next_attempt_at, w.opens_at)) - clock_timestamp()
    FROM ({WAYS}) w
    JOIN engagements_batch b ON b.run_id = w.run_id AND b.state IN ('pending', 'retry')
"""
PUT_BACK = """
    UPDATE engagements_batch b
    SET state = 'pending', lease_token = NULL, lease_until = NULL,
        next_attempt_at = clock_timestamp() + make_interval(secs => %s)
    FROM unnest(%s::bigint[], %s::uuid[]) AS x (id, token)
    WHERE b.id = x.id AND b.state = 'leased' AND b.lease_token = x.token
"""


def clock() -> float:
    """Seconds that go on whatever this process does: for intervals, and no other use."""
    return time.clock_gettime(_CLOCK)


def claim(limit: int, *, only_standing: bool = False) -> list[Claim]:
    """Take up to `limit` due batches for one lease, fairly between engagements."""
    lease = settings.DELIVERY_LEASE.total_seconds()
    wanted: dict[str, Any] = {
        "limit": limit,
        "lease": lease,
        "only_standing": only_standing,
        "mark": workers.mark(),
        # From before the database's own begins.
        "until": clock() + lease,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_DUE, wanted)
        return [Claim(*row) for row in cursor]


def put_back(claims: Sequence[Claim], wait: timedelta) -> None:
    """Give back batches that were claimed and not sent; nothing is used up."""
    if claims:
        with connection.cursor() as cursor:
            cursor.execute(
                PUT_BACK,
                [
                    wait.total_seconds(),
                    [held.batch_id for held in claims],
                    [held.token for held in claims],
                ],
            )


def may_be_any() -> bool:
    """Whether a batch is due, if what it waits for besides its time lets it through."""
    first_in = _ask(FIRST)
    return first_in is not None and first_in <= timedelta(0)


def next_due_in() -> timedelta | None:
    """How long until a batch may be sent; None when none waits."""
    return None if _ask(FIRST) is None else _ask(NEXT_DUE)


def _ask(statement: str) -> timedelta | None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        due_in: timedelta | None = cursor.fetchone()[0]
    return due_in
