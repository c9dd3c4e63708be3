"""One person's events go out in their order: a later one waits for an earlier one.

Several of them may be in one request, in their order. In different requests they would
overtake one another: on the wire, in another worker's hands, or because the earlier one
has to be sent again. So whoever has an earlier line of the log in another open batch of
the engagement is put off until that is over. There is always somebody who waits for
nobody: whose line is the first.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from engagements.models import Engagement, Run
from engagements.outbox import putting_off
from engagements.outbox.claim import Claim

# In seconds: until it is looked again whether an earlier one is answered.
WAIT = 0.1
# As whom they are part of now. The lists of a batch are in order of the log.
_MEMBERS = """
    SELECT b.id, b.next_attempt_at, m.place - 1 AS place, m.transition_id,
        coalesce(p.merged_into_id, m.profile_id) AS person
    FROM {batches} b
    CROSS JOIN LATERAL unnest(b.profile_ids, b.transition_ids)
        WITH ORDINALITY m (profile_id, transition_id, place)
    LEFT JOIN segments_profile p ON p.id = m.profile_id
    WHERE m.place - 1 <> ALL(b.left_out) AND m.transition_id > 0
"""
_HELD = "(SELECT * FROM engagements_batch WHERE id = ANY(%(batches)s::bigint[]))"
_EARLIER = """(
    SELECT b.* FROM engagements_batch b
    JOIN engagements_run r ON r.id = b.run_id AND r.engagement_id = %(engagement)s
    WHERE b.state IN ('pending', 'leased', 'sending', 'retry')
      AND b.transition_ids[1] < (SELECT max(transition_id) FROM held)
)"""
WHO_WAITS = f"""
    WITH held AS MATERIALIZED ({_MEMBERS.format(batches=_HELD)}),
    earlier AS MATERIALIZED ({_MEMBERS.format(batches=_EARLIER)})
    SELECT h.id, h.place::int, max(greatest(e.next_attempt_at,
        statement_timestamp() + make_interval(secs => {WAIT})))
    FROM held h JOIN earlier e ON e.person = h.person AND e.id <> h.id
        AND e.transition_id < h.transition_id
    GROUP BY h.id, h.place
"""


def whose_turn_it_is(run: Run, claims: Sequence[Claim]) -> list[Claim]:
    """The claims of a run without those who have to wait, and are put off."""
    if run.engagement.trigger != Engagement.Trigger.EACH_EVENT:
        return list(claims)
    waiting = _who_waits(run, claims)
    if not waiting:
        return list(claims)
    putting_off.put_off([(held, waiting.get(held.batch_id, {})) for held in claims])
    rest = (held.without(waiting.get(held.batch_id, {})) for held in claims)
    return [held for held in rest if len(held.left_out) < len(held.profile_ids)]


def _who_waits(run: Run, claims: Sequence[Claim]) -> dict[int, dict[int, datetime]]:
    """Batch → place → until when."""
    asked: dict[str, Any] = {
        "batches": [held.batch_id for held in claims],
        "engagement": run.engagement_id,
    }
    waiting: dict[int, dict[int, datetime]] = {}
    with connection.cursor() as cursor:
        cursor.execute(WHO_WAITS, asked)
        for batch_id, place, until in cursor.fetchall():
            waiting.setdefault(batch_id, {})[place] = until
    return waiting
