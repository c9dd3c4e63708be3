"""Which segments ask for which: in words where a rule may not, and for whoever follows.

A segment that asks for another ("is in the segment …") is asked after it. There is no
circle: rules that ask for segments are saved one after another, each with a look at all
the others.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from functools import lru_cache, partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from segments import wakeup
from segments.models import Segment
from segments.rules import kinds, tree, verdicts

# pg_advisory_xact_lock's key: any number that nothing else here uses.
LOCK = 0x5E69_C1AC


def segments_in(rule: Mapping[str, Any]) -> frozenset[int]:
    """The ids of the segments that a valid rule asks for."""
    return frozenset(c["segment"] for c in tree.conditions(rule) if "segment" in c)


@lru_cache(maxsize=2_000)
def segments_of(text: str) -> frozenset[int]:
    """The same of a stored rule."""
    return segments_in(verdicts.read(text))


@lru_cache(maxsize=2_000)
def read_by(text: str) -> frozenset[tuple[str, str]]:
    """What a stored rule reads, as ("attribute" or "event", its name)."""
    rule = verdicts.read(text)
    return frozenset(
        [("attribute", name) for name in tree.attribute_names(rule)]
        + [("event", name) for name in tree.event_names(rule)]
    )


def concerned(
    rules: Mapping[int, str], attributes: Set[str], events: Collection[str]
) -> set[int]:
    """The segments, by id, that read one of these, or ask for one that does.

    `rules`: stored rules of all that may.
    """
    names = {("attribute", name) for name in attributes}
    names |= {("event", name) for name in events}
    found = {id for id, text in rules.items() if not names.isdisjoint(read_by(text))}
    reads = {id: asked for id, text in rules.items() if (asked := segments_of(text))}
    while more := {id for id, asked in reads.items() if asked & found} - found:
        found |= more
    return found


def check(segment: Segment, rule: Mapping[str, Any]) -> None:
    """Raise a ValidationError unless a valid rule may ask for what it does.

    In the transaction that saves it: until then no other such rule is saved.
    """
    for condition in tree.conditions(rule):
        if missing := kinds.of(condition).missing(condition):
            raise ValidationError(f"Rule: {missing} is not there any more.")
    wanted = segments_in(rule)
    if not wanted:
        return
    hold()
    known = _graph()
    for id in sorted(wanted):
        if id not in known and id != segment.pk:
            raise ValidationError(f"Rule: the segment {id} is not there any more.")
    if segment.pk is None:
        return
    name, _ = known.get(segment.pk, (segment.name, frozenset()))
    known[segment.pk] = (name, wanted)
    if circle := _circle(segment.pk, known):
        names = " → ".join(f"“{known[id][0]}”" for id in circle)
        raise ValidationError(
            f"Rule: the segment would ask for itself: {names}. Take one of these out."
        )


def hold() -> None:
    """Let no rule that asks for segments be saved, nor one go, until this ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def segments_that_ask(kind: str, ids: Collection[int]) -> list[Segment]:
    """The segments with a condition of a kind that is about one of these ids, by name.

    Those too whose stored rule is wrong elsewhere.
    """
    parameters = [f"$.** ? (@.{kind} == $id[*])", json.dumps({"id": sorted(ids)})]
    found = Segment.objects.extra(where=[ASKS], params=parameters)
    return list(found.order_by("name"))


def readers_of(ids: Collection[int]) -> list[Segment]:
    """The segments that ask for one of these, or for one that does; nearest first."""
    with connection.cursor() as cursor:
        cursor.execute(READERS, [list(ids)])
        order = {id: place for place, (id,) in enumerate(cursor.fetchall())}
    found = Segment.objects.filter(pk__in=order).exclude(pk__in=ids)
    return sorted(found, key=lambda one: order[one.pk])


def wake_who_waits(segment_id: int) -> None:
    """Have those counted that ask for a segment and waited for its first count."""
    waiting = Segment.objects.filter(
        reads_segments__contains=[segment_id],
        is_active=True,
        refreshed_at=None,
        problem="",
    )
    for id in waiting.values_list("pk", flat=True):
        transaction.on_commit(partial(wakeup.refresh_segment, id))


def in_levels(rules: Iterable[tuple[int, str]]) -> list[list[int]]:
    """Put segments, (id, valid rule as JSON), in order: who is asked for, before.

    Each level asks for none of its own, nor of a later one.
    """
    reads = {id: segments_of(text) for id, text in rules}
    if not any(reads.values()):
        return [list(reads)] if reads else []
    levels: list[list[int]] = []
    left = dict(reads)
    while left:
        # A circle cannot be saved; one that is there all the same ends here.
        level = [id for id, asked in left.items() if not asked & left.keys()]
        level = level or list(left)
        levels.append(level)
        for id in level:
            del left[id]
    return levels


def _graph() -> dict[int, tuple[str, frozenset[int]]]:
    """Each segment's name, and which it asks for."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name, reads_segments FROM segments_segment")
        return {id: (name, frozenset(reads)) for id, name, reads in cursor.fetchall()}


def _circle(
    start: int, known: Mapping[int, tuple[str, frozenset[int]]]
) -> Sequence[int]:
    """The way from a segment back to itself, both ends named; none where there is none."""
    ways: list[list[int]] = [[start]]
    seen = {start}
    while ways:
        way = ways.pop()
        for id in sorted(known.get(way[-1], ("", frozenset()))[1]):
            if id == start:
                return [*way, start]
            if id not in seen:
                seen.add(id)
                ways.append([*way, id])
    return ()


# A rule is a tree: a condition stands at any depth.
ASKS = "jsonb_path_exists(rule, %s::jsonpath, %s::jsonb)"
READERS = """
WITH RECURSIVE reading (id, level) AS (
    SELECT unnest(%s::bigint[]), 0
    UNION
    SELECT s.id, r.level + 1
    FROM segments_segment s JOIN reading r ON r.id = ANY(s.reads_segments)
    WHERE r.level < 100
)
SELECT id FROM reading GROUP BY id ORDER BY max(level), id
"""
