"""One budget a connection, shared by all workers: it lives in the database.

A token bucket. It is filled so slowly, and holds so little, that no window of the
plan's length ever sees more requests than the plan allows, wherever it begins:
BUCKET of the plan at once, and what is left of it spread over the window. Workers take
tokens in slices, one statement for many requests. Where the other side says that less
is left, because somebody else sends with the same workspace, that counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from lemnisk_braze.lib.database_retry import LATER_ON_DISK

# The share of a burst plan that may go out at one moment; where that is very few, as
# many as come together in this time, in seconds, so that nobody has to be there on the
# instant to take them.
BUCKET = 0.03
BUCKET_SECONDS = 0.1
BUCKET_FEW = 8
# The share of a full bucket that is kept for people who just entered a segment.
KEPT = 0.2
# How long a permit may be on its way to the wire, in seconds.
SLACK = 0.05

# Of a row d of Destination (it may be missing) and its connection c.
CAPACITY = f"""greatest(1, floor(c.requests_per_burst * {BUCKET}), least({BUCKET_FEW},
    ceil(c.requests_per_burst * {BUCKET_SECONDS} / c.burst_seconds)))"""
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
ON_THE_WIRE = """
    SELECT count(*) FROM engagements_batch b
    JOIN engagements_run br ON br.id = b.run_id
    JOIN externalapi_externalapiversion bv ON bv.id = br.version_id
    WHERE b.state IN {states} AND bv.connection_id = c.id
"""
LEFT = """CASE WHEN d.left_until > clock_timestamp() THEN d.left
    ELSE 2147483647 END"""


def _at_once(own: str) -> str:
    """One row with how many more requests may be under way at once.

    What is claimed counts as well: it may get its permit before it is on the wire. `own`
    are the batches that ask. Each time that it stands in a statement it is planned anew.
    """
    return f"""(
        SELECT CASE WHEN c.requests_at_once IS NULL THEN 2147483647
            ELSE c.requests_at_once - (
                {ON_THE_WIRE.format(states="('leased', 'sending')")}
                    AND b.id <> ALL({own})
            ) END OFFSET 0
    ) at_once (at_once_left)"""


# Of a row of `_at_once`, too.
PERMITS = f"greatest(0, least(floor({TOKENS}), {HOUR_LEFT}, {LEFT}, at_once_left))::int"


def _wait(kept: str) -> str:
    """Seconds until a request may start, where so many tokens are left to others."""
    return f"""CASE
        WHEN {HOUR_LEFT} < 1 THEN extract(epoch FROM date_trunc(
            'hour', clock_timestamp()) + interval '1 hour' - clock_timestamp())
        WHEN {LEFT} < 1 THEN extract(epoch FROM d.left_until - clock_timestamp())
        WHEN at_once_left < 1 THEN 0.02
        ELSE greatest(0, 1 + {kept} - {TOKENS}) / {RATE} END"""


# For whoever has claimed nothing yet.
AT_ONCE = _at_once("'{}'::bigint[]")
WAIT = _wait("0")

# The row's lock makes it exact across workers. While a probe is out, not the clock but
# its answer ends the wait, and until then the claim keeps away by itself.
TAKE = f"""
    WITH now AS (
        SELECT c.id, {TOKENS} AS tokens, {PERMITS} AS permits, at_once_left,
            floor({CAPACITY} * {KEPT})::int AS kept,
            d.blocked_until > clock_timestamp() AS is_blocked,
            CASE WHEN d.is_wary OR d.times_opened > 0 THEN 1
                WHEN d.succeeded_at > clock_timestamp() - %(idle)s THEN NULL
                ELSE %(few)s END AS few
        FROM engagements_destination d
        JOIN externalapi_connection c ON c.id = d.connection_id
        CROSS JOIN LATERAL {_at_once("%(own)s::bigint[]")}
        WHERE d.connection_id = %(connection)s FOR UPDATE OF d
    ), granted AS (
        SELECT *, CASE WHEN is_blocked THEN 0 ELSE least(
            permits, few,
            %(first)s + greatest(0, least(%(others)s, floor(tokens)::int - kept))
        ) END AS n FROM now
    ), probed AS (
        SELECT *, CASE WHEN few IS NOT NULL AND n > 0
            THEN clock_timestamp() + %(probe)s END AS until FROM granted
    )
    UPDATE engagements_destination d SET
        tokens = g.tokens - g.n, refilled_at = clock_timestamp(),
        "left" = CASE WHEN d.left_until > clock_timestamp() THEN d.left - g.n END,
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
            {_wait("g.kept")})
        END
"""
# Windows are the same where they end within two seconds of each other. In a burst's
# window little is left just because we use it up, and it is over by itself. What is on
# the wire is taken off: the other side may not have counted it yet.
NARROW = f"""
    UPDATE engagements_destination d SET left_until = %(until)s, "left" = least(
        CASE WHEN abs(extract(epoch FROM d.left_until - %(until)s)) < 2 THEN d.left END,
        greatest(0, %(left)s - ({ON_THE_WIRE.format(states="('sending')")}))
    )
    FROM externalapi_connection c
    WHERE c.id = d.connection_id AND c.id = %(connection)s
      AND %(until)s > clock_timestamp() + make_interval(secs => c.burst_seconds)
"""
# Where nobody can be sure of a connection (its last answer was no success, or nothing
# was sent for a minute) so few requests go first and the others wait for their answer:
# a wrong key or a dead host costs those, and not a whole claim of each worker.
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


def take(
    connection_id: int, first: int, others: int = 0, own: Sequence[int] = ()
) -> Permits:
    """Take requests out of a connection's budget.

    `first` are for people who just entered a segment; `others` leave a part of the
    bucket to such people who may come. `own` are the batches that they are for.
    """
    wanted: dict[str, Any] = {
        "connection": connection_id,
        "first": first,
        "others": others,
        "own": list(own),
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


def narrow(connection_id: int, left: int, until: datetime) -> None:
    """Start no more than `left` requests `until` then: the other side says so.

    Of several answers about the same window the lowest counts, for they come in any
    order; what is started after it is taken off as well.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            NARROW, {"connection": connection_id, "left": left, "until": until}
        )
