"""Delivery as it is now, read in a few queries."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from engagements.delivery import samples
from engagements.models import Chore, Destination, Engagement, Worker
from engagements.operations import alarms, bottleneck
from engagements.operations.types import (
    Backlog,
    ChoreSeen,
    Database,
    Doubt,
    Lease,
    Plan,
    Rate,
    Snapshot,
    WorkerSeen,
)
from engagements.throttling import circuit_breaker
from externalapi.models import Connection
from segments.ingest import health

WINDOWS = (10, 60, 300)
# A process that looked for work within this time is at work: a claim takes at most
# as long as a request may.
AT_WORK = timedelta(seconds=10)
# A worker that was not seen for so long has ended, or has had nothing to do.
SHOWN = timedelta(minutes=10)
HOUR = timedelta(hours=1)
# A mistake that came again since is an alarm.
RECENT = timedelta(minutes=5)
# A connection that nobody has sent anything to yet.
UNUSED = circuit_breaker.Reading(
    state=circuit_breaker.State.CLOSED,
    until=None,
    failures_in_a_row=0,
    problem="",
    problem_at=None,
)

BACKLOGS = """
    SELECT e.id, e.name, e.state, e.is_held, e.blocked_reason,
        array_agg(DISTINCT v.connection_id), coalesce(sum(b.people), 0)::bigint,
        count(b.id),
        count(b.id) FILTER (WHERE is_waiting AND b.next_attempt_at <= now.at),
        count(b.id) FILTER (WHERE b.state = 'pending' AND b.next_attempt_at > now.at),
        count(b.id) FILTER (WHERE NOT is_waiting),
        count(b.id) FILTER (WHERE b.state = 'retry'),
        coalesce(min(b.created_at), min(r.started_at)),
        min(b.next_attempt_at) FILTER (WHERE is_waiting AND b.next_attempt_at <= now.at),
        min(b.next_attempt_at) FILTER (WHERE is_waiting AND b.next_attempt_at > now.at),
        min(b.next_attempt_at) FILTER (WHERE b.state = 'retry'),
        max(b.next_attempt_at) FILTER (WHERE b.state = 'retry'),
        bool_or(r.state = 'expanding')
    FROM engagements_run r
    JOIN engagements_engagement e ON e.id = r.engagement_id
    JOIN externalapi_externalapiversion v ON v.id = r.version_id
    CROSS JOIN (SELECT clock_timestamp() AS at) now
    LEFT JOIN LATERAL (
        SELECT *, state IN ('pending', 'retry') AS is_waiting,
            cardinality(profile_ids) - cardinality(left_out) AS people
        FROM engagements_batch
        WHERE run_id = r.id AND state IN ('pending', 'retry', 'leased', 'sending')
    ) b ON true
    WHERE r.state IN ('expanding', 'sending')
    GROUP BY e.id HAVING count(b.id) > 0 OR bool_or(r.state = 'expanding')
    ORDER BY 7 DESC, e.id
"""
# By connection and window: people who were taken, requests that had an answer.
RATES = """
    SELECT v.connection_id, w.seconds, count(*),
        coalesce(sum(cardinality(b.profile_ids) - cardinality(a.left_out))
            FILTER (WHERE a.outcome IN ('sent', 'accepted_unverified')), 0)::bigint
    FROM engagements_attempt a
    JOIN engagements_batch b ON b.id = a.batch_id
    JOIN externalapi_externalapiversion v ON v.id = a.version_id
    JOIN unnest(%(windows)s) AS w (seconds)
      ON a.started_at + a.duration_ms * interval '1 ms'
         > clock_timestamp() - make_interval(secs => w.seconds)
    WHERE a.started_at > clock_timestamp() - make_interval(secs => %(longest)s)
    GROUP BY 1, 2
"""
LEASES = """
    SELECT coalesce(a.worker, ''), count(*),
        sum(cardinality(b.profile_ids) - cardinality(b.left_out))::bigint,
        min(coalesce(a.started_at, b.lease_until - make_interval(secs => %(lease)s))),
        min(b.lease_until), min(b.lease_until) < clock_timestamp()
    FROM engagements_batch b
    LEFT JOIN engagements_attempt a ON a.batch_id = b.id
      AND a.outcome = 'unfinished' AND b.state = 'sending'
    WHERE b.state IN ('leased', 'sending')
    GROUP BY 1 ORDER BY 1
"""
DOUBTS = """
    SELECT e.id, e.name, count(*),
        sum(cardinality(b.profile_ids) - cardinality(b.left_out)), min(b.created_at)
    FROM engagements_batch b
    JOIN engagements_run r ON r.id = b.run_id
    JOIN engagements_engagement e ON e.id = r.engagement_id
    WHERE b.state = 'uncertain'
    GROUP BY e.id ORDER BY e.name
"""
# Waits of more than a second: a short one is everyday life. Of this database: who waits
# in another holds nobody back here, while sessions are the whole server's.
DATABASE = """
    SELECT count(*), current_setting('max_connections')::int,
        count(*) FILTER (WHERE waits), coalesce(
            max(clock_timestamp() - query_start) FILTER (WHERE waits), interval '0')
    FROM (
        SELECT query_start, wait_event_type = 'Lock' AND datname = current_database()
            AND query_start < clock_timestamp() - interval '1 second' AS waits
        FROM pg_stat_activity WHERE backend_type = 'client backend'
    ) s
"""


@transaction.atomic
def read() -> Snapshot:
    """Read everything, then say what the limit is and which alarms are on."""
    at = _rows("SELECT clock_timestamp()")[0][0]
    rates = _rows(RATES, windows=list(WINDOWS), longest=_longest())
    lease = settings.DELIVERY_LEASE.total_seconds()
    snapshot = Snapshot(
        read_at=at,
        tick_at=samples.last_tick(),
        backlogs=_values(_backlog, BACKLOGS),
        rates=tuple(_rate(seconds, rates) for seconds in WINDOWS),
        plans=_plans(at, rates),
        leases=_values(_lease, LEASES, lease=lease),
        workers=_workers(at),
        chores=_chores(at),
        doubts=_values(_doubt, DOUBTS),
        database=_values(_database, DATABASE)[0],
        intake=health.read(),
        held_engagements=Engagement.objects.filter(is_held=True).count(),
        limit=bottleneck.NOTHING,
    )
    snapshot = bottleneck.judged(snapshot)
    return replace(snapshot, alarms=tuple(alarms.of(snapshot)))


def _longest() -> float:
    """Attempts that ended in the longest window began at most so long ago."""
    return max(WINDOWS) + float(settings.HTTP_TOTAL_SECONDS)


def _rows(query: str, **parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        rows: list[Any] = cursor.fetchall()
    return rows


def _values(make: Callable[..., Any], query: str, **parameters: Any) -> Any:
    return tuple(make(*row) for row in _rows(query, **parameters))


def _backlog(*row: Any) -> Backlog:
    (pk, name, state, is_held, reason, connections, people, batches, *rest) = row
    due, held_back, in_hand, retries, oldest, since, following, *retry, collects = rest
    return Backlog(
        engagement_id=pk,
        name=name,
        state=state,
        is_held=is_held,
        blocked_reason=reason,
        connection_ids=tuple(connections),
        people=people,
        batches=batches,
        due=due,
        held_back=held_back,
        in_hand=in_hand,
        retries=retries,
        oldest_at=oldest,
        due_since=since,
        next_at=following,
        retry_at=retry[0],
        last_retry_at=retry[1],
        is_collecting=collects,
    )


def _rate(seconds: int, rows: Iterable[Any]) -> Rate:
    found = [row for row in rows if row[1] == seconds]
    return Rate(
        seconds=seconds,
        people=sum(row[3] for row in found),
        requests=sum(row[2] for row in found),
    )


def _plans(at: datetime, rates: Iterable[Any]) -> tuple[Plan, ...]:
    rows = Destination.objects.in_bulk()
    return tuple(
        _plan(each, rows.get(each.pk), at, rates)
        for each in Connection.objects.order_by("name")
    )


def _plan(
    its: Connection, row: Destination | None, at: datetime, rates: Iterable[Any]
) -> Plan:
    window = WINDOWS[0]
    requests = sum(r[2] for r in rates if r[:2] == (its.pk, window))
    return Plan(
        connection_id=its.pk,
        name=its.name,
        burst_limit=its.requests_per_burst,
        burst_seconds=its.burst_seconds,
        hour_limit=its.requests_per_hour,
        hour_used=row.hour_used if row and row.hour_started_at > at - HOUR else 0,
        requests_a_second=requests / window,
        breaker=circuit_breaker.read(row, at) if row else UNUSED,
    )


def _lease(*row: Any) -> Lease:
    worker, batches, people, since, until, is_over = row
    return Lease(
        worker=worker,
        batches=batches,
        people=people,
        since=since,
        until=until,
        is_over=is_over,
    )


def _doubt(*row: Any) -> Doubt:
    pk, name, batches, people, oldest_at = row
    return Doubt(
        engagement_id=pk,
        name=name,
        batches=batches,
        people=people,
        oldest_at=oldest_at,
    )


def _database(*row: Any) -> Database:
    sessions, most, waiting, longest = row
    return Database(
        sessions=sessions,
        most_sessions=most,
        waiting_for_locks=waiting,
        longest_wait=longest,
    )


def _workers(at: datetime) -> tuple[WorkerSeen, ...]:
    nodes: dict[str, list[Worker]] = {}
    for worker in Worker.objects.filter(seen_at__gt=at - SHOWN).order_by("node"):
        nodes.setdefault(worker.node, []).append(worker)
    return tuple(_worker_seen(node, found, at) for node, found in nodes.items())


def _is_recent(worker: Worker, at: datetime) -> bool:
    return worker.problem_at is not None and worker.problem_at > at - RECENT


def _worker_seen(node: str, found: list[Worker], at: datetime) -> WorkerSeen:
    seen_at = max(worker.seen_at for worker in found)
    asked = [worker.drain_asked_at for worker in found if worker.drain_asked_at]
    return WorkerSeen(
        node=node,
        processes=len(found),
        seen_at=seen_at,
        is_at_work=seen_at > at - AT_WORK,
        drain_asked_at=min(asked, default=None),
        problem=next((w.problem for w in found if _is_recent(w, at)), ""),
        clock_ahead=max((worker.clock_ahead for worker in found), key=abs),
    )


def _chores(at: datetime) -> tuple[ChoreSeen, ...]:
    return tuple(
        ChoreSeen(
            name=chore.name, problem=chore.problem, trying_for=at - chore.trying_since
        )
        for chore in Chore.objects.order_by("trying_since")
        if chore.trying_since
    )
