"""How a segment's people come and go, told from its rule: by what they do, or by time."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.text import capfirst

from segments.models import ListFeed, Segment
from segments.rules import tree


class Nature(StrEnum):
    """The kinds of segments, as pages call them."""

    REAL_TIME = "Real-time"
    WAREHOUSE = "From a warehouse"
    BY_TIME = "Real-time, and by time"
    FIXED = "Fixed list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`by_time` are the conditions that change by time alone, as sentences.

    `counted` are those of them that take a count of everybody, every few minutes.
    """

    nature: Nature
    by_time: Sequence[str] = ()
    counted: Sequence[str] = ()


def of(segment: Segment) -> Told | None:
    """None where the stored rule is wrong."""
    if tree.problem(segment.rule):
        return None
    if "snapshot" in segment.rule:
        return Told(nature=Nature.FIXED)
    lists = [c["list"] for c in tree.conditions(segment.rule) if "list" in c]
    is_kept = ListFeed.objects.filter(of__in=lists).exists() if lists else False
    by_time, counted = [], []
    for condition in tree.conditions(segment.rule):
        if tree.is_counted(condition):
            counted.append(condition)
        elif tree.reads_the_clock(condition):
            by_time.append(condition)
    nature = Nature.BY_TIME if by_time or counted else Nature.REAL_TIME
    if is_kept:
        nature = Nature.WAREHOUSE
    return Told(
        nature=nature,
        by_time=[capfirst(tree.describe(one)) for one in by_time],
        counted=[capfirst(tree.describe(one)) for one in counted],
    )
