"""How long is kept what was sent, and what of it goes after that.

The tick calls it each time for a moment: a large heap is worked off in many ticks.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from django.conf import settings
from django.db import connection, transaction

import externalapi.retention
import segments.retention
from engagements.audience import send_again, sifting
from engagements.guards import caps
from lemnisk_braze.lib import database_clock
from segments.imports import storing
from segments.lists import runner as lists_runner

# What all of it may take of a tick, in seconds.
SECONDS = 1.5
# No limit of a person's events is about longer.
LIMITS = timedelta(days=1)
# How many messages came in a minute is asked about the last day.
MINUTES = timedelta(days=2)
LONG_LISTS = timedelta(days=3)
# No file takes so long to come in.
LEFT_BEHIND = timedelta(days=1)
BATCHES = 200
ATTEMPTS = 1_000
# How long it is kept, and what deletes those before a time until time.monotonic() says
# so; it returns how many.
Kind: TypeAlias = tuple[timedelta, Callable[[datetime, float], int]]

# Ids grow with the time of making, so the oldest are found without an index for it.
OLDEST = """
    SELECT max(id) FROM (
        SELECT id, created_at FROM engagements_batch
        WHERE id > %(last)s ORDER BY id LIMIT %(limit)s
    ) b WHERE created_at < %(before)s
"""
# Only what has come to its end goes, and only as a whole: a batch with all that was
# tried and with everybody in it, when the last of that is old enough. Who is uncertain
# stays until somebody has decided, and a batch that was split as long as its parts.
CLOSED = """
    SELECT b.id FROM engagements_batch b
    WHERE b.id > %(last)s AND b.id <= %(until)s AND b.created_at < %(before)s
      AND b.state IN ('done', 'split', 'dead', 'cancelled')
      AND NOT EXISTS (SELECT FROM engagements_batch c WHERE c.parent_id = b.id)
      AND NOT EXISTS (
          SELECT FROM engagements_attempt a
          WHERE a.batch_id = b.id AND a.started_at >= %(before)s
      )
      AND NOT EXISTS (
          SELECT FROM unnest(b.profile_ids, b.transition_ids) m (profile_id, entry_id)
          JOIN engagements_delivery d ON d.profile_id = m.profile_id
            AND d.run_id = b.run_id AND d.transition_id = coalesce(m.entry_id, 0)
          WHERE d.batch_id = b.id AND d.updated_at >= %(before)s
      )
    ORDER BY b.id
"""
FREE = "FOR UPDATE SKIP LOCKED"
DELETE_DELIVERIES = """
    DELETE FROM engagements_delivery d USING (
        SELECT b.id, b.run_id, m.profile_id, coalesce(m.entry_id, 0) AS entry_id
        FROM engagements_batch b
        CROSS JOIN LATERAL unnest(b.profile_ids, b.transition_ids)
            m (profile_id, entry_id)
        WHERE b.id = ANY(%s)
    ) x
    WHERE d.profile_id = x.profile_id AND d.run_id = x.run_id
      AND d.transition_id = x.entry_id AND d.batch_id = x.id
"""
# Theirs is the index of what was not sent.
DELETE_ERASED = """
    DELETE FROM engagements_delivery d USING engagements_batch b
    WHERE b.id = ANY(%s) AND d.run_id = b.run_id AND d.batch_id = b.id
      AND d.state = 'erased'
"""
# Theirs too: who was given up because no batch could hold them (audience.PASS_OVER).
DELETE_PASSED_OVER = """
    DELETE FROM engagements_delivery d USING engagements_batch b
    WHERE b.id = ANY(%s) AND b.profile_ids = '{}' AND d.run_id = b.run_id
      AND d.batch_id = b.id AND d.state = 'dead'
"""
DELETE_ATTEMPTS = "DELETE FROM engagements_attempt WHERE batch_id = ANY(%s)"
DELETE_BATCHES = "DELETE FROM engagements_batch WHERE id = ANY(%s)"
GOING = (
    DELETE_DELIVERIES,
    DELETE_ERASED,
    DELETE_PASSED_OVER,
    DELETE_ATTEMPTS,
    DELETE_BATCHES,
)
CLEAR_RESPONSES = """
    UPDATE engagements_attempt SET response_head = '' WHERE id IN (
        SELECT id FROM engagements_attempt
        WHERE started_at < %s AND response_head <> ''
        ORDER BY started_at LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""
# Events that a payload may still be made of: of who waits, and of lines of the log that an
# engagement at work has not come to yet. Each id of an open batch is looked up by hash
# (PostgreSQL's of a list of constants): `&&` would compare it with each that is asked
# about. Two parts, for each has its index.
NEEDED_EVENTS = """
    SELECT e.id FROM (
        SELECT event_ids FROM engagements_batch
        WHERE state IN ('pending', 'leased', 'sending', 'retry')
        UNION ALL
        SELECT event_ids FROM engagements_batch WHERE state = 'uncertain'
    ) b CROSS JOIN LATERAL unnest(b.event_ids) e (id)
    WHERE e.id = ANY(%(ids)s::bigint[])
    UNION ALL
    SELECT t.event_id FROM segments_transition t
    JOIN engagements_engagement e ON e.segment_id = t.segment_id
    JOIN engagements_run r ON r.engagement_id = e.id AND r.is_standing
        AND r.state IN ('expanding', 'sending') AND t.id > r.expansion_cursor
    WHERE t.event_id = ANY(%(ids)s::bigint[])
"""


def clean(seconds: float = SECONDS) -> None:
    """Delete what is older than the settings say, in chunks, each kind in its time."""
    kinds: list[Kind] = [
        (settings.RETENTION_RESPONSES, clear_responses),
        (settings.RETENTION_EVENTS, segments.retention.clean_seen),
        (MINUTES, segments.retention.clean_minutes),
        (LIMITS, sifting.forget_old),
        (LONG_LISTS, segments.retention.clean_long_lists),
        (settings.RETENTION_REFUSED, segments.retention.clean_refused),
        (settings.RETENTION_REFUSED, segments.retention.clean_latest),
        (settings.RETENTION_IMPORTS, _clean_imports),
        (LEFT_BEHIND, _clean_left_behind),
        (timedelta(days=caps.DAYS), caps.forget),
        (settings.RETENTION_TESTS, externalapi.retention.clean_tests),
        # Of these there are most.
        (settings.RETENTION_DELIVERIES, clean_deliveries),
        (settings.RETENTION_EVENTS, _clean_events),
    ]
    in_turns(kinds, database_clock.now(), seconds)


def in_turns(kinds: Sequence[Kind], now: datetime, seconds: float) -> None:
    """Let each kind go in a part of the time; what it does not need, the others have.

    Of what is kept for ever (0 days) nothing goes.
    """
    end = time.monotonic() + seconds
    for number, (kept, clean_kind) in enumerate(kinds):
        started = time.monotonic()
        part = max(end - started, 0) / (len(kinds) - number)
        if kept:
            clean_kind(now - kept, started + part)


def clear_responses(before: datetime, deadline: float) -> int:
    """Forget what was answered to attempts from before a time; return how many."""
    return externalapi.retention.in_chunks(CLEAR_RESPONSES, before, ATTEMPTS, deadline)


def clean_deliveries(before: datetime, deadline: float) -> int:
    """Delete batches that ended before a time, with all that belongs to them.

    Returns how many. In chunks, until none is left or time.monotonic() is at `deadline`.
    """
    count = last = 0
    while time.monotonic() < deadline:
        bounds: dict[str, Any] = {"last": last, "limit": BATCHES, "before": before}
        with connection.cursor() as cursor:
            cursor.execute(OLDEST, bounds)
            bounds["until"] = last = cursor.fetchone()[0]
        if last is None:
            break
        # Behind no lock: their rows are locked behind nothing.
        caps.let_go(_closed(bounds))
        with transaction.atomic(), connection.cursor() as cursor:
            ids = _closed(bounds, FREE)
            send_again.remember(ids)
            for statement in GOING:
                cursor.execute(statement, [ids])
        count += len(ids)
    return count


def _closed(bounds: Mapping[str, Any], lock: str = "") -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(f"{CLOSED}{lock}", bounds)
        return [batch_id for (batch_id,) in cursor]


def _clean_events(before: datetime, deadline: float) -> int:
    return segments.retention.clean_events(before, deadline, needed_events)


def _clean_imports(before: datetime, deadline: float) -> int:
    return storing.clean(before) + lists_runner.clean(before)


def _clean_left_behind(before: datetime, deadline: float) -> int:
    return storing.clean_left_behind(before)


def needed_events(ids: list[int]) -> set[int]:
    """Of these events those that somebody who waits, or is uncertain, came in with.

    Also those that are still to be taken in.
    """
    with connection.cursor() as cursor:
        cursor.execute(NEEDED_EVENTS, {"ids": ids})
        return {event_id for (event_id,) in cursor}
