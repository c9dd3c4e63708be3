"""Who would move in segments that ask for what changes, before it does."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from django.db import connection

from segments.membership import moves, readers
from segments.membership.readers import Effect
from segments.models import Profile, Segment
from segments.rules import tree
from segments.rules.kinds import Person

NAMED = 5

# What somebody may belong to, a segment or a list, by its condition's key and its id.
Belonging: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """People who would enter or leave: how many, and who the first of them are.

    `word` stands before the number where that is not exact; "" where it is.
    """

    ids: Sequence[int]
    count: int
    word: str = ""

    @property
    def named(self) -> list[Profile]:
        first = Profile.objects.in_bulk(list(self.ids[:NAMED]))
        return list(first.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Of one that is asked for: who would come to belong to it, and who would not."""

    entering: Sequence[int]
    leaving: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What it would do to one segment, and to whom those send who read that."""

    segment: Segment
    entering: Moved
    leaving: Moved
    effects: Sequence[Effect]


def forecast(
    changes: Mapping[Belonging, Change], segments: Iterable[Segment], share: float = 1
) -> list[Followed]:
    """What the changes would do to segments that ask for what changes.

    `segments`: who is asked for, before who asks. `share`: so much of all who would
    move are given; the numbers are taken for all. Raises the database's error where it
    takes longer than the caller lets it.
    """
    known = dict(changes)
    found = []
    for segment in segments:
        if not segment.is_active:
            continue
        change = _change(segment, known)
        known["segment", segment.pk] = change
        effects = readers.effects(segment, change.entering, change.leaving)
        found.append(
            Followed(
                segment=segment,
                entering=_moved(change.entering, share),
                leaving=_moved(change.leaving, share),
                effects=[scaled(effect, share) for effect in effects],
            )
        )
    return found


def scaled(effect: Effect, share: float) -> Effect:
    """What becomes of all, where the effect is that of a share of them."""
    if effect.sent is None or share == 1:
        return effect
    return replace(effect, sent=round(effect.sent / share))


class _Presuming(Person):
    """Somebody who belongs to what they would belong to after the changes."""

    def __init__(self, changes: Mapping[Belonging, Change]) -> None:
        super().__init__(is_few=True)
        self.changes = changes

    def belongs(self, key: str, id: int, sql: str) -> str:
        change = self.changes.get((key, id))
        if change is None:
            return sql
        entering = f"{self.id} = ANY({moves.array(moves.listed(change.entering))})"
        leaving = f"{self.id} = ANY({moves.array(moves.listed(change.leaving))})"
        return f"(({sql} OR {entering}) AND NOT {leaving})"


def _change(segment: Segment, changes: Mapping[Belonging, Change]) -> Change:
    people: set[int] = set()
    for condition in tree.conditions(segment.rule):
        for key in ("segment", "list"):
            if change := changes.get((key, condition.get(key, 0))):
                people.update(change.entering, change.leaving)
    if not people:
        return Change(entering=(), leaving=())
    if tree.problem(segment.rule):
        # It cannot be counted, and lets nobody in or out.
        return Change(entering=(), leaving=())
    statement = WHO_MOVES.format(
        holds=tree.sql(segment.rule, _Presuming(changes)),
        segment=segment.pk,
        people=moves.array(moves.listed(sorted(people))),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall()
    return Change(
        entering=[id for id, holds in rows if holds],
        leaving=[id for id, holds in rows if not holds],
    )


def _moved(ids: Sequence[int], share: float) -> Moved:
    word = "about" if share < 1 else ""
    return Moved(ids=ids, count=round(len(ids) / share), word=word)


WHO_MOVES = """
SELECT id, holds FROM (
    SELECT p.id, {holds} AS holds, EXISTS (
        SELECT FROM segments_membership m
        WHERE m.segment_id = {segment} AND m.profile_id = p.id
    ) AS is_in
    FROM segments_profile p WHERE p.merged_into_id IS NULL AND p.id = ANY({people})
) p WHERE holds <> is_in ORDER BY id
"""
