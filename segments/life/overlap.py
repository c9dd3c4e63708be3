"""Who is in several segments at once: how many in each combination of up to five.

All memberships are counted where that is quick; else those of a sample of people, taken
for all, and marked as such.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from lemnisk_braze.lib.time_limits import at_most
from segments.membership.counts import sampling
from segments.models import Segment

MOST = 5
# Counting may take so long, in milliseconds.
PATIENCE = 2_000
# So many pages of the table of people are a sample: some thousand people.
PAGES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """People who are in exactly these segments, of those that are compared.

    `members`: of each compared segment, in order, whether it is one of these. `share`:
    of all who are in any, from 0 to 100.
    """

    members: Sequence[bool]
    names: Sequence[str]
    count: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """The parts, the largest first; `is_exact` where everybody was counted.

    `totals` are how many are in each segment, in order, and `everybody` who is in any.
    """

    segments: Sequence[Segment]
    parts: Sequence[Part]
    totals: Sequence[int]
    everybody: int
    is_exact: bool

    @property
    def widest(self) -> int:
        return max((part.count for part in self.parts), default=0)


def of(segments: Sequence[Segment], patience: int = PATIENCE) -> Overlap | None:
    """Compare two to five segments; None where even a sample takes too long.

    `patience`: in milliseconds.
    """
    found = _counted(segments, None, patience)
    if found is not None:
        return _overlap(segments, found, 1.0)
    some = sampling.some_people(PAGES)
    found = _counted(segments, list(some.page_of), patience)
    return None if found is None else _overlap(segments, found, some.share)


def _counted(
    segments: Sequence[Segment], ids: list[int] | None, patience: int
) -> dict[int, int] | None:
    """{combination, a bit for each segment: how many}; None where it takes too long."""
    found: dict[int, int] | None = None
    keys = [segment.pk for segment in segments]
    few = [] if ids is None else [ids]
    statement = COUNT if ids is None else SAMPLE
    with at_most(patience), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '128MB'; SET LOCAL jit = off")
        cursor.execute(statement, [keys, keys, *few])
        found = dict(cursor.fetchall())
    return found


def _overlap(
    segments: Sequence[Segment], found: dict[int, int], share: float
) -> Overlap:
    counts = {bits: round(count / share) for bits, count in found.items()}
    everybody = sum(counts.values())
    parts = [
        Part(
            members=[bool(bits >> n & 1) for n in range(len(segments))],
            names=[s.name for n, s in enumerate(segments) if bits >> n & 1],
            count=count,
            share=100 * count / everybody if everybody else 0,
        )
        for bits, count in counts.items()
    ]
    return Overlap(
        segments=segments,
        parts=sorted(parts, key=lambda part: -part.count),
        totals=[
            sum(count for bits, count in counts.items() if bits >> n & 1)
            for n in range(len(segments))
        ],
        everybody=everybody,
        is_exact=share == 1,
    )


_COUNT = """
SELECT bits, count(*) FROM (
    SELECT bit_or(1 << (array_position(%s::bigint[], m.segment_id) - 1)) AS bits
    FROM segments_membership m WHERE m.segment_id = ANY(%s::bigint[]) {only}
    GROUP BY m.profile_id
) p GROUP BY bits
"""
COUNT = _COUNT.format(only="")
SAMPLE = _COUNT.format(only="AND m.profile_id = ANY(%s::bigint[])")
