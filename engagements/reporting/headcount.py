"""How many people deliveries are about: one who is sent three times is one person.

A batch knows everybody whom it was made for, so the table of deliveries is not read.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from engagements.models import Batch, Run

# So many are counted one by one, in a fraction of a second; of more a sample is.
EXACT = 200_000
# Batches and people of a sample: they tell the number to a few per cent.
BATCHES = 300
PEOPLE = 3_000

# Who was merged into somebody is that person; who was erased is 0, and nobody.
COUNT = """
    SELECT count(DISTINCT coalesce(p.merged_into_id, m.id))
    FROM engagements_batch b CROSS JOIN LATERAL unnest(b.profile_ids) m (id)
    LEFT JOIN segments_profile p ON p.id = m.id AND p.merged_into_id IS NOT NULL
    WHERE b.run_id = ANY(%(runs)s::bigint[]) AND b.state <> 'split' AND m.id > 0
"""
# Of n deliveries to one person each stands for the n-th part of a person.
SHARE = """
    WITH chosen AS (
        SELECT run_id, sequence FROM engagements_batch
        WHERE run_id = ANY(%(runs)s::bigint[]) ORDER BY random() LIMIT %(batches)s
    ), sampled AS (
        SELECT m.id FROM chosen JOIN engagements_batch b USING (run_id, sequence)
        CROSS JOIN LATERAL unnest(b.profile_ids) m (id)
        WHERE m.id > 0 AND b.state <> 'split'
        ORDER BY random() LIMIT %(people)s
    )
    SELECT avg(1.0 / greatest((
        SELECT count(*) FROM engagements_delivery d
        WHERE d.profile_id = sampled.id AND d.run_id = ANY(%(runs)s::bigint[])
    ), 1)) FROM sampled
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headcount:
    """How many people; `is_about` where a sample was taken for all."""

    people: int
    is_about: bool = False


def headcount(runs: QuerySet[Run], deliveries: int) -> Headcount:
    """The people of these runs, of whose deliveries, waiting ones too, it is known
    how many they are.
    """
    if not deliveries:
        return Headcount(people=0)
    ids = list(runs.values_list("pk", flat=True))
    if deliveries <= EXACT:
        return Headcount(people=_ask(COUNT, ids) or 0)
    if len(ids) == 1 and not _has_entries(ids[0]):
        # A segment's members are different people.
        return Headcount(people=deliveries)
    share = float(_ask(SHARE, ids) or 1)
    return Headcount(people=round(deliveries * share), is_about=True)


def _has_entries(run_id: int) -> bool:
    """Whether the run was made of entries, of which a person may have several."""
    first = Batch.objects.filter(run=run_id).order_by("sequence").first()
    return first is None or bool(first.transition_ids)


def _ask(statement: str, run_ids: list[int]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(
            statement, {"runs": run_ids, "batches": BATCHES, "people": PEOPLE}
        )
        return cursor.fetchone()[0]
