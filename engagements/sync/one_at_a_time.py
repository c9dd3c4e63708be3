"""Of an engagement that compares, one request for a person is on the wire at a time.

What is left out of the next depends on what came of the last: while that is not known,
they wait, and so does what was compared with a state that has changed since.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from django.db import connection

from engagements.outbox.known import Known
from engagements.outbox.names import NAMES_OF_THOSE, THOSE, WITH_NAMES
from engagements.outbox.prepared_request import PreparedRequest, Synced
from engagements.sync import state

# Any number that nothing else in this database uses.
LOCK = 0x0A6B
_LOCK = "SELECT pg_advisory_xact_lock(%s, %s)"
# Whose name is another's by now is sent as that person. A pass over a segment takes in
# each once, until it comes to those who have left: all others of the `alone` run are
# somebody else, unless one of these people has another name.
# And whether all is known of them that is so now: one statement sees both at one moment.
NOW = f"""
    WITH {THOSE}, own AS ({NAMES_OF_THOSE}), wire AS MATERIALIZED (
        SELECT b.profile_ids, b.left_out
        -- First those on the wire, which are few however many runs there were.
        FROM (SELECT * FROM engagements_batch WHERE state = 'sending' OFFSET 0) b
        JOIN engagements_run r ON r.id = b.run_id AND r.engagement_id = %(engagement)s
        WHERE b.run_id IS DISTINCT FROM %(alone)s::bigint OR r.is_standing
            OR r.retry_of_id IS NOT NULL OR r.expansion_cursor < 0
            OR EXISTS ({WITH_NAMES})
    )
    SELECT ARRAY(
        SELECT DISTINCT own.root FROM wire
        CROSS JOIN LATERAL unnest(profile_ids) WITH ORDINALITY m (profile_id, place)
        JOIN own ON own.name = m.profile_id
        WHERE m.place - 1 <> ALL(left_out)
    ), ({state.AS_IT_WAS})
"""


def in_the_way(requests: Sequence[PreparedRequest]) -> set[int]:
    """Of the requests those that may not go now, by batch.

    Call it in the transaction that lets the others go: nobody comes between.
    """
    by_engagement: dict[int, list[tuple[int, Synced]]] = defaultdict(list)
    runs: dict[int, set[int]] = defaultdict(set)
    for prepared in requests:
        if prepared.synced:
            own = prepared.batch_id, prepared.synced
            by_engagement[prepared.run.engagement_id].append(own)
            runs[prepared.run.engagement_id].add(prepared.run.pk)
    waiting: set[int] = set()
    for engagement_id, pairs in sorted(by_engagement.items()):
        waiting |= _in_the_way(engagement_id, runs[engagement_id], pairs)
    return waiting


def _in_the_way(
    engagement_id: int, run_ids: Collection[int], pairs: Sequence[tuple[int, Synced]]
) -> set[int]:
    alone = next(iter(run_ids)) if len(run_ids) == 1 else None
    taken = set[int]()
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [LOCK, engagement_id % 2**31])
        for people, writers in _readings(pairs):
            asked = state.as_read(engagement_id, people, writers)
            # Only the next statement sees who was let through by whom was waited for.
            cursor.execute(NOW, {**asked, "alone": alone})
            on_the_wire, is_as_it_was = cursor.fetchone()
            taken.update(on_the_wire)
            # Who was accepted, or came into doubt, since they were compared.
            if not is_as_it_was:
                taken |= state.which_changed(engagement_id, people)
    waiting = set()
    for batch_id, synced in pairs:
        own = synced.people.values()
        if taken.isdisjoint(own):
            taken.update(own)
        else:
            waiting.add(batch_id)
    return waiting


def _readings(
    pairs: Sequence[tuple[int, Synced]],
) -> list[tuple[dict[int, Known | None], Collection[int]]]:
    """What was read of whom by one statement, and who had written all that it read."""
    found: dict[int, tuple[dict[int, Known | None], Collection[int]]] = {}
    for _, synced in pairs:
        known, _ = found.setdefault(id(synced.writers), ({}, synced.writers))
        known.update(dict.fromkeys(synced.people.values()))
        known.update(synced.known)
    return list(found.values())
