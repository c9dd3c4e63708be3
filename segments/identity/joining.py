"""Who is whose, as it follows from all that was said. Pure.

Known people are never joined here, however much they share (an alias does that). An
anonymous one is joined to the one known person of whom the same was said. With two of
them it is nobody's, for good: whatever would decide between them is trusted less.

Kinds of identifiers are heard in order of trust, and within a kind in rounds: whoever
was joined brings what was said of them, and that may join others. Everybody of a round
is asked before anybody is joined, so it makes no difference who comes first. Whom no
known person is found for are one, where the same was said of them.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from segments.identity.calls import Key

Person: TypeAlias = int


@dataclass(slots=True, kw_only=True)
class Said:
    """What was said, of one kind: of which anonymous people, and of which known ones."""

    anonymous: dict[Key, set[Person]] = field(
        default_factory=lambda: defaultdict(set[Person])
    )
    known: dict[Key, set[Person]] = field(
        default_factory=lambda: defaultdict(set[Person])
    )


@dataclass(slots=True, kw_only=True)
class Joined:
    """`known`: anonymous → the known person whom they are part of.

    `together`: anonymous → one of those who are one with them, the same for all.
    `because`: who was joined, or is nobody's → by what.
    """

    known: dict[Person, Person] = field(default_factory=dict)
    together: dict[Person, Person] = field(default_factory=dict)
    because: dict[Person, Key] = field(default_factory=dict)
    nobodys: set[Person] = field(default_factory=set)


def join(people: Collection[Person], levels: Mapping[int, Said]) -> Joined:
    """Join the anonymous people; `levels`: what was said, by trust, the most first.

    It looks at each thing that was said once for every level, however long the chains.
    """
    joined = Joined(together={person: person for person in people})
    for level in sorted(levels):
        _ask_the_known(joined, levels[level])
        _unite(joined, levels[level])
    return joined


def _ask_the_known(joined: Joined, said: Said) -> None:
    """Join, in rounds, whom one known person is found for; with two it is nobody's.

    In each round all that can be found is, so the next has but to ask of what was said
    of those who were joined in this one.
    """
    members = _members(joined)
    keys_of: dict[Person, list[Key]] = defaultdict(list)
    for key in sorted(said.anonymous):
        for person in said.anonymous[key]:
            keys_of[person].append(key)
    asked = set(said.anonymous)
    while asked:
        new: set[Key] = set()
        for group, found in _candidates(joined, said, asked).items():
            for person in members[group]:
                joined.because[person] = min(found.values())
            if len(found) > 1:
                joined.nobodys.add(group)
                continue
            for person in members[group]:
                (joined.known[person],) = found
                new.update(keys_of[person])
        asked = new


def _candidates(
    joined: Joined, said: Said, asked: Collection[Key]
) -> dict[Person, dict[Person, Key]]:
    """Known people, and by what they are, for each group that is still to be joined."""
    found: dict[Person, dict[Person, Key]] = defaultdict(dict)
    for key in sorted(asked):
        people = said.anonymous[key]
        open_ = {joined.together[p] for p in people if p not in joined.known}
        open_ -= joined.nobodys
        if not open_:
            continue
        known = said.known.get(key, set()) | {
            joined.known[person] for person in people if person in joined.known
        }
        for group in open_:
            for one in known:
                found[group].setdefault(one, key)
    return found


def _unite(joined: Joined, said: Said) -> None:
    """Make one of those who are left, where the same was said of them."""
    members = _members(joined)
    for key in sorted(said.anonymous):
        groups = {
            joined.together[person]
            for person in said.anonymous[key]
            if person not in joined.known
        } - joined.nobodys
        if len(groups) < 2:
            continue
        # Nobody is moved more often than groups can double.
        largest = max(groups, key=lambda group: (len(members[group]), group))
        for group in groups - {largest}:
            for person in members[group]:
                joined.together[person] = largest
                joined.because.setdefault(person, key)
            members[largest] += members.pop(group)


def _members(joined: Joined) -> dict[Person, list[Person]]:
    members: dict[Person, list[Person]] = defaultdict(list)
    for person, group in joined.together.items():
        members[group].append(person)
    return members
