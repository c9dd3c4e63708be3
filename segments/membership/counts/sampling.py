"""Some people, taken for all where counting all of them takes too long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

# How many there are goes by the table's statistics and its size now, as in the planner.
SOME = """
    WITH pages AS (
        SELECT reltuples, relpages, greatest(pg_relation_size(oid)
            / current_setting('block_size')::bigint, 1)::float AS n
        FROM pg_class WHERE oid = 'segments_profile'::regclass
    ), sample AS (
        SELECT least(100 * %s / n, 100) AS percent FROM pages
    ), sampled AS (
        SELECT id, (ctid::text::point)[0]::bigint AS page, merged_into_id IS NULL AS is_one
        FROM segments_profile TABLESAMPLE SYSTEM ((SELECT percent FROM sample))
    )
    SELECT array_agg(id), array_agg(page) FILTER (WHERE is_one),
        array_agg(id) FILTER (WHERE is_one),
        (SELECT CASE WHEN relpages > 0 THEN reltuples / relpages * n END FROM pages),
        (SELECT percent / 100 FROM sample)
    FROM sampled
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The rows of some pages of the table, which are about `share` of all.

    `page_of`: the page of each who is a person, not part of another. `everybody`: about
    how many people there are.
    """

    ids: Sequence[int]
    page_of: Mapping[int, int]
    everybody: int
    share: float


def some_people(pages: int) -> Sample:
    """Those on about so many pages, chosen by chance."""
    with connection.cursor() as cursor:
        cursor.execute(SOME, [pages])
        ids, places, people, known, share = cursor.fetchone()
    page_of = dict(zip(people or (), places or (), strict=True))
    # Never analysed, the table has no statistics.
    rows = known if known and known > 0 else len(ids or ()) / share
    return Sample(
        ids=ids or [],
        page_of=page_of,
        everybody=round(rows * len(page_of) / len(ids)) if ids else 0,
        share=share or 1,
    )
