"""Which people of a chunk of messages are asked after each, and for which segments.

That is whom a message could take into a segment and another out of it (or the other
way), who moves by one of several messages, and whoever did something that a segment
with `keeps_again` waits for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeAlias

from segments.membership.moves import Move, ids_in
from segments.membership.references import graph
from segments.rules import tree, verdicts
from segments.rules.conditions import windows

# (external ID, e-mail, phone, attributes as JSON)
Shown: TypeAlias = tuple[str | None, str, str, str]
# (segment, person)
Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a message said: the event's name, or "", and which attributes changed by it.

    `is_new`: it is the first of a person, whom any rule may take in.
    """

    event: str = ""
    changed: frozenset[str] = frozenset()
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A person after one message of a chunk, of all that they have done up to `until`.

    `shown`: what is known of them then; None: it is as it is now.
    """

    said: Said
    until: int
    shown: Shown | None = None


class Story(Protocol):
    """What each person's messages of a chunk did, in their order."""

    def people(self, *, alone: bool) -> Iterable[int]:
        """Who has several messages; with `alone` all of them."""

    def said(self, person: int) -> Iterable[Said]: ...

    def steps(self, person: int) -> Sequence[Step]: ...


class Asked(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def rule(self) -> str: ...
    @property
    def keeps_again(self) -> bool: ...


@dataclass(slots=True, kw_only=True)
class Course:
    """How a chunk's people went through the segments that others ask for.

    `rules`: of all segments that are asked, by id. `states`: (segment, person) → whether
    they were in before, as -1, and since which of their messages, by its place.
    """

    story: Story
    rules: Mapping[int, str]
    states: dict[Pair, list[tuple[int, bool]]] = field(default_factory=dict)
    asked_for: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self.asked_for = frozenset().union(*map(graph.segments_of, self.rules.values()))

    def effects_of(self, rules: tuple[str, ...]) -> "Effects":
        """What messages may turn of these rules; those of segments they ask for, too."""
        wanted: dict[int, str] = {}
        todo = list(rules)
        while todo:
            for id in graph.segments_of(todo.pop()) & self.rules.keys():
                if id not in wanted:
                    wanted[id] = self.rules[id]
                    todo.append(self.rules[id])
        return _effects_of(rules, tuple(sorted(wanted.items())))

    def held(self, segments: Iterable[int], person: int, place: int) -> "Held":
        """Where the person was, of these segments, after one of their messages."""
        held = Held()
        for segment in segments:
            if states := self.states.get((segment, person)):
                held.known.append(segment)
                if [is_in for since, is_in in states if since <= place][-1]:
                    held.own.append(segment)
        return held


@dataclass(slots=True)
class Held:
    """Segments by id: `known` is where somebody was at some time in or out, `own` in."""

    known: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)


def pairs(
    found: Sequence[Move], asked: Sequence[Asked], ids: Sequence[int], course: Course
) -> set[Pair]:
    """Who is to be asked after each message, for which segments."""
    story = course.story
    effects = course.effects_of(tuple(one.rule for one in asked))
    keepers = sum(1 << k for k, one in enumerate(asked) if one.keeps_again)
    read = sum(1 << k for k, one in enumerate(asked) if one.id in course.asked_for)
    places = {one.id: k for k, one in enumerate(asked)}
    moving: dict[int, int] = {}
    found_pairs: set[Pair] = set()
    asked_for = set(ids)
    for person in story.people(alone=bool(keepers)):
        if person not in asked_for:
            continue
        met = _met(effects, story.said(person))
        bits = met.turns | met.raised & keepers
        found_pairs.update((asked[k].id, person) for k in bits_of(bits))
        # Others ask where they were in between.
        moving[person] = (met.twice | met.turned & read) & ~bits
    if any(moving.values()):
        for move in found:
            bit = 1 << places[move.segment_id]
            for person in ids_in(move.entering, move.leaving):
                if moving.get(person, 0) & bit:
                    found_pairs.add((move.segment_id, person))
    return found_pairs


class _Met(NamedTuple):
    """Bits of the rules that a person's messages may have turned; and so on."""

    turns: int
    twice: int
    raised: int
    turned: int


def _met(effects: "Effects", messages: Iterable[Said]) -> _Met:
    ups = downs = turns = twice = raised = 0
    for said in messages:
        up, down = effects.of(said)
        raised |= effects.true.get(said.event, 0)
        turns |= ups & down | downs & up
        twice |= ups & up | downs & down
        ups, downs = ups | up, downs | down
    return _Met(turns, twice, raised, ups | downs)


@dataclass(slots=True, kw_only=True)
class Effects:
    """Which rules, as bits, an event can make true or false, and an attribute either."""

    all: int
    others: Mapping[int, str] = field(default_factory=dict)
    true: dict[str, int] = field(default_factory=dict)
    false: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, int] = field(default_factory=dict)

    def of(self, said: Said) -> tuple[int, int]:
        """(the rules that a message may have made true, and false)"""
        if said.is_new:
            return self.all, 0
        up, down = self.true.get(said.event, 0), self.false.get(said.event, 0)
        for name in said.changed:
            either = self.attributes.get(name, 0)
            up, down = up | either, down | either
        return up, down

    def read(self, rule: dict[str, Any], bit: int, *, wanted: bool) -> None:
        if "not" in rule:
            self.read(rule["not"], bit, wanted=not wanted)
        elif parts := rule.get("all") or rule.get("any"):
            for part in parts:
                self.read(part, bit, wanted=wanted)
        else:
            self._read_condition(rule, bit, wanted)

    def _read_condition(self, rule: dict[str, Any], bit: int, wanted: bool) -> None:
        for name in tree.attribute_names(rule):
            _add(self.attributes, name, bit)
        is_simple = "event" in rule and rule.keys() <= MORE_IS_MORE
        for name in tree.event_names(rule):
            if wanted or not is_simple:
                _add(self.true, name, bit)
            if not wanted or not is_simple:
                _add(self.false, name, bit)
        if other := self.others.get(rule.get("segment", 0)):
            # Either way, whatever the other segment's rule.
            self.read(verdicts.read(other), bit, wanted=True)
            self.read(verdicts.read(other), bit, wanted=False)


def _add(bits: dict[str, int], name: str, bit: int) -> None:
    bits[name] = bits.get(name, 0) | bit


@lru_cache(maxsize=32)
def _effects_of(rules: tuple[str, ...], others: tuple[tuple[int, str], ...]) -> Effects:
    effects = Effects(all=(1 << len(rules)) - 1, others=dict(others))
    for k, rule in enumerate(rules):
        effects.read(verdicts.read(rule), 1 << k, wanted=True)
    return effects


# A condition that says no more than this holds the more events there are.
MORE_IS_MORE = {"event", "at_least", "where", *windows.KEYS}


def bits_of(bits: int) -> Iterable[int]:
    """The places of those that are set."""
    while bits:
        lowest = bits & -bits
        bits ^= lowest
        yield lowest.bit_length() - 1
