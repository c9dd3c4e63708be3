"""What a rule means, read off what is known of a person: slowly, and obviously.

Nothing here knows of SQL, of indexes or of what was there before. A kind of condition
registers how it reads a person (KINDS), an operator how it compares (OPERATORS); what
makes conditions at random stands in tests/segments/rules/random_rules.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from tests.segments.rules.oracle import comparing

__all__ = ["KINDS", "OPERATORS", "Did", "Kind", "Person", "compare", "holds", "says"]

Rule: TypeAlias = Mapping[str, Any]
OPERATORS = comparing.OPERATORS
compare = comparing.compare


@dataclass(frozen=True, kw_only=True)
class Did:
    """An event; `number`: in order of arrival."""

    number: int
    name: str
    time: datetime
    properties: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Person:
    """All that a rule may ask of somebody.

    `segments` and `lists`: ids of those that they are in. `sent`: (id of an engagement,
    when). `id` is what a share is drawn by.
    """

    attributes: Mapping[str, Any]
    email: str = ""
    phone: str = ""
    external_id: str | None = None
    did: Sequence[Did] = ()
    id: int = 0
    segments: frozenset[int] = frozenset()
    lists: frozenset[int] = frozenset()
    sent: Sequence[tuple[int, datetime]] = ()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of condition: whether it holds, and which events satisfy it.

    `against`: those by which it does not hold. All are asked with (the condition, the
    person, what time it is).
    """

    holds: Callable[[Rule, Person, datetime], bool]
    events: Callable[[Rule, Person, datetime], Iterable[Did]] = field(
        default=lambda rule, person, now: ()
    )
    against: Callable[[Rule, Person, datetime], Iterable[Did]] = field(
        default=lambda rule, person, now: ()
    )


# By the key that only conditions of the kind have.
KINDS: dict[str, Kind] = {}


def holds(rule: Rule, person: Person, now: datetime) -> bool:
    """Whether the rule takes the person in."""
    if "all" in rule:
        return all(holds(part, person, now) for part in rule["all"])
    if "any" in rule:
        return any(holds(part, person, now) for part in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], person, now)
    return kind_of(rule).holds(rule, person, now)


def says(
    rule: Rule, person: Person, now: datetime, *, wanted: bool = True
) -> list[Did]:
    """The events by which a rule is what it is, the newest last; none where it is not.

    They satisfy a condition that is wanted, in whose groups each "any" that does not
    hold, and what is under it, has no say.
    """
    found = {did.number: did for did in _say(rule, person, now, wanted)}
    return sorted(found.values(), key=lambda did: (did.time, did.number))


def kind_of(rule: Rule) -> Kind:
    [name] = [name for name in KINDS if name in rule and name != "attribute"] or [
        "attribute"
    ]
    return KINDS[name]


def _say(rule: Rule, person: Person, now: datetime, wanted: bool) -> Iterable[Did]:
    if holds(rule, person, now) is not wanted:
        return []
    if "not" in rule:
        return _say(rule["not"], person, now, not wanted)
    parts = rule.get("all") or rule.get("any")
    if parts:
        return [did for part in parts for did in _say(part, person, now, wanted)]
    kind = kind_of(rule)
    return (kind.events if wanted else kind.against)(rule, person, now)


# They register themselves.
from tests.segments.rules.oracle import attributes, events, items, whom  # noqa: E402, F401
