"""A merge is undone: who came by it is split off, and what joined them joins them no more."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db import connection

from segments.identity.calls import ANONYMOUS_ID, EXTERNAL_ID, Key
from segments.identity.people import Moved, People
from segments.models import MergeLog

# In order of id, as whoever applies the inbox has them.
GROUP = """
SELECT id FROM segments_profile
WHERE coalesce(merged_into_id, id) = (
    SELECT coalesce(merged_into_id, id) FROM segments_profile WHERE id = %s
)
ORDER BY id FOR NO KEY UPDATE
"""
# Of parts all that was said stands in rows.
SAID = """
SELECT id, kind, value, profile_id, is_own FROM segments_identifier
WHERE profile_id = ANY(%s::bigint[]) AND NOT is_void
"""
VOID = "UPDATE segments_identifier SET is_void = true WHERE id = ANY(%s::bigint[])"
UNDONE = """
UPDATE segments_mergelog SET undone_at = now()
WHERE part_id = %s AND kind = 'merge' AND undone_at IS NULL
"""


class NotMergedError(Exception):
    """The person is part of nobody, or nothing that was said joins them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """Whose data are others now, by id, and whose rows show something else."""

    changed_ids: set[int]
    moved: Sequence[Moved]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    id: int
    key: Key
    person: int
    is_own: bool


def split_off(merge: MergeLog) -> Undone:
    """Split off who came by a merge, as they were; return who has changed by it.

    What each side said and did since then stays with it. Call it in a transaction, with
    the inbox's lock. Raises NotMergedError.
    """
    changed: set[int] = set()
    moved: list[Moved] = []
    by = merge.identifier_kind, merge.identifier_value
    # What else was said of both may tell whose the part is, or that it is nobody's: it
    # is taken back only where it keeps them together.
    for only in (by, None):
        group = _group(merge.part_id)
        if merge.profile_id not in group or merge.profile_id == merge.part_id:
            break
        people = _take_back(merge, group, only)
        changed |= people.changed_ids
        moved += people.moved
    if not changed:
        raise NotMergedError("This person is part of nobody now.")
    with connection.cursor() as cursor:
        cursor.execute(UNDONE, [merge.part_id])
    return Undone(changed_ids=changed, moved=moved)


def _group(part_id: int) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(GROUP, [part_id])
        return {id for (id,) in cursor.fetchall()}


def _take_back(merge: MergeLog, group: set[int], only: Key | None) -> People:
    """Let what was said of both sides, or only this of it, join nobody any more."""
    with connection.cursor() as cursor:
        cursor.execute(SAID, [list(group)])
        said = [
            _Fact(id=id, key=(kind, value), person=person, is_own=is_own)
            for id, kind, value, person, is_own in cursor.fetchall()
        ]
        came = {merge.part_id, *merge.followers} & group - {merge.profile_id}
        came |= group - came - _connected(merge.profile_id, came, said)
        between = [one for one in said if only is None or one.key == only]
        cursor.execute(VOID, [list(_void(came, between, said))])
    people = People(())
    people.reopen(group, prefer=merge.part_id)
    people.save()
    return people


def _connected(
    person: int, without: Collection[int], said: Iterable[_Fact]
) -> set[int]:
    """Whom the person is one with, were it not for some."""
    people_of: dict[Key, set[int]] = defaultdict(set)
    keys_of: dict[int, set[Key]] = defaultdict(set)
    for fact in said:
        if fact.person not in without:
            people_of[fact.key].add(fact.person)
            keys_of[fact.person].add(fact.key)
    found, todo = {person}, [person]
    while todo:
        new = set().union(*(people_of[key] for key in keys_of[todo.pop()])) - found
        found |= new
        todo += new
    return found


def _void(
    came: Collection[int], between: Iterable[_Fact], said: Iterable[_Fact]
) -> set[int]:
    """Those facts, by id, that join the two sides.

    What is somebody's own is no longer said of the other side; what else was said of
    both sides is no longer said of those who came.
    """
    facts_of: dict[Key, list[_Fact]] = defaultdict(list)
    for fact in between:
        facts_of[fact.key].append(fact)
    void: list[_Fact] = []
    for facts in facts_of.values():
        if len({fact.person in came for fact in facts}) < 2:
            continue
        own = {fact.person in came for fact in facts if fact.is_own}
        side = not own.pop() if own else True
        void += (f for f in facts if not f.is_own and (f.person in came) is side)
    # An alias leaves open which kind of ID it means, and says both.
    aliases = {(f.person, f.key[1]) for f in void if f.key[0] == EXTERNAL_ID}
    void += (
        f
        for f in said
        if f.key[0] == ANONYMOUS_ID and not f.is_own and (f.person, f.key[1]) in aliases
    )
    return {fact.id for fact in void}
