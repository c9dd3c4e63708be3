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
    """Join the anonymous people; `levels`: what was said, by trust, the most first."""
    joined = Joined(together={person: person for person in people})
    for level in sorted(levels):
        said = levels[level]
        while _round(joined, said):
            pass
        _unite(joined, said)
    return joined


def _round(joined: Joined, said: Said) -> bool:
    """Join whom one known person is found for; whether anybody was."""
    found: dict[Person, dict[Person, Key]] = defaultdict(dict)
    for key in sorted(said.anonymous):
        people = said.anonymous[key]
        known = said.known.get(key, set()) | {
            joined.known[person] for person in people if person in joined.known
        }
        for person in people:
            if person not in joined.known:
                group = joined.together[person]
                for one in known:
                    found[group].setdefault(one, key)
    members = _members(joined)
    is_anybody = False
    for group, candidates in found.items():
        if group in joined.nobodys:
            continue
        for person in members[group]:
            joined.because[person] = min(candidates.values())
            if len(candidates) == 1:
                (joined.known[person],) = candidates
        if len(candidates) == 1:
            is_anybody = True
        else:
            joined.nobodys.add(group)
    return is_anybody


def _unite(joined: Joined, said: Said) -> None:
    """Make one of those who are left, where the same was said of them."""
    for key in sorted(said.anonymous):
        groups = {
            joined.together[person]
            for person in said.anonymous[key]
            if person not in joined.known
            and joined.together[person] not in joined.nobodys
        }
        if len(groups) < 2:
            continue
        first = min(groups)
        for person, group in joined.together.items():
            if group in groups:
                joined.together[person] = first
                if group != first:
                    joined.because.setdefault(person, key)


def _members(joined: Joined) -> dict[Person, list[Person]]:
    members: dict[Person, list[Person]] = defaultdict(list)
    for person, group in joined.together.items():
        members[group].append(person)
    return members
