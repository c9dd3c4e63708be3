"""Of the lines that a standing run comes to those that are not taken in, and why.

Skipped, with a delivery that says so: whoever left the segment while a delay went by
(of those who leave it: came back), and more events of a person than the engagement takes
in a time. Left out: an event that was taken in already and goes along with a later
entry, and an exit that only says that two people are one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from engagements.audience import log_lines
from engagements.guards import left_segment
from engagements.models import Engagement
from engagements.outbox.names import NAMES
from engagements.personalization.renderer import Skip
from externalapi.retention import in_chunks

Trigger = Engagement.Trigger
OVER_LIMIT = Skip(
    code="over_limit",
    message="More events of the person were taken in by then than the limit allows.",
)

# Somebody moved the other way after the line, by their own name or as whom they are
# part of by now.
_MOVED = """EXISTS (
    SELECT FROM segments_transition x
    WHERE x.profile_id IN (o.profile_id, p.merged_into_id)
      AND x.segment_id = %(segment)s AND x.kind = '{kind}' AND x.id > o.transition_id
      AND x.is_by_merge IS NOT TRUE
)"""
IS_GONE: Mapping[str, str] = {
    Trigger.ON_ENTRY: _MOVED.format(kind="exit"),
    Trigger.EACH_EVENT: _MOVED.format(kind="exit"),
    Trigger.ON_EXIT: _MOVED.format(kind="entry"),
}
# The event stands in an earlier line: somebody came in again by something else.
IS_OLD = """(o.kind = 'entry' AND EXISTS (
    SELECT FROM segments_transition x
    WHERE x.event_id = o.event_id AND x.segment_id = %(segment)s
      AND x.kind IN ('entry', 'again') AND x.id < o.transition_id
))"""
IS_NONE: Mapping[str, str] = {
    Trigger.EACH_EVENT: IS_OLD,
    Trigger.ON_EXIT: "o.is_by_merge IS TRUE",
}
_READ = """
    WITH offered AS MATERIALIZED ({lines})
    SELECT o.transition_id, coalesce(p.merged_into_id, o.profile_id), {is_none}, {is_gone}
    FROM offered o LEFT JOIN segments_profile p ON p.id = o.profile_id
    ORDER BY o.place
"""
# In the place of the run's next people: the lines that are left.
KEPT = """
    SELECT profile_id, event_id, id AS transition_id, id AS place
    FROM segments_transition WHERE id = ANY(%(kept)s::bigint[]) ORDER BY id
"""
# Batches that nobody sends, so that each line has its delivery.
SKIP = """
    WITH people AS (
        SELECT t.profile_id, t.event_id, t.id AS transition_id, x.reason,
            (row_number() OVER (ORDER BY t.id) - 1) / %(size)s AS batch,
            (row_number() OVER (ORDER BY t.id) - 1) %% %(size)s AS place
        FROM unnest(%(skipped)s::bigint[], %(reasons)s::text[]) x (id, reason)
        JOIN segments_transition t ON t.id = x.id
    ), batches AS (
        INSERT INTO engagements_batch (run_id, sequence, state, profile_ids, event_ids,
            transition_ids, left_out, skip_counts)
        SELECT %(run)s, %(sequence)s + batch, 'done',
            array_agg(profile_id ORDER BY place),
            CASE WHEN count(event_id) = 0 THEN '{}'
                ELSE array_agg(event_id ORDER BY place) END,
            array_agg(transition_id ORDER BY place),
            array_agg(place::smallint ORDER BY place), (
                SELECT jsonb_object_agg(code, n) FROM (
                    SELECT split_part(reason, ':', 1) AS code, count(*) AS n
                    FROM people own WHERE own.batch = people.batch GROUP BY 1
                ) c
            )
        FROM people GROUP BY batch RETURNING id, sequence
    )
    INSERT INTO engagements_delivery
        (run_id, profile_id, event_id, transition_id, batch_id, state, reason)
    SELECT %(run)s, p.profile_id, p.event_id, p.transition_id, b.id, 'skipped', p.reason
    FROM people p JOIN batches b ON b.sequence = %(sequence)s + p.batch
"""
TIMES = f"""
    SELECT n.root, t.times FROM ({NAMES}) n
    JOIN engagements_takenin t ON t.profile_id = n.name
        AND t.engagement_id = %(engagement)s
"""
FORGET_PARTS = f"""
    DELETE FROM engagements_takenin t USING ({NAMES}) n
    WHERE t.profile_id = n.name AND n.name <> n.root AND t.engagement_id = %(engagement)s
    RETURNING n.root
"""
# unnest would take lists of lists apart: each goes as the text of one.
KEEP_TIMES = """
    INSERT INTO engagements_takenin (profile_id, engagement_id, times, last_at)
    SELECT x.profile_id, %s, x.times::timestamptz[], %s
    FROM unnest(%s::bigint[], %s::text[]) x (profile_id, times)
    ON CONFLICT (profile_id, engagement_id) DO UPDATE
    SET times = excluded.times, last_at = excluded.last_at
"""
FORGET_OLD = """
    DELETE FROM engagements_takenin WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM engagements_takenin
        WHERE last_at < %s ORDER BY last_at LIMIT %s
    ))
"""
CHUNK = 2_000


class _Line(NamedTuple):
    """A line of the log; `person`: whom it is about, as whom they are part of now."""

    id: int
    person: int
    is_none: bool
    is_gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """What becomes of the next lines: they are `count`, the last of them is `last`.

    `kept` and `skipped` (with why) are ids of lines; `repeats` were sent already.
    """

    count: int
    last: int
    kept: Sequence[int]
    skipped: Mapping[int, Skip]
    repeats: int


def is_needed(engagement: Engagement) -> bool:
    """Whether any line of such an engagement's run may be one that is not taken in."""
    is_cancelled = bool(engagement.delay_time) and engagement.skips_who_left
    return engagement.trigger in IS_NONE or is_cancelled


def sift(engagement: Engagement, asked: Mapping[str, Any], limit: int | None) -> Sifted:
    """Look at the next lines of a run whose row is locked; `asked` as log_lines.offered.

    At most `limit` events of a person are kept in the engagement's time.
    """
    lines = _read(engagement, asked)
    cancels = bool(engagement.delay_time) and engagement.skips_who_left
    gone = left_segment.why(engagement)
    skipped = {one.id: gone for one in lines if one.is_gone and not one.is_none}
    skipped = skipped if cancels else {}
    left = [one for one in lines if not one.is_none and one.id not in skipped]
    if limit is not None and left:
        over = _over(engagement, left, limit)
        skipped |= dict.fromkeys(over, OVER_LIMIT)
    is_each = engagement.trigger == Trigger.EACH_EVENT
    return Sifted(
        count=len(lines),
        last=lines[-1].id if lines else 0,
        kept=[one.id for one in left if one.id not in skipped],
        skipped=skipped,
        repeats=sum(one.is_none for one in lines) if is_each else 0,
    )


def _read(engagement: Engagement, asked: Mapping[str, Any]) -> list[_Line]:
    has_delay = bool(engagement.delay_time)
    is_cancelled = has_delay and engagement.skips_who_left
    statement = _READ.format(
        lines=log_lines.offered(engagement.trigger, has_delay=has_delay),
        is_none=IS_NONE.get(engagement.trigger, "false"),
        is_gone=IS_GONE[engagement.trigger] if is_cancelled else "false",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return [_Line(*row) for row in cursor.fetchall()]


def skip(skipped: Mapping[int, Skip], asked: Mapping[str, Any]) -> int:
    """Write the deliveries of these lines; return how many batches that makes.

    `asked`: the `run`, the first batch's `sequence`, and the `size` of batches.
    """
    if not skipped:
        return 0
    lines: dict[str, Any] = {
        "skipped": list(skipped),
        "reasons": [str(why) for why in skipped.values()],
    }
    with connection.cursor() as cursor:
        cursor.execute(SKIP, {**asked, **lines})
    return -(-len(skipped) // int(asked["size"]))


# --- At most so many events of a person in a time -------------------------------------


def _over(engagement: Engagement, lines: Sequence[_Line], limit: int) -> list[int]:
    """The lines that are too many, by the order of the log; the others are noted.

    Whoever takes in has the run's lock to the end of the transaction, so two workers
    cannot both find room for one more.
    """
    people = sorted({one.person for one in lines})
    now, times, changed = _times(engagement, people)
    over: list[int] = []
    for one in lines:
        own = times.setdefault(one.person, [])
        if len(own) >= limit:
            over.append(one.id)
            continue
        own.append(now)
        changed.add(one.person)
    _keep(engagement, {person: times[person] for person in sorted(changed)})
    return over


def _times(
    engagement: Engagement, people: Sequence[int]
) -> tuple[datetime, dict[int, list[datetime]], set[int]]:
    """The time now, and when these people's events were taken in within the time.

    What is kept of their parts is theirs from now on: whose that is, is the third.
    """
    asked: dict[str, Any] = {"people": list(people), "engagement": engagement.pk}
    found: dict[int, list[datetime]] = {}
    with connection.cursor() as cursor:
        # By now another worker's transaction, which was waited for, is over.
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        since: datetime = now - engagement.limit_time
        cursor.execute(TIMES, asked)
        for person, times in cursor.fetchall():
            found.setdefault(person, []).extend(at for at in times if at > since)
        cursor.execute(FORGET_PARTS, asked)
        joined = {root for (root,) in cursor.fetchall() if found.get(root)}
    return now, {person: sorted(times) for person, times in found.items()}, joined


def _keep(engagement: Engagement, times: Mapping[int, Sequence[datetime]]) -> None:
    if times:
        texts = [f"{{{','.join(map(str, own))}}}" for own in times.values()]
        last_at = max(own[-1] for own in times.values())
        with connection.cursor() as cursor:
            cursor.execute(KEEP_TIMES, [engagement.pk, last_at, list(times), texts])


def forget_old(before: datetime, deadline: float) -> int:
    """Delete what no limit asks for since a time; return of how many people it was.

    In chunks, until none is left or time.monotonic() is at `deadline`.
    """
    return in_chunks(FORGET_OLD, before, CHUNK, deadline)
