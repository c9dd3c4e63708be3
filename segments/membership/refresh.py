"""Who is in a segment: entries and exits as a set difference, and the log of them.

Every writer here takes the segment's row lock first and holds it to the end of its
transaction: Transition says why. Several segments are locked in order of id.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from lemnisk_braze.lib.database_errors import LOCKED, TOO_LONG, About, about, sqlstate
from lemnisk_braze.lib.logs import get_logger
from segments.membership import evaluation, moves
from segments.membership.moves import Change
from segments.models import Profile, Segment
from segments.rules import tree

logger = get_logger(__name__)

REFRESH_EVERY = timedelta(minutes=15)
# People whose data was just being written when a segment was saved are found by its
# first count or, where that data was committed a moment too late, by a second one.
SETTLED_AFTER = timedelta(minutes=1)
REFRESH_SECONDS = 30
# In seconds, for a segment that a process may have frozen in: others wait behind it.
PATIENCE = 2
# In seconds, for one count: it ends before its task is ended.
LONGEST_COUNT = 80
# A segment that could not be asked is left alone for so long.
TRIED_AGAIN_AFTER = timedelta(minutes=5)
# People who are asked together, where everybody at once could not be.
RANGE = 10_000


def refresh(
    segment_id: int, patience: int | None = None, longest: float | None = None
) -> Change:
    """Take in everybody whom the segment's rule names, and let the others go.

    Raises a ValidationError where the stored rule is wrong, and the database's error
    where others have the segment for longer than `patience` seconds (None: its own) or
    one of its statements takes longer than `longest` seconds (None: LONGEST_COUNT).
    """
    seconds = LONGEST_COUNT if longest is None else longest
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{seconds * 1_000:.0f}ms'")
            if patience is not None:
                cursor.execute(f"SET LOCAL lock_timeout = '{patience}s'")
            segment = _locked().get(pk=segment_id)
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
        change = _refresh_all(segment)
        Segment.objects.filter(pk=segment_id).update(refreshed_at=Now(), problem="")
    logger.info(
        "segment.refreshed",
        segment_id=segment_id,
        entered=change.entered,
        left=change.left,
    )
    return change


def _refresh_all(segment: Segment) -> Change:
    """Everybody at once; where somebody's value cannot be asked, the others by halves."""
    try:
        with transaction.atomic():
            if segment.refreshed_at is None:
                _renew_events(segment)
            return _apply_difference(segment, None)
    except Error as e:
        if about(e) is About.CONNECTION:
            raise
        logger.warning("segment.counted_apart", segment_id=segment.pk, because=e)
    asking = evaluation.InHalves(
        segment_id=segment.pk, apply=lambda some: _apply_to(segment, some)
    )
    everybody = Profile.objects.order_by("pk").values_list("pk", flat=True)
    change, last = Change(), 0
    while ids := list(everybody.filter(pk__gt=last)[:RANGE]):
        change += asking.ask(ids)
        last = ids[-1]
    return change


def try_refresh(
    segment_id: int, patience: int | None = None, longest: float | None = None
) -> Change:
    """The same where nobody waits for it: what goes wrong is written on the segment.

    Raises the database's error while it is away, and where a worker has more time.
    """
    try:
        return refresh(segment_id, patience, longest)
    except Segment.DoesNotExist:
        pass  # deleted since somebody asked for it
    except SoftTimeLimitExceeded:
        raise
    except Exception as e:
        if sqlstate(e) == TOO_LONG and longest is not None:
            raise
        evaluation.leave_alone(segment_id, e)
    return Change()


def evaluate(
    profile_ids: Sequence[int], event_names: Sequence[str] | None = None
) -> Change:
    """Let the given people enter and leave the active segments concerned.

    `event_names`: just the segments that read one of these events; None: all.
    """
    if event_names is None:
        return evaluation.evaluate(profile_ids)
    return evaluation.evaluate((), profile_ids, event_names)


def refresh_due(now: datetime) -> Change:
    """Refresh active segments never counted, or whose windows move on with the clock.

    Stops after half a minute; what is left is still due at the next tick.
    """
    change, deadline = Change(), time.monotonic() + REFRESH_SECONDS
    for segment in Segment.objects.filter(is_active=True).order_by(
        F("refreshed_at").asc(nulls_first=True)
    ):
        if time.monotonic() > deadline:
            break
        if is_due(segment, now):
            change += _refresh_if_free(segment.pk)
    return change


def is_due(segment: Segment, now: datetime) -> bool:
    """Whether it was not counted since it was saved, or its clock has run on since."""
    if segment.problem_at and segment.problem:
        return segment.problem_at < now - TRIED_AGAIN_AFTER
    if segment.refreshed_at is None:
        return True
    if segment.refreshed_at < segment.updated_at + SETTLED_AFTER < now:
        return True
    if segment.refreshed_at > now - REFRESH_EVERY:
        return False
    return tree.reads_the_clock(segment.rule)


def _refresh_if_free(segment_id: int) -> Change:
    try:
        return try_refresh(segment_id, PATIENCE)
    except Error as e:
        if sqlstate(e) != LOCKED:
            raise
        logger.info("segment.in_use", segment_id=segment_id)
        return Change()


def _locked() -> QuerySet[Segment]:
    return Segment.objects.select_for_update(no_key=True).order_by("pk")


@contextmanager
def hashing() -> Iterator[None]:
    """Compare sets by hash, in memory.

    PostgreSQL has no statistics of the CTEs below (nor of tables just filled) and
    would compare everybody with everybody.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '128MB'")
        yield
        cursor.execute(
            "SET LOCAL enable_nestloop TO DEFAULT; SET LOCAL work_mem TO DEFAULT"
        )


def _apply_to(segment: Segment, ids: Sequence[int]) -> Change:
    with transaction.atomic():
        return _apply_difference(segment, ids)


def _apply_difference(segment: Segment, ids: Sequence[int] | None) -> Change:
    """Write the difference between the rule and the memberships, and its log."""
    found = tree.people(segment.rule, ids).values("pk")
    matched, matched_params = found.query.sql_with_params()
    brought_in, in_params = _cause(segment.rule, ids)
    sent_off, off_params = _cause({"not": segment.rule}, ids)
    statement = DIFFERENCE.format(
        matched=matched,
        few="" if ids is None else FEW,
        brought_in=brought_in,
        sent_off=sent_off,
    )
    few_params = [] if ids is None else [list(ids)]
    params = [*matched_params, segment.pk, *few_params, *in_params, *off_params]
    with hashing(), connection.cursor() as cursor:
        cursor.execute(statement, params)
        entered, left = cursor.fetchone()
    change = Change(entered=entered, left=left)
    if change:
        Segment.objects.filter(pk=segment.pk).update(size=F("size") + entered - left)
        transaction.on_commit(moves.ring)
    return change


def _renew_events(segment: Segment) -> None:
    """Let what satisfies the rule as it is now go with who is in already."""
    event, params = _cause(segment.rule, None)
    with hashing(), connection.cursor() as cursor:
        cursor.execute(RENEW.format(event=event), [*params, segment.pk])


def _cause(
    rule: dict[str, Any], ids: Sequence[int] | None
) -> tuple[str, tuple[Any, ...]]:
    """The event that made the rule true for `moved.profile_id`, in SQL; else null."""
    found = tree.causes(rule, RawSQL("moved.profile_id", ()), ids)
    if not found:
        return "NULL::bigint", ()
    parts, params = zip(*(one.query.sql_with_params() for one in found), strict=True)
    union = ") UNION ALL (".join(parts)
    return NEWEST.format(events=union), tuple(chain.from_iterable(params))


# Of the events that satisfy the rule the newest goes with each person.
DIFFERENCE = """
WITH matched (id) AS MATERIALIZED ({matched}),
asked (segment_id) AS (SELECT %s::bigint),
members AS MATERIALIZED (
    SELECT m.id, m.profile_id FROM segments_membership m, asked
    WHERE m.segment_id = asked.segment_id {few}
),
moved AS (
    SELECT x.id AS profile_id, 'entry' AS kind FROM matched x
    WHERE NOT EXISTS (SELECT FROM members m WHERE m.profile_id = x.id)
    UNION ALL
    SELECT m.profile_id, 'exit' FROM members m
    WHERE NOT EXISTS (SELECT FROM matched x WHERE x.id = m.profile_id)
),
caused AS MATERIALIZED (
    SELECT moved.profile_id, moved.kind,
        CASE moved.kind WHEN 'entry' THEN {brought_in} ELSE {sent_off} END AS event_id
    FROM moved ORDER BY moved.profile_id
),
entered AS (
    INSERT INTO segments_membership (segment_id, profile_id, event_id)
    SELECT asked.segment_id, c.profile_id, c.event_id
    FROM caused c, asked WHERE c.kind = 'entry'
),
gone AS (
    DELETE FROM segments_membership m USING caused c, asked
    WHERE c.kind = 'exit' AND m.profile_id = c.profile_id
    AND m.segment_id = asked.segment_id
),
logged AS (
    INSERT INTO segments_transition (segment_id, profile_id, kind, event_id)
    SELECT asked.segment_id, c.profile_id, c.kind, c.event_id FROM caused c, asked
)
SELECT count(*) FILTER (WHERE kind = 'entry'), count(*) FILTER (WHERE kind = 'exit')
FROM caused
"""
RENEW = """
UPDATE segments_membership m SET event_id = renewed.event_id
FROM (
    SELECT moved.id, {event} AS event_id
    FROM segments_membership moved WHERE moved.segment_id = %s
) renewed
WHERE m.id = renewed.id AND m.event_id IS DISTINCT FROM renewed.event_id
"""
FEW = "AND m.profile_id = ANY(%s)"
NEWEST = """(
    SELECT e.id FROM (({events})) e (id, time) ORDER BY e.time DESC, e.id DESC LIMIT 1
)"""
