"""From a segment's people to batches, by set operations."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from django.db import DatabaseError, connection, transaction

from engagements.audience import log_lines, send_again, sifting, to_take_in
from engagements.guards import ceiling, left_segment
from engagements.lifecycle import completion
from engagements.models import Engagement, Run
from engagements.outbox import workers
from engagements.personalization.renderer import people_per_batch
from engagements.schedules import own_zone
from engagements.schedules.own_zone import OwnZone
from lemnisk_braze.lib.database_errors import About, about, in_words
from lemnisk_braze.lib.database_retry import LATER_ON_DISK

# People taken in by one transaction: 100 full batches.
CHUNK = 7_500

# As log_lines fills `people` (who, brought in by which event, as which line of the log) in
# order of place.
FROM_MEMBERS = """
    SELECT profile_id, event_id, NULL::bigint AS transition_id, profile_id AS place
    FROM segments_membership
    WHERE segment_id = %(segment)s AND profile_id > %(cursor)s
      AND since <= %(started_at)s
    ORDER BY profile_id LIMIT %(chunk)s
"""
# Who was accepted from the engagement, and is not in its segment: after its members, as
# numbers below nobody's. Whoever is part of another by now is that person's business.
FROM_LEFT = """
    SELECT profile_id, NULL::bigint AS event_id, NULL::bigint AS transition_id,
        %(before)s + profile_id AS place
    FROM engagements_accepted a
    WHERE engagement_id = %(engagement)s AND profile_id > %(cursor)s - %(before)s
      AND NOT EXISTS (
          SELECT FROM segments_membership m
          WHERE m.segment_id = %(segment)s AND m.profile_id = a.profile_id
      )
      AND EXISTS (
          SELECT FROM segments_profile p
          WHERE p.id = a.profile_id AND p.merged_into_id IS NULL
      )
    ORDER BY profile_id LIMIT %(chunk)s
"""
# A list that says nothing of anybody stays empty: that is a third of the table.
_LISTS = """
    array_agg(profile_id ORDER BY place),
    CASE WHEN count(event_id) = 0 THEN '{{}}'
        ELSE array_agg(event_id ORDER BY place) END,
    CASE WHEN count(transition_id) = 0 THEN '{{}}'
        ELSE array_agg(transition_id ORDER BY place) END
"""
INTO_BATCHES = f"""
    audience AS (
        SELECT *, (row_number() OVER (ORDER BY place) - 1) / %(size)s AS batch
        FROM {{people}} people
    ), batches AS (
        INSERT INTO engagements_batch
            (run_id, sequence, state, profile_ids, event_ids, transition_ids)
        SELECT %(run)s, %(sequence)s + batch, 'pending', {_LISTS}
        FROM audience GROUP BY batch RETURNING 1
    )
"""
# Where people have a time each (`due`; none is now) those of a time go together.
INTO_BATCHES_BY_DUE = f"""
    audience AS (
        SELECT *, (row_number() OVER (PARTITION BY due ORDER BY place) - 1) / %(size)s
            AS batch
        FROM {{people}} people
    ), batches AS (
        INSERT INTO engagements_batch (run_id, sequence, state, next_attempt_at,
            profile_ids, event_ids, transition_ids)
        SELECT %(run)s, %(sequence)s + row_number() OVER (ORDER BY due, batch) - 1,
            'pending', coalesce(due, now()), {_LISTS}
        FROM audience GROUP BY due, batch RETURNING 1
    )
"""


def _take_in(into_batches: str, *, is_guarded: bool, is_by_due: bool = False) -> str:
    """(people, the last one's place, who is put into batches, batches, who is not due)"""
    counted = "(SELECT count(*) FROM audience), (SELECT count(*) FROM batches)"
    if not (is_guarded or is_by_due):
        return f"""
            WITH {into_batches.replace("{people}", "({people})")}
            SELECT count(*), max(place), {counted}, 0
            FROM audience WHERE {LATER_ON_DISK}
        """
    offered, never = "offered AS MATERIALIZED ({people})", "0"
    everybody = "offered"
    if is_by_due:
        # Whom this run has no time for ("infinity") is passed over.
        everybody = "everybody"
        offered = """everybody AS MATERIALIZED ({people}), offered AS MATERIALIZED (
            SELECT * FROM everybody WHERE due IS DISTINCT FROM 'infinity')"""
        never = "count(*) FILTER (WHERE due = 'infinity')"
    allowed = f"{send_again.ALLOWED}," if is_guarded else ""
    people = "allowed" if is_guarded else "offered"
    return f"""
        WITH {offered}, {allowed}
        {into_batches.replace("{people}", people)}
        SELECT count(*), max(place), {counted}, {never}
        FROM {everybody} WHERE {LATER_ON_DISK}
    """


TAKE_IN_ALL = _take_in(INTO_BATCHES, is_guarded=False)
TAKE_IN_ALLOWED = _take_in(INTO_BATCHES, is_guarded=True)
TAKE_IN_ALL_BY_DUE = _take_in(INTO_BATCHES_BY_DUE, is_guarded=False, is_by_due=True)
TAKE_IN_ALLOWED_BY_DUE = _take_in(INTO_BATCHES_BY_DUE, is_guarded=True, is_by_due=True)
# In a batch that holds nobody.
PASS_OVER = """
    WITH people AS ({people}), batches AS (
        INSERT INTO engagements_batch (run_id, sequence, state, profile_ids, event_ids,
            transition_ids)
        SELECT %(run)s, %(sequence)s, 'dead', '{{}}', '{{}}', '{{}}' FROM people
        RETURNING id
    ), ends AS (
        INSERT INTO engagements_delivery
            (run_id, profile_id, event_id, transition_id, batch_id, state, reason)
        SELECT %(run)s, profile_id, event_id, coalesce(transition_id, 0), batches.id,
            'dead', %(reason)s FROM people, batches
    )
    SELECT place FROM people
"""
_LOCK = """
    SELECT r.id, r.version_id, r.values, r.variants, e.segment_id, r.is_standing,
        r.started_at, r.expansion_cursor, r.next_sequence, e.id, CASE WHEN NOT r.is_standing
            THEN e.trigger ELSE coalesce(nullif(r.trigger, ''), 'on_entry') END,
        e.repeat, e.again, e.again_after_days, e.time_zone, e.skips_who_left, e.delay,
        e.delay_unit, e.most_events, e.most_events_per, e.clears_who_left,
        r.own_zone::text, e.ceiling, least(e.approval_above, (
            SELECT above FROM engagements_approvallimit ORDER BY id LIMIT 1))
    FROM engagements_run r JOIN engagements_engagement e ON e.id = r.engagement_id
    WHERE r.id = %s AND r.state IN ('expanding', 'sending')
"""
LOCK_IF_FREE = f"{_LOCK} FOR NO KEY UPDATE OF r SKIP LOCKED"
LOCK_STANDING = f"{_LOCK} AND r.is_standing FOR NO KEY UPDATE OF r"
ADVANCE = """
    UPDATE engagements_run
    SET expansion_cursor = %s, next_sequence = next_sequence + %s,
        repeats_left_out = repeats_left_out + %s, own_time_over = own_time_over + %s
    WHERE id = %s
"""
# A standing run has something to do where the log has a line since it last looked, and
# its delay is over. Every worker asks all the time, so it is asked in such a way that only
# the log's own index gives the order: a look at all later lines, or at the whole log,
# would take as long as the log is.
EXPANDABLE = f"""
    SELECT r.id FROM engagements_run r
    JOIN engagements_engagement e ON e.id = r.engagement_id AND e.state = 'active'
    WHERE r.state IN ('expanding', 'sending') AND (NOT r.is_standing
        AND r.state = 'expanding' OR r.is_standing AND EXISTS (
            SELECT FROM ({log_lines.FIRST_LINES}) x
            WHERE coalesce(e.delay, 0) = 0 OR due_at <= clock_timestamp()
        ))
    ORDER BY NOT r.is_standing, r.id
"""
NEXT_DUE = f"""
    SELECT min(x.due_at) - clock_timestamp() FROM engagements_run r
    JOIN engagements_engagement e ON e.id = r.engagement_id AND e.state = 'active'
    CROSS JOIN LATERAL ({log_lines.FIRST_LINES}) x
    WHERE r.state IN ('expanding', 'sending') AND r.is_standing AND e.delay > 0
"""


def expand(run_ids: Iterable[int]) -> int:
    """Take in one chunk of people for each of the runs; return how many in all.

    A run whose External API cannot be read fails by itself, and no other trouble of one
    stops the others either.
    """
    count = 0
    for run_id in run_ids:
        try:
            count += _expand(run_id)
        except ceiling.CeilingError as e:
            ceiling.stop(e, to_take_in.people(Run.objects.get(pk=run_id)))
        except ValueError as e:
            completion.fail(run_id, str(e))
        except Exception as e:
            if about(e) is About.CONNECTION:
                raise
            workers.report(e)
    return count


def _expand(run_id: int) -> int:
    """Take in one chunk of a run's people, or as many as come before a bad one."""
    most = CHUNK
    while True:
        try:
            return _expand_chunk(run_id, most)
        except DatabaseError as e:
            if about(e) is not About.ROW:
                raise
            if most == 1:
                return _pass_over(run_id, in_words(e))
        most //= 2


@transaction.atomic
def _pass_over(run_id: int, reason: str) -> int:
    """The next person, whom no batch can hold, is given up; return how many that is."""
    run = _locked(run_id)
    if run is None:
        return 0
    asked: dict[str, Any] = {**_asked(run), "chunk": 1, "reason": reason}
    with connection.cursor() as cursor:
        cursor.execute(PASS_OVER.format(people=run.people), asked)
        for (place,) in cursor.fetchall():
            cursor.execute(ADVANCE, [place, 1, 0, 0, run_id])
    return 1


def expandable_runs() -> list[int]:
    """Runs of active engagements that have people to take in, standing ones first."""
    with connection.cursor() as cursor:
        cursor.execute(EXPANDABLE)
        return [run_id for (run_id,) in cursor]


def next_due_in() -> timedelta | None:
    """How long until the first line is due that a delay holds; None where none is."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_DUE)
        due_in: timedelta | None = cursor.fetchone()[0]
    return due_in


@transaction.atomic
def _expand_chunk(run_id: int, most: int) -> int:
    run = _locked(run_id)
    if run is None:
        return 0
    if run.approval_above is not None and run.is_at_its_beginning:
        to_take_in.check_approval(run_id, run.approval_above)
    size = people_per_batch(run.version_id, run.values, run.variants)
    # Who is to be cleared waits for no time of their own, and was sent before.
    is_of_members = run.people != FROM_LEFT
    due, times = _due(run) if is_of_members else ("", {})
    is_guarded = is_of_members and _is_guarded(run)
    # What a crash of the database forgets here, it forgets with the cursor.
    if due:
        taking_in = TAKE_IN_ALLOWED_BY_DUE if is_guarded else TAKE_IN_ALL_BY_DUE
    else:
        taking_in = TAKE_IN_ALLOWED if is_guarded else TAKE_IN_ALL
    chunk = max(most // size, 1) * size if most > size else most
    if not (run.is_standing or run.cursor):
        left_segment.mark(run_id, run.segment)
    asked = {**_asked(run), **times, "size": size, "chunk": chunk}
    if run.is_standing and sifting.is_needed(run.of()):
        taking_in = taking_in.format(people=_at(due, sifting.KEPT))
        return _take_in_sifted(run, taking_in, asked, is_guarded=is_guarded)
    with connection.cursor() as cursor:
        cursor.execute(taking_in.format(people=_at(due, run.people)), asked)
        count, place, taken, batches, over = cursor.fetchone()
        if not count and run.clears_who_left and run.people == FROM_MEMBERS:
            # Those come next who are to be cleared; they wait for no time of their own.
            run = run._replace(cursor=to_take_in.BEFORE)
            cursor.execute(
                TAKE_IN_ALL.format(people=run.people),
                {**asked, "cursor": to_take_in.BEFORE},
            )
            count, place, taken, batches, over = cursor.fetchone()
        if count:
            repeats = count - over - taken
            cursor.execute(ADVANCE, [place, batches, repeats, over, run_id])
            run.count_in(taken)
        elif not run.is_standing:
            Run.objects.filter(pk=run_id).update(state=Run.State.SENDING)
    return int(count)


def _take_in_sifted(
    run: "_Expanding", taking_in: str, asked: dict[str, Any], *, is_guarded: bool
) -> int:
    """The same where not each line is taken in; return how many lines were looked at.

    `taking_in`: the statement that takes in those that are left.
    """
    # Who is sent once, or after days, has no second event to count.
    limit = None if is_guarded else run.most_events
    sifted = sifting.sift(run.of(), asked, limit)
    if not sifted.count:
        return 0
    asked = {**asked, "kept": list(sifted.kept)}
    with connection.cursor() as cursor:
        cursor.execute(taking_in, asked)
        kept, _, taken, batches, over = cursor.fetchone()
        after = {**asked, "sequence": asked["sequence"] + batches}
        batches += sifting.skip(sifted.skipped, after)
        repeats = kept - over - taken + sifted.repeats
        cursor.execute(ADVANCE, [sifted.last, batches, repeats, over, run.run])
    run.count_in(taken)
    return sifted.count


def _asked(run: "_Expanding") -> dict[str, Any]:
    engagement = run.of()
    return {
        **run._asdict(),
        **send_again.parameters(engagement),
        "delay": engagement.delay_time.total_seconds(),
        "before": to_take_in.BEFORE,
    }


class _Expanding(NamedTuple):
    """A run that takes in people; `values`, `variants` and `own_zone` as JSON."""

    run: int
    version_id: int
    values: str
    variants: str
    segment: int
    is_standing: bool
    started_at: datetime
    cursor: int
    sequence: int
    engagement_id: int
    trigger: str
    repeat: str
    again: str
    again_after_days: int | None
    time_zone: str
    skips_who_left: bool
    delay: int | None
    delay_unit: str
    most_events: int | None
    most_events_per: str
    clears_who_left: bool
    own_zone: str | None
    ceiling: int | None
    approval_above: int | None

    @property
    def is_at_its_beginning(self) -> bool:
        """Whether it is a pass over the segment that has taken in nobody yet."""
        return not (self.is_standing or self.cursor or self.sequence)

    @property
    def people(self) -> str:
        """Where its next people come from."""
        if self.is_standing:
            has_delay = bool(self.of().delay_time)
            return log_lines.offered(self.trigger, has_delay=has_delay)
        return FROM_MEMBERS if self.cursor >= 0 else FROM_LEFT

    def count_in(self, people: int) -> None:
        """Count them where there is a number that they may lead above."""
        if self.ceiling is not None or self.approval_above is not None:
            ceiling.count(
                self.run, people, self.ceiling, self.approval_above, self.time_zone
            )

    def of(self) -> Engagement:
        """What the engagement says of whom it takes in."""
        return Engagement(
            pk=self.engagement_id,
            trigger=self.trigger,
            repeat=self.repeat,
            again=self.again,
            again_after_days=self.again_after_days,
            time_zone=self.time_zone,
            skips_who_left=self.skips_who_left,
            delay=self.delay,
            delay_unit=self.delay_unit,
            most_events=self.most_events,
            most_events_per=self.most_events_per,
        )


def _due(run: _Expanding) -> tuple[str, Mapping[str, Any]]:
    """A query around {people} that says when each is due, and what it asks for.

    "" where all are at once.
    """
    if run.own_zone is None:
        return "", {}
    own = OwnZone.read(orjson.loads(run.own_zone))
    return own_zone.DUE, own.parameters()


def _at(due: str, people: str) -> str:
    """SQL of these people, each with the time at which they are due, if there is one."""
    return due.format(people=people) if due else people


def _is_guarded(run: _Expanding) -> bool:
    """Whether somebody may have been sent already; under a lock then."""
    if not send_again.is_guarded(run.of()):
        return False
    send_again.lock(run.engagement_id)
    # A segment's members are different people: only another run can have them.
    return run.is_standing or send_again.has_other_runs(run.engagement_id, run.run)


def _locked(run_id: int) -> _Expanding | None:
    """The run under its lock; None where another worker is taking in its people.

    For a standing run the lock is waited for: whoever holds it may have read the log
    just before the entry that this wake-up is about.
    """
    with connection.cursor() as cursor:
        for statement in (LOCK_IF_FREE, LOCK_STANDING):
            cursor.execute(statement, [run_id])
            if row := cursor.fetchone():
                return _Expanding(*row)
    return None
