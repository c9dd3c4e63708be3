"""One budget a connection, shared by all workers: it lives in the database.

A token bucket. It is filled so slowly, and holds so little, that no window of the
plan's length ever sees more requests than the plan allows, wherever it begins:
BUCKET of the plan at once, and what is left of it spread over the window. Workers take
tokens in slices, one statement for many requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from engagements.survival import LATER_ON_DISK

# The share of a burst plan that may go out at one moment.
BUCKET = 0.01
# The share of a full bucket that is kept for people who just entered a segment.
KEPT = 0.2
# How long a permit may be on its way to the wire, in seconds.
SLACK = 0.05

# Of a row d of Destination (it may be missing) and its connection c.
CAPACITY = f"greatest(1, floor(c.requests_per_burst * {BUCKET}))"
RATE = (
    f"((c.requests_per_burst - {CAPACITY} + 1)"
    f" / (c.burst_seconds + {SLACK})::double precision)"
)
TOKENS = f"""coalesce(least({CAPACITY}, d.tokens + {RATE} * greatest(0,
    extract(epoch FROM clock_timestamp() - d.refilled_at))), {CAPACITY})"""
HOUR_LEFT = """CASE WHEN c.requests_per_hour IS NULL THEN 2147483647
    WHEN d.hour_started_at IS NULL
      OR d.hour_started_at < date_trunc('hour', clock_timestamp())
    THEN c.requests_per_hour ELSE c.requests_per_hour - d.hour_used END"""
AT_ONCE_LEFT = """CASE WHEN c.requests_at_once IS NULL THEN 2147483647
    ELSE c.requests_at_once - (
        SELECT count(*) FROM engagements_batch b
        JOIN engagements_run br ON br.id = b.run_id
        JOIN externalapi_externalapiversion bv ON bv.id = br.version_id
        WHERE b.state = 'sending' AND bv.connection_id = c.id
    ) END"""
PERMITS = f"greatest(0, least(floor({TOKENS}), {HOUR_LEFT}, {AT_ONCE_LEFT}))::int"
# Seconds until a request may start, where {kept} tokens are left to others.
WAIT = f"""CASE
    WHEN {HOUR_LEFT} < 1 THEN extract(epoch FROM
        date_trunc('hour', clock_timestamp()) + interval '1 hour' - clock_timestamp())
    WHEN {AT_ONCE_LEFT} < 1 THEN 0.02
    ELSE greatest(0, 1 + {{kept}} - {TOKENS}) / {RATE} END"""

# The row's lock makes it exact across workers. While a probe is out, not the clock but
# its answer ends the wait, and until then the claim keeps away by itself.
TAKE = f"""
    WITH now AS (
        SELECT c.id, {TOKENS} AS tokens, {PERMITS} AS permits,
            floor({CAPACITY} * {KEPT})::int AS kept,
            d.blocked_until > clock_timestamp() AS is_blocked,
            CASE WHEN d.is_wary OR d.times_opened > 0 THEN 1
                WHEN d.succeeded_at > clock_timestamp() - %(idle)s THEN NULL
                ELSE %(few)s END AS few
        FROM engagements_destination d
        JOIN externalapi_connection c ON c.id = d.connection_id
        WHERE d.connection_id = %(connection)s FOR UPDATE OF d
    ), granted AS (
        SELECT *, CASE WHEN is_blocked THEN 0 ELSE least(
            permits, few, %(first)s + greatest(0, least(%(others)s, permits - kept))
        ) END AS n FROM now
    ), probed AS (
        SELECT *, CASE WHEN few IS NOT NULL AND n > 0
            THEN clock_timestamp() + %(probe)s END AS until FROM granted
    )
    UPDATE engagements_destination d SET
        tokens = g.tokens - g.n, refilled_at = clock_timestamp(),
        hour_used = g.n + CASE
            WHEN d.hour_started_at < date_trunc('hour', clock_timestamp()) THEN 0
            ELSE d.hour_used END,
        hour_started_at = date_trunc('hour', clock_timestamp()),
        blocked_until = coalesce(g.until, d.blocked_until),
        probing_until = coalesce(g.until, d.probing_until)
    FROM probed g JOIN externalapi_connection c ON c.id = g.id
    WHERE d.connection_id = g.id AND {LATER_ON_DISK}
    RETURNING g.n, g.until IS NOT NULL, CASE
        WHEN d.probing_until > clock_timestamp() THEN 0
        ELSE greatest(extract(epoch FROM d.blocked_until - clock_timestamp()),
            {WAIT.format(kept="g.kept")})
        END
"""
# Where nobody can be sure of a connection (its last answer was no success, or nothing
# was sent for a minute) so few requests go first and the others wait for their answer:
# a wrong key or a dead host costs those, and not a handful for each worker.
FEW = 3
IDLE = timedelta(seconds=60)
# Beside the request itself: the time around it, before a probe is taken for lost.
PROBE_MARGIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """How many requests may start now, and when to ask for more.

    `is_probe`: the connection is closed to everybody else until their answer is noted.
    """

    granted: int
    wait: timedelta
    is_probe: bool = False


def take(connection_id: int, first: int, others: int = 0) -> Permits:
    """Take requests out of a connection's budget.

    `first` are for people who just entered a segment; `others` leave a part of the
    bucket to such people who may come.
    """
    wanted: dict[str, Any] = {
        "connection": connection_id,
        "first": first,
        "others": others,
        "few": FEW,
        "idle": IDLE,
        "probe": timedelta(seconds=settings.HTTP_TOTAL_SECONDS) + PROBE_MARGIN,
    }
    with connection.cursor() as cursor:
        # A crash of the database forgets a few hundredths of a second of use.
        cursor.execute(TAKE, wanted)
        if cursor.rowcount == 0:
            cursor.execute(
                "INSERT INTO engagements_destination (connection_id) VALUES (%s)"
                " ON CONFLICT DO NOTHING",
                [connection_id],
            )
            cursor.execute(TAKE, wanted)
        granted, is_probe, seconds = cursor.fetchone()
    wait = timedelta(seconds=float(seconds))
    return Permits(granted=granted, wait=wait, is_probe=is_probe)


def close(connection_id: int, wait: timedelta) -> None:
    """Nobody sends on this connection for `wait`: the other side asked for it."""
    with connection.cursor() as cursor:
        cursor.execute(
            # Not to the end of a probe: this is the probe's answer.
            "UPDATE engagements_destination SET blocked_until = greatest("
            " nullif(blocked_until, probing_until),"
            " clock_timestamp() + make_interval(secs => %s))"
            " WHERE connection_id = %s",
            [wait.total_seconds(), connection_id],
        )


def narrow(remaining: Mapping[int, int]) -> None:
    """Take no more than the other side says is left, by connection.

    Somebody else may use the same workspace's budget.
    """
    with connection.cursor() as cursor:
        for connection_id, left in remaining.items():
            cursor.execute(
                f"UPDATE engagements_destination d SET tokens = least({TOKENS}, %s),"
                " refilled_at = clock_timestamp() FROM externalapi_connection c"
                " WHERE c.id = d.connection_id AND c.id = %s",
                [left, connection_id],
            )
