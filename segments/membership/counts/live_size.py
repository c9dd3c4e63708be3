"""How many people a rule takes in, while it is being written.

Everybody is counted where that is quick. Otherwise some pages of the table are, taken for
all, with the error that such an estimate has.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from django.db import connection

from lemnisk_braze.lib.time_limits import at_most
from segments.membership.counts import sampling, too_slow
from segments.membership.counts.at_work import hashing
from segments.membership.counts.sampling import Sample
from segments.models import Segment
from segments.rules import tree

# Counting everybody may take so long, in milliseconds; then a sample is counted, as long
# again at most: an answer comes within a second.
PATIENCE = 400
# So many pages of the table are a sample: some thousand people.
PAGES = 400
SHOWN = 10
# 95 of 100 estimates are off by at most so many standard errors,
Z = 1.96
# and who is not among n people is less than 3 of n of all, as often.
RULE_OF_THREE = 3

COUNT = """
    WITH matched (id) AS MATERIALIZED ({matched})
    SELECT (SELECT count(*) FROM matched),
        (SELECT count(*) FROM segments_profile WHERE merged_into_id IS NULL),
        (SELECT count(*) FROM matched m WHERE NOT EXISTS (
            SELECT FROM segments_membership x
            WHERE x.segment_id = %s AND x.profile_id = m.id)),
        ARRAY(SELECT id FROM matched ORDER BY id DESC LIMIT %s)
"""
MEMBERS = """
    SELECT profile_id FROM segments_membership
    WHERE segment_id = %s AND profile_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number of people. `error`: 95 of 100 times it is off by no more; 0 is exact."""

    count: int
    error: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSize:
    """How many people match, of how many in all; `ids` are some of them, newest first.

    `entering` and `leaving` are against the members that a segment has now.
    """

    matching: Estimate
    everybody: int
    entering: Estimate
    leaving: Estimate
    ids: Sequence[int]


def live_size(
    rule: dict[str, Any], segment: Segment | None = None, patience: int = PATIENCE
) -> LiveSize | None:
    """Count whom a rule takes in, within twice `patience` milliseconds.

    Where counting one of the same shape took longer just now, it is estimated at once.
    None where even a sample takes longer. Raises a ValidationError where the rule is
    wrong.
    """
    segment = segment or Segment()
    if not too_slow.is_remembered(rule):
        if found := _count(rule, segment, patience):
            return found
        too_slow.remember(rule)
    return estimate(rule, segment, patience)


def _count(rule: dict[str, Any], segment: Segment, patience: int) -> LiveSize | None:
    matched, params = tree.people(rule).values("pk").query.sql_with_params()
    found = None
    with at_most(patience), hashing(), connection.cursor() as cursor:
        cursor.execute(COUNT.format(matched=matched), [*params, segment.pk or 0, SHOWN])
        found = cursor.fetchone()
    if found is None:
        return None
    count, everybody, entering, ids = found
    return LiveSize(
        matching=Estimate(count=count),
        everybody=everybody,
        entering=Estimate(count=entering),
        leaving=Estimate(count=max(segment.size - (count - entering), 0)),
        ids=ids,
    )


def estimate(
    rule: dict[str, Any], segment: Segment, patience: int, pages: int = PAGES
) -> LiveSize | None:
    """Count the people of some pages, taken for all; None where even that is slow."""
    found: LiveSize | None = None
    with at_most(patience), connection.cursor() as cursor:
        some = sampling.some_people(pages)
        people = list(some.page_of)
        matching = set(tree.people(rule, people).values_list("pk", flat=True))
        cursor.execute(MEMBERS, [segment.pk or 0, people])
        members = {profile_id for (profile_id,) in cursor.fetchall()}
        found = LiveSize(
            matching=_scaled(matching, some),
            everybody=some.everybody,
            entering=_scaled(matching - members, some),
            leaving=_scaled(members - matching, some),
            ids=sorted(matching, reverse=True)[:SHOWN],
        )
    return found


def _scaled(found: Iterable[int], some: Sample) -> Estimate:
    """Those of a sample, taken for all. People of one page are alike: pages are counted.

    The error is that of a ratio estimated from clusters (Cochran, Sampling Techniques,
    section 3.12).
    """
    of_page = Counter(some.page_of.values())
    found_on = Counter(some.page_of[person] for person in found)
    people, pages = len(some.page_of), len(of_page)
    if not people:
        return Estimate(count=0, error=some.everybody)
    share = found_on.total() / people
    if not found_on or pages == 1:
        return Estimate(
            count=round(share * some.everybody),
            error=round(min(RULE_OF_THREE / min(people, pages), 1) * some.everybody),
        )
    spread = sum((found_on[page] - share * n) ** 2 for page, n in of_page.items())
    error = sqrt(spread / (pages * (pages - 1))) * pages / people
    return Estimate(
        count=round(share * some.everybody),
        error=max(round(Z * error * some.everybody), 1),
    )
