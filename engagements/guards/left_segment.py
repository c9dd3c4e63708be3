"""Who left the segment while they waited: looked at once more when a request is written.

Of an engagement of those who leave it: who came back. Most claims ask one thing only:
whether anybody at all left (or entered) since their people were taken in. The log answers
that from its own index, however long it is.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection

from engagements.guards.asking import Asked, Guard, Verdicts
from engagements.models import Engagement, Run
from engagements.outbox.claim import Claim
from engagements.personalization.renderer import Skip
from segments.models import copying

# In place of the last exit: the run's people were taken in from another segment.
OF_ANOTHER = -1
LEFT = Skip(code="left_segment", message="The person left the segment meanwhile.")
CAME_BACK = Skip(
    code="came_back", message="The person came back into the segment meanwhile."
)

# Written in such a way that only the log's own index gives the order.
_LINES = """
    SELECT t.id FROM segments_transition t
    WHERE t.segment_id = ANY(ARRAY[%(segment)s::bigint]) AND t.kind = '{kind}'
      AND t.id > %(after)s
    ORDER BY t.segment_id {direction}, t.kind {direction}, t.id {direction} LIMIT 1
"""
NEXT_EXIT = _LINES.format(kind="exit", direction="")
NEXT_ENTRY = _LINES.format(kind="entry", direction="")
MEMBERS = """
    SELECT profile_id FROM segments_membership
    WHERE segment_id = %(segment)s AND profile_id = ANY(%(people)s::bigint[])
"""
# Their membership went on with the person whom they are part of, who is in now. Where
# that person was in already, they left (segments.membership.following).
WENT_ON = """
    SELECT p.id FROM segments_profile p
    WHERE p.id = ANY(%(people)s::bigint[]) AND EXISTS (
        SELECT FROM segments_membership m
        WHERE m.profile_id = p.merged_into_id AND m.segment_id = %(segment)s
    )
"""
LEFT_FOR_ANOTHER = """
    SELECT p.id FROM segments_profile p
    WHERE p.id = ANY(%(people)s::bigint[]) AND (
        SELECT t.kind FROM segments_transition t
        WHERE t.profile_id = p.id AND t.segment_id = %(segment)s
        ORDER BY t.id DESC LIMIT 1
    ) = 'exit'
"""
MARK = f"""
    UPDATE engagements_run
    SET exits_before = coalesce(({_LINES.format(kind="exit", direction="DESC")}), 0)
    WHERE id = %(run)s
"""


def mark(run_id: int, segment_id: int) -> None:
    """Note the last exit before the run takes its first people in."""
    with connection.cursor() as cursor:
        cursor.execute(MARK, {"run": run_id, "segment": segment_id, "after": 0})


def mark_as_of_another_segment(engagement: Engagement) -> None:
    """Let all who are sent by its runs so far be looked up: the segment was changed.

    What they were taken in from is not what they must be in now, and no exit from that
    tells who is not.
    """
    engagement.runs.update(exits_before=OF_ANOTHER)


def why(engagement: Engagement) -> Skip:
    """What is said of those whom `who_left` finds."""
    is_of_exits = engagement.trigger == Engagement.Trigger.ON_EXIT
    return CAME_BACK if is_of_exits else LEFT


def who_left(
    run: Run, claims: Iterable[Claim], merged: Collection[int] = ()
) -> Collection[int]:
    """Of the people whom the run's claims hold those who are not in the segment now.

    Of people who were taken in because they left it, those who are. Nobody where the
    engagement sends to them all the same, but for those who are part of another now (of
    the `merged`) who is sent to in their own name.
    """
    engagement = run.engagement
    claims = list(claims)
    segment = engagement.segment_id
    if engagement.trigger == Engagement.Trigger.ON_EXIT:
        return _who_came_back(run, claims, merged)
    twice: set[int] = set()
    # What a part did itself nobody else is sent for.
    if merged and engagement.trigger != Engagement.Trigger.EACH_EVENT:
        held = {id for claim in claims for id in claim.profile_ids}
        twice = _ids(LEFT_FOR_ANOTHER, segment, held.intersection(merged))
    # Who is to be cleared has left before, and is stopped by nothing that comes later.
    if not engagement.clears_who_left:
        if not engagement.skips_who_left:
            return twice
        if run.exits_before != OF_ANOTHER and not _has_moved(NEXT_EXIT, run, claims):
            return twice
    people = {id for held in claims for id in held.profile_ids}
    gone = people - _ids(MEMBERS, segment, people)
    if merged:
        gone -= _ids(WENT_ON, segment, gone.intersection(merged))
    return gone | twice


def _who_came_back(
    run: Run, claims: Sequence[Claim], merged: Collection[int]
) -> Collection[int]:
    """Those who are in now, by their own name or as whom they are part of."""
    if not run.engagement.skips_who_left:
        return ()
    # Without an entry only who became part of somebody can be in.
    if not (merged or _has_moved(NEXT_ENTRY, run, claims)):
        return ()
    segment = run.engagement.segment_id
    people = {id for held in claims for id in held.profile_ids}
    is_in = _ids(MEMBERS, segment, people)
    return is_in | _ids(WENT_ON, segment, people.intersection(merged))


def _has_moved(statement: str, run: Run, claims: Sequence[Claim]) -> bool:
    """Whether there is such a line since the claims' people were taken in."""
    # What took them in is in the same log: what came later has the higher id.
    after = min(min(c.transition_ids, default=run.exits_before) for c in claims)
    segment = run.engagement.segment_id
    with connection.cursor() as cursor:
        cursor.execute(statement, {"segment": segment, "after": after})
        return cursor.fetchone() is not None


def members(segment_id: int, people: Collection[int]) -> set[int]:
    """Of these people those who are in the segment now."""
    return _ids(MEMBERS, segment_id, people)


def _ids(statement: str, segment_id: int, people: Collection[int]) -> set[int]:
    if not people:
        return set()
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {
            "segment": segment_id,
            "people": copying.id_array(people),
        }
        cursor.execute(statement, asked)
        return {id for (id,) in cursor.fetchall()}


def _is_set(asked: Asked) -> bool:
    return asked.run is not None or asked.engagement.skips_who_left


def _ask(asked: Asked) -> Verdicts:
    if asked.run is None:
        # Whoever is in has not left yet.
        if asked.engagement.trigger == Engagement.Trigger.ON_EXIT:
            return {}
        members = _ids(MEMBERS, asked.engagement.segment_id, asked.people.values())
        return asked.stopped(set(asked.people.values()) - members, LEFT)
    found = who_left(asked.run, asked.claims, asked.merged)
    return dict.fromkeys(found, why(asked.engagement))


GUARD = Guard(name="Still in the segment", is_set=_is_set, ask=_ask)
