"""Many rules asked of a few people in one statement: a bit a rule.

The meaning is that of tree.py, and a test holds this to the same verdicts as a count of
everybody. Each event condition is a probe of one person's events, and what several rules
ask is asked once. The text of the statement is the same for the same rules.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from segments.rules import kinds, long_lists, tree
from segments.rules.kinds import Person
from segments.rules.operators import AS_JSON

Rule: TypeAlias = dict[str, Any]

# SQL of no event.
NONE = "NULL::bigint"
# Rules in one number of PostgreSQL's.
BITS = 62


@lru_cache(maxsize=2_000)
def read(text: str) -> Rule:
    """A stored rule; raises a ValidationError where it is wrong. Not to be changed."""
    rule: Rule = json.loads(text)
    tree.validate(rule)
    return rule


@lru_cache(maxsize=32)
def of(rules: tuple[str, ...]) -> "Verdicts":
    """What these valid rules, as JSON texts, are in SQL."""
    return Verdicts(rules=[read(text) for text in rules])


@lru_cache(maxsize=2_000)
def cause(text: str, *, is_wanted: bool) -> str:
    """SQL of the event that made a valid rule true, or false where it is not wanted.

    Of the person `p.id` the newest event that satisfies a condition with its window and
    its `where`. One whose condition, or the "any" that it stands in, does not hold has no
    say, and what was not done is no cause. Else null.
    """
    person = Person(is_few=True)
    found = []
    for part, gates, wanted in _causes(read(text), (), is_wanted=is_wanted):
        newest = kinds.of(part).cause(part, person, is_wanted=wanted)
        if gates:
            newest = f"SELECT e.id, e.time FROM ({newest}) e WHERE {_all_hold(gates)}"
        found.append(f"({newest})")
    if not found:
        return NONE
    return (
        f"(SELECT e.id FROM ({' UNION ALL '.join(found)}) e"
        " ORDER BY e.time DESC, e.id DESC LIMIT 1)"
    )


@lru_cache(maxsize=2_000)
def qualifies(text: str, event: str) -> str:
    """SQL of whether an event is one of those of which `cause` finds the newest.

    `event`: SQL of its id; it is the person's, `p.id`, for whom the valid rule holds.
    """
    person = Person(is_few=True)
    found = []
    for part, gates, wanted in _causes(read(text), (), is_wanted=True):
        counts = kinds.of(part).counts(part, person, event, is_wanted=wanted)
        found.append(f"({counts} AND {_all_hold(gates)})" if gates else counts)
    return f"({' OR '.join(found)})" if found else "false"


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """Rules as bits: rule k is bit k % BITS of the column m{k // BITS}."""

    rules: Sequence[Rule]
    # SQL → the column of `p` that has it for all the rules that ask it.
    _columns: dict[str, str] = field(default_factory=dict)
    _shared: dict[str, str] = field(default_factory=dict)
    _masks: list[str] = field(default_factory=list)
    _lists: dict[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with long_lists.kept() as self._lists:
            self._compile()

    def _compile(self) -> None:
        person = _Columns(self._columns, self._shared)
        uses: Counter[str] = Counter()
        for rule in self.rules:
            person.asked.clear()
            tree.sql(rule, person)
            uses.update(person.asked)
        several = (sql for sql, times in uses.items() if times > 1)
        self._shared.update((sql, f"e{n}") for n, sql in enumerate(several))
        verdicts = [tree.sql(rule, person) for rule in self.rules]
        for start in range(0, len(verdicts), BITS):
            some = verdicts[start : start + BITS]
            bits = (
                f"CASE WHEN {v} THEN {1 << k}::bigint ELSE 0 END"
                for k, v in enumerate(some)
            )
            self._masks.append(f"{' | '.join(bits)} AS m{start // BITS}")

    @property
    def parts(self) -> range:
        """The numbers of the columns with bits."""
        return range(len(self._masks))

    def select(self, ids: str) -> str:
        """SQL for (id, m0, m1, …) of the people who are there, by SQL of their ids.

        A fence each (OFFSET 0), or PostgreSQL would work out a column at each mention.
        What it looks up is there until the end of the caller's transaction.
        """
        long_lists.keep(self._lists)
        columns = "".join(f", {sql} AS {name}" for sql, name in self._columns.items())
        events = "".join(f", {sql} AS {name}" for sql, name in self._shared.items())
        people = (
            f"SELECT id{columns} FROM segments_profile p"
            f" WHERE merged_into_id IS NULL AND id = ANY({ids}) OFFSET 0"
        )
        if events:
            people = f"SELECT p.*{events} FROM ({people}) p OFFSET 0"
        return f"SELECT p.id, {', '.join(self._masks)} FROM ({people}) p"


class _Columns(Person):
    """Has attributes, and what several rules ask, as columns: SQL → their names.

    `asked`: what may be shared, of all that was asked.
    """

    def __init__(self, attributes: dict[str, str], several: dict[str, str]) -> None:
        super().__init__(is_few=True)
        self.attributes, self.several = attributes, several
        self.asked: set[str] = set()

    def attribute(self, name: str, reads: str = AS_JSON) -> str:
        sql = super().attribute(name, reads)
        return f"p.{self.attributes.setdefault(sql, f'a{len(self.attributes)}')}"

    def shared(self, sql: str) -> str:
        self.asked.add(sql)
        return f"p.{self.several[sql]}" if sql in self.several else sql


def _causes(
    rule: Rule, gates: tuple[str, ...], *, is_wanted: bool
) -> Iterator[tuple[Rule, tuple[str, ...], bool]]:
    """Each condition that an event can be the cause of, with what else must hold.

    Last, whether it is to be true, or false.
    """
    parts = tree.parts_of(rule)
    if "not" in rule:
        yield from _causes(rule["not"], gates, is_wanted=not is_wanted)
    elif not parts:
        if kinds.of(rule).has_cause(rule, is_wanted=is_wanted):
            yield rule, gates, is_wanted
    else:
        for part in parts:
            own = gates
            if ("any" in rule) is is_wanted and tree.needs_gate(part):
                holds = tree.sql(part, Person("g", is_few=True))
                own = (*gates, holds if is_wanted else f"(NOT {holds})")
            yield from _causes(part, own, is_wanted=is_wanted)


def _all_hold(gates: Iterable[str]) -> str:
    return " AND ".join(map(_of_the_person, gates))


def _of_the_person(gate: str) -> str:
    return f"EXISTS (SELECT FROM segments_profile g WHERE g.id = p.id AND {gate})"
