"""Who is part of whom, now that more was said: just for those whom it can concern."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from segments.identity.calls import EXTERNAL_ID, Key
from segments.identity.facts import Facts
from segments.identity.joining import Joined, Said, join


@dataclass(slots=True, kw_only=True)
class Whose:
    """`roots`: whom a part is now shown as, by number; `because`: of what."""

    roots: dict[int, int] = field(default_factory=dict)
    because: dict[int, Key] = field(default_factory=dict)


def find(facts: Facts) -> Whose:
    """Ask anew for all whom what was said since may have joined, or split off."""
    whose = Whose()
    start = facts.reopened | _known_people(facts, whose) | _dirty(facts)
    if start:
        facts.widen(start, known=False)
        _anonymous_people(facts, whose, start)
    return whose


def _known_people(facts: Facts, whose: Whose) -> set[int]:
    """Join external IDs by aliases; return who may have been joined or split."""
    start = {n for n in facts.reopened if n in facts.known}
    for key in facts.touched:
        if key[0] == EXTERNAL_ID:
            start |= facts.of(key).keys()
    if not start:
        return set()
    facts.widen(start, known=True)
    groups = {number: {number} for number in start}
    aliases: dict[int, tuple[tuple[int, str], Key]] = {}
    for key, own in [(k, n) for n, (k, _) in facts.own_of.items()]:
        if key[0] != EXTERNAL_ID:
            continue
        groups.setdefault(own, {own})
        for number, fact in facts.of(key).items():
            if not fact.is_void and number != own:
                said = fact.stamp or (0, "")
                aliases[number] = max(aliases.get(number, (said, key)), (said, key))
                _unite(groups, own, number)
    # Of others not all aliases were read.
    for group in {id(groups[number]): groups[number] for number in start}.values():
        # Whom the newest alias calls the person by.
        root = max(group, key=lambda n: (*_newest(aliases, n), facts.known[n]))
        for number in group:
            whose.roots[number] = root
            if number != root:
                by = aliases.get(root) or aliases.get(number)
                whose.because[number] = by[1] if by else (EXTERNAL_ID, "")
    return set().union(*(groups[number] for number in start))


def _newest(
    aliases: dict[int, tuple[tuple[int, str], Key]], number: int
) -> tuple[int, str, Key]:
    stamp, key = aliases.get(number, ((-1, ""), ("", "")))
    return (*stamp, key)


def _unite(groups: dict[int, set[int]], one: int, other: int) -> None:
    united = groups.setdefault(one, {one}) | groups.setdefault(other, {other})
    for number in united:
        groups[number] = united


def _dirty(facts: Facts) -> set[int]:
    """The anonymous people of whom something was just said, as of somebody else."""
    dirty: set[int] = set()
    for key in facts.touched:
        said = facts.of(key)
        before = sum(not fact.is_new and not fact.is_void for fact in said.values())
        if (
            len(said) > 1
            and before <= facts.rules.most
            and facts.rules.level(key) is not None
        ):
            # Not keys() - keys(), which goes through all that are known.
            dirty |= {number for number in said if number not in facts.known}
    return dirty


def _anonymous_people(facts: Facts, whose: Whose, start: Collection[int]) -> None:
    keys_of = facts.keys_of()
    people: set[int] = set()
    todo = set(start)
    while todo:
        number = todo.pop()
        if number not in facts.known:
            people.add(number)
        for key in keys_of[number]:
            if facts.rules.level(key) is not None:
                todo |= {n for n in facts.of(key) if n not in facts.known} - people
    if not people:
        return
    joined = join(people, _levels(facts, whose, people, keys_of))
    whose.because |= joined.because
    for group in _groups(joined, people):
        root = _root(group, facts)
        for number in group:
            whose.roots[number] = joined.known.get(number, root)


def _levels(
    facts: Facts, whose: Whose, people: Iterable[int], keys_of: dict[int, set[Key]]
) -> dict[int, Said]:
    levels: dict[int, Said] = defaultdict(Said)
    for key in set().union(*(keys_of[number] for number in people)):
        level = facts.rules.level(key)
        if level is None:
            continue
        for number in facts.speaks_of(key):
            if number in facts.known:
                root = whose.roots.get(number, facts.roots[number])
                levels[level].known[key].add(root)
            else:
                levels[level].anonymous[key].add(number)
    return levels


def _groups(joined: Joined, people: Iterable[int]) -> Iterable[list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for number in people:
        groups[joined.together[number]].append(number)
    return groups.values()


def _root(group: Collection[int], facts: Facts) -> int:
    """Whose row stands for an anonymous group: who stood for one before."""
    members = {n for n in group if n > 0}
    if facts.preferred in members:
        return facts.preferred
    stood = {facts.roots[n] for n in members} & members
    return min(stood or members, default=max(group))
