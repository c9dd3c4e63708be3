"""One budget a connection, shared by all workers: it lives in the database."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection

# One statement takes the permits or finds the window used up; the row's lock makes it
# exact across workers. A window opens with its first request.
TAKE = """
    UPDATE engagements_destination d SET
        burst_started_at = w.burst_start, burst_used = w.burst_used + w.granted,
        hour_started_at = w.hour_start, hour_used = w.hour_used + w.granted
    FROM (
        SELECT *, CASE WHEN blocked THEN 0 ELSE greatest(0, least(
            %(wanted)s, burst_limit - burst_used,
            coalesce(hour_limit - hour_used, %(wanted)s)
        )) END AS granted
        FROM (
            SELECT d.connection_id,
                c.requests_per_burst AS burst_limit,
                c.requests_per_hour AS hour_limit,
                coalesce(d.blocked_until > clock_timestamp(), false) AS blocked,
                CASE WHEN burst_over THEN clock_timestamp()
                     ELSE d.burst_started_at END AS burst_start,
                CASE WHEN burst_over THEN 0 ELSE d.burst_used END AS burst_used,
                CASE WHEN hour_over THEN date_trunc('hour', clock_timestamp())
                     ELSE d.hour_started_at END AS hour_start,
                CASE WHEN hour_over THEN 0 ELSE d.hour_used END AS hour_used
            FROM (
                SELECT d.*,
                    d.burst_started_at + c.burst_seconds * interval '1 second'
                        <= clock_timestamp() AS burst_over,
                    d.hour_started_at + interval '1 hour'
                        <= clock_timestamp() AS hour_over
                FROM engagements_destination d
                JOIN externalapi_connection c ON c.id = d.connection_id
                WHERE d.connection_id = %(connection)s
                FOR UPDATE OF d
            ) d JOIN externalapi_connection c ON c.id = d.connection_id
        ) x
    ) w
    WHERE d.connection_id = w.connection_id
    RETURNING w.granted, greatest(
        extract(epoch FROM d.blocked_until - clock_timestamp()),
        CASE WHEN w.burst_used + w.granted >= w.burst_limit THEN extract(epoch FROM
            w.burst_start + (SELECT burst_seconds FROM externalapi_connection c
                WHERE c.id = w.connection_id) * interval '1 second'
            - clock_timestamp()) END,
        CASE WHEN w.hour_used + w.granted >= w.hour_limit THEN extract(epoch FROM
            w.hour_start + interval '1 hour' - clock_timestamp()) END,
        0
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """How many requests may start now, and when to ask for more."""

    granted: int
    wait: timedelta


def take(connection_id: int, wanted: int) -> Permits:
    """Take up to `wanted` requests out of a connection's budget."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO engagements_destination (connection_id) VALUES (%s)"
            " ON CONFLICT DO NOTHING",
            [connection_id],
        )
        cursor.execute(TAKE, {"connection": connection_id, "wanted": wanted})
        granted, seconds = cursor.fetchone()
    return Permits(granted=granted, wait=timedelta(seconds=float(seconds)))


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
