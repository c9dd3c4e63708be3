"""What a standing run reads of its segment's log: lines of which kinds, and from when on.

With a delay a line's turn comes when its own time and the delay are over, by the
database's clock. Lines are taken in by their ids and their times are nearly in that
order, so one may wait for the line before it: as long as a chunk of messages takes.
"""

from collections.abc import Mapping, Sequence

from engagements.models import Engagement

Trigger = Engagement.Trigger
KINDS: Mapping[str, Sequence[str]] = {
    Trigger.ON_ENTRY: ("entry",),
    Trigger.EACH_EVENT: ("entry", "again"),
    Trigger.ON_EXIT: ("exit",),
}
_OF_KIND = """(
    SELECT profile_id, event_id, id, kind, at, is_by_merge FROM segments_transition
    WHERE segment_id = %(segment)s AND kind = '{kind}' AND id > %(cursor)s
    ORDER BY id LIMIT %(chunk)s
)"""
# Who, brought here by which event, as which line of the log.
_LINES = """
    SELECT profile_id, event_id, id AS transition_id, id AS place, kind, at, is_by_merge
    FROM ({lines}) lines ORDER BY id LIMIT %(chunk)s
"""
_DUE = """
    SELECT * FROM (
        SELECT *, bool_and(
            at <= statement_timestamp() - make_interval(secs => %(delay)s)
        ) OVER (ORDER BY place) AS is_due FROM ({lines}) lines
    ) l WHERE is_due ORDER BY place
"""
# In seconds, of the engagement `e`.
DELAY = """
    coalesce(e.delay, 0) * CASE e.delay_unit
        WHEN 'minutes' THEN 60 WHEN 'hours' THEN 3600 ELSE 86400 END
"""
# The first line of each kind that the run `r` of the engagement `e` has not seen yet.
# Written in such a way that only the log's own index gives the order.
FIRST_LINES = f"""
    SELECT first.at + make_interval(secs => {DELAY}) AS due_at
    FROM unnest(CASE r.trigger
        {
    " ".join(
        f"WHEN '{trigger}' THEN ARRAY{list(kinds)}" for trigger, kinds in KINDS.items()
    )
}
        ELSE ARRAY['entry'] END) one (kind)
    CROSS JOIN LATERAL (
        SELECT t.at FROM segments_transition t
        WHERE t.segment_id = ANY(ARRAY[e.segment_id]) AND t.kind = one.kind
          AND t.id > r.expansion_cursor
        ORDER BY t.segment_id, t.kind, t.id LIMIT 1
    ) first
"""


def kinds(trigger: str) -> Sequence[str]:
    """The kinds of lines that a trigger is about; of none it is entries."""
    return KINDS.get(trigger, KINDS[Trigger.ON_ENTRY])


def offered(trigger: str, *, has_delay: bool = False) -> str:
    """SQL of the next lines of a run, with `place`; it asks for %(segment)s, %(cursor)s,
    %(chunk)s and, with a delay, %(delay)s in seconds.
    """
    of_kinds = (_OF_KIND.format(kind=kind) for kind in kinds(trigger))
    lines = _LINES.format(lines=" UNION ALL ".join(of_kinds))
    return _DUE.format(lines=lines) if has_delay else lines
