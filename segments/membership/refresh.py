"""Who is in a segment: entries and exits as a set difference, and the log of them.

Every writer here takes the segment's row lock first and holds it to the end of its
transaction: Transition says why. Several segments are locked in order of id.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ValidationError
from django.db import Error, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from lemnisk_braze.lib.database_errors import LOCKED, TOO_LONG, About, about, sqlstate
from lemnisk_braze.lib.logs import get_logger
from segments.models import Profile, Segment
from segments.models.signals import segments_changed
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
# So many people who cannot be asked, and not one who can: it is not the people.
SUSPECTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How many people entered and how many left."""

    entered: int = 0
    left: int = 0

    def __add__(self, other: "Change") -> "Change":
        return Change(entered=self.entered + other.entered, left=self.left + other.left)

    def __bool__(self) -> bool:
        return bool(self.entered or self.left)


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
    asking = _Asking(segment=segment)
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
        _leave_alone(segment_id, e)
    return Change()


def evaluate(
    profile_ids: Sequence[int], event_names: Sequence[str] | None = None
) -> Change:
    """Let the given people enter and leave the active segments concerned.

    `event_names`: just the segments that read one of these events; None: all.
    """
    if not profile_ids or (event_names is not None and not event_names):
        return Change()
    concerned = Q(is_active=True, problem="")
    if event_names is not None:
        concerned &= Q(event_names__has_any_keys=list(event_names))
    change = Change()
    with transaction.atomic():
        for segment in _locked().filter(concerned):
            change += _evaluate_one(segment, sorted(set(profile_ids)))
    return change


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


def _evaluate_one(segment: Segment, profile_ids: Sequence[int]) -> Change:
    """One broken segment, or one person's value, must not hold up everybody's data."""
    try:
        return _Asking(segment=segment).ask(profile_ids)
    except SoftTimeLimitExceeded:
        raise
    except Exception as e:
        _leave_alone(segment.pk, e)
        return Change()


@dataclass(slots=True, kw_only=True)
class _Asking:
    """Lets people in and out of a segment; whose value cannot be asked stays as they are.

    Only where nobody can be asked it is the segment's own fault: then their error is
    raised.
    """

    segment: Segment
    refused: dict[int, Error] = field(default_factory=dict)
    is_anybody_asked: bool = False

    def ask(self, ids: Sequence[int]) -> Change:
        change = self._in_halves(ids)
        self._blame()
        for person, error in self.refused.items():
            logger.error(
                "segment.person_refused",
                segment_id=self.segment.pk,
                profile_id=person,
                exc_info=error,
            )
        self.refused.clear()
        return change

    def _in_halves(self, ids: Sequence[int]) -> Change:
        try:
            with transaction.atomic():
                change = _apply_difference(self.segment, ids)
        except Error as e:
            if about(e) is About.CONNECTION:
                raise
            if len(ids) == 1:
                self.refused[ids[0]] = e
                if len(self.refused) >= SUSPECTS:
                    self._blame()
                return Change()
        else:
            self.is_anybody_asked = True
            return change
        half = len(ids) // 2
        return self._in_halves(ids[:half]) + self._in_halves(ids[half:])

    def _blame(self) -> None:
        for error in self.refused.values():
            if about(error) is About.STATEMENT and not self.is_anybody_asked:
                raise error


def _leave_alone(segment_id: int, error: Exception) -> None:
    """Ask nobody for this segment until a later count of it succeeds.

    Whoever comes meanwhile is found by that count. Raises the error where it is the
    database that is away, or somebody else at the segment.
    """
    if about(error) is About.CONNECTION and sqlstate(error) != TOO_LONG:
        raise error
    logger.error("segment.failed", segment_id=segment_id, exc_info=error)
    Segment.objects.filter(pk=segment_id).update(
        problem=_in_words(error), problem_at=Now()
    )


def _in_words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(error.messages[0])
    if sqlstate(error) == TOO_LONG:
        return "Counting it takes too long. Make its rule simpler."
    return f"A mistake of ours: {type(error).__name__}. The log has it."


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
        transaction.on_commit(_ring)
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


def _ring() -> None:
    segments_changed.send_robust(sender=Segment)


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
