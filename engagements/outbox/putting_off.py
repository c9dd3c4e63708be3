"""Who is sent later: they leave their batch for others of the run that are due then.

Nothing is used up by that, and nobody is in two batches that may be sent. Those who go at
the same time go together, out of whichever batches: where each person has a time of their
own, let callers round it, or each is a request.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from django.db import connection, transaction

from engagements.outbox.claim import Claim
from engagements.personalization.renderer import people_per_batch
from segments.models import copying

# Of a claimed batch: place → when this person is due.
Due: TypeAlias = Mapping[int, datetime]

# In order of id, as whoever erases takes them, and before any run.
HOLD = """
    SELECT b.id, b.run_id, cardinality(b.profile_ids), b.left_out, r.version_id,
        r.values::text, r.variants::text
    FROM unnest(%s::bigint[], %s::uuid[]) AS x (id, token)
    JOIN engagements_batch b ON b.id = x.id
    JOIN engagements_run r ON r.id = b.run_id
    WHERE b.state = 'leased' AND b.lease_token = x.token
      AND b.lease_until > clock_timestamp() AND r.state IN ('expanding', 'sending')
    ORDER BY b.id FOR UPDATE OF b
"""
WAIT = """
    UPDATE engagements_batch SET state = 'pending', lease_token = NULL,
        lease_until = NULL, next_attempt_at = %s
    WHERE id = %s
"""
# Out of a batch that nobody tried they go without a trace: in their place stands nobody.
# One that was tried, or was a part of one, keeps its people for those who ask where they
# went, and is the parent of theirs (audience.erasure finds it by that); what was tried
# counts for them. In order of the log, as one person's events go (outbox.in_order).
PUT_OFF = """
    WITH going AS (
        SELECT b.id, x.place, x.due, b.written_at, b.attempt_count, b.ambiguous_count,
            b.reap_count, b.left_out, b.profile_ids[x.place + 1] AS profile_id,
            b.event_ids[x.place + 1] AS event_id,
            b.transition_ids[x.place + 1] AS transition_id,
            CASE WHEN b.written_at IS NOT NULL OR b.reap_count > 0
                OR b.attempt_count > 0 OR b.parent_id IS NOT NULL
            THEN b.id END AS parent_id
        FROM unnest(%(batches)s::bigint[], %(places)s::int[], %(due)s::timestamptz[])
            AS x (batch_id, place, due)
        JOIN engagements_batch b ON b.id = x.batch_id
        -- Who was erased, or has an end, stays where they are.
        WHERE b.profile_ids[x.place + 1] <> 0 AND x.place <> ALL(b.left_out)
    ), numbered AS (
        SELECT *, (row_number() OVER (PARTITION BY due, parent_id ORDER BY transition_id, id, place) - 1)
            / %(size)s AS part
        FROM going
    ), parts AS (
        SELECT due, row_number() OVER (ORDER BY due DESC, parent_id, part DESC) AS number,
            parent_id, min(written_at) AS written_at,
            coalesce(max(attempt_count), 0) AS attempt_count,
            coalesce(max(ambiguous_count), 0) AS ambiguous_count,
            coalesce(max(reap_count), 0) AS reap_count,
            array_agg(profile_id ORDER BY transition_id, id, place) AS profile_ids,
            CASE WHEN count(event_id) = 0 THEN '{}'
                ELSE array_agg(event_id ORDER BY transition_id, id, place) END AS event_ids,
            CASE WHEN count(transition_id) = 0 THEN '{}'
                ELSE array_agg(coalesce(transition_id, 0) ORDER BY transition_id, id, place)
            END AS transition_ids
        FROM numbered GROUP BY due, parent_id, part
    ), reserved AS (
        UPDATE engagements_run
        SET next_sequence = next_sequence + (SELECT count(*) FROM parts)
        WHERE id = %(run)s RETURNING next_sequence
    ), batches AS (
        INSERT INTO engagements_batch (run_id, sequence, state, parent_id, profile_ids,
            event_ids, transition_ids, written_at, attempt_count, ambiguous_count,
            reap_count, next_attempt_at)
        SELECT %(run)s, next_sequence - number,
            CASE WHEN attempt_count > 0 THEN 'retry' ELSE 'pending' END, parent_id,
            profile_ids, event_ids, transition_ids, written_at, attempt_count,
            ambiguous_count, reap_count, due
        FROM parts, reserved
    ), left_behind AS MATERIALIZED (
        -- In order, and each place once: nobody goes who was left out.
        SELECT id, places, is_untried, CASE WHEN left_out = '{}' THEN places
            ELSE ARRAY(SELECT place FROM unnest(left_out || places) place ORDER BY place)
            END AS left_out
        FROM (
            SELECT id, left_out, array_agg(place::smallint ORDER BY place) AS places,
                bool_or(parent_id IS NULL) AS is_untried
            FROM going GROUP BY id, left_out
        ) gone
    )
    UPDATE engagements_batch b SET left_out = rest.left_out,
        profile_ids = CASE WHEN is_untried THEN ARRAY(
            SELECT CASE WHEN m.place - 1 = ANY(places) THEN 0 ELSE m.id END
            FROM unnest(b.profile_ids) WITH ORDINALITY m (id, place) ORDER BY m.place
        ) ELSE b.profile_ids END,
        event_ids = CASE WHEN is_untried AND b.event_ids <> '{}' THEN ARRAY(
            SELECT CASE WHEN m.place - 1 <> ALL(places) THEN m.id END
            FROM unnest(b.event_ids) WITH ORDINALITY m (id, place) ORDER BY m.place
        ) ELSE b.event_ids END,
        state = CASE WHEN cardinality(rest.left_out) = cardinality(b.profile_ids)
            THEN 'done' ELSE b.state END
    FROM left_behind rest WHERE b.id = rest.id
"""


class _Held(NamedTuple):
    """A batch under its lock; `size`: how many places it has."""

    batch_id: int
    run_id: int
    size: int
    left_out: list[int]
    version_id: int
    values: str
    variants: str

    @property
    def people_per_batch(self) -> int:
        return people_per_batch(self.version_id, self.values, self.variants)


def put_off(claims: Iterable[tuple[Claim, Due]]) -> None:
    """Let these people of claimed batches wait until they are due.

    A batch all of whose people are put off is done, or waits itself where it is nearly
    full and they are due at one time; of any other the rest stays claimed, and no request
    takes along whom it has lost. One that is not held any more, or whose run is over,
    stays as it is.

    Locks all of these batches, those too of which nobody is put off, in order of id, and
    then their runs: whoever locks other batches in the same transaction puts them in.
    """
    asked = {held.batch_id: (held, due) for held, due in claims}
    # Nearly always nobody is: that costs the database nothing.
    if any(due for _, due in asked.values()):
        _put_off(asked)


@transaction.atomic
def _put_off(asked: Mapping[int, tuple[Claim, Due]]) -> None:
    by_run: dict[int, list[_Held]] = defaultdict(list)
    for batch in _hold([held for held, _ in asked.values()]):
        due = asked[batch.batch_id][1]
        if not _wait(batch, due) and due:
            by_run[batch.run_id].append(batch)
    for run_id, batches in sorted(by_run.items()):
        _move(
            run_id, batches, {one.batch_id: asked[one.batch_id][1] for one in batches}
        )


def _hold(claims: list[Claim]) -> list[_Held]:
    columns = [held.batch_id for held in claims], [held.token for held in claims]
    with connection.cursor() as cursor:
        cursor.execute(HOLD, [*columns])
        return [_Held(*row) for row in cursor]


def _wait(batch: _Held, due: Due) -> bool:
    """Let a batch wait as it is; False where a part of it goes, or it has room."""
    times = set(due.values())
    people = set(range(batch.size)).difference(batch.left_out)
    if len(times) != 1 or not people <= due.keys():
        return False
    if len(people) * 2 <= batch.people_per_batch:
        return False
    with connection.cursor() as cursor:
        cursor.execute(WAIT, [times.pop(), batch.batch_id])
    return True


def _move(run_id: int, batches: list[_Held], due: Mapping[int, Due]) -> None:
    rows = [(id, place, at) for id, own in due.items() for place, at in own.items()]
    ids, places, times = zip(*rows, strict=True)
    asked: dict[str, Any] = {
        "run": run_id,
        "batches": copying.number_array(ids),
        "places": copying.number_array(places),
        "due": copying.time_array(times),
        "size": batches[0].people_per_batch,
    }
    with connection.cursor() as cursor:
        cursor.execute(PUT_OFF, asked)
