"""Many rules asked of a few people in one statement: a bit a rule.

The meaning is that of tree.py, and a test holds both to the same verdicts. Here each
event condition is a bounded probe of one person's events, and what several rules ask is
asked once. Values stand in the SQL as literals, so that its text is the same for the
same rules.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from psycopg.sql import Literal

from segments.rules import operators, tree
from segments.rules.operators import OPERATORS

Rule: TypeAlias = dict[str, Any]

# SQL of no event.
NONE = "NULL::bigint"
# Rules in one number of PostgreSQL's.
BITS = 62
# SQL of the left side of a comparison: an attribute's name and how it is read.
Left: TypeAlias = Callable[[str, str], str]


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
    found = [
        f"(SELECT e.id, e.time FROM segments_event e WHERE {_events(event)}"
        f"{''.join(f' AND {_of_the_person(gate)}' for gate in gates)}"
        " ORDER BY e.time DESC, e.id DESC LIMIT 1)"
        for event, gates in _causes(read(text), (), is_wanted=is_wanted)
    ]
    if not found:
        return NONE
    return (
        f"(SELECT e.id FROM ({' UNION ALL '.join(found)}) e"
        " ORDER BY e.time DESC, e.id DESC LIMIT 1)"
    )


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """Rules as bits: rule k is bit k % BITS of the column m{k // BITS}."""

    rules: Sequence[Rule]
    # SQL → the column of `p` that has it for all the rules that ask it.
    _columns: dict[str, str] = field(default_factory=dict)
    _shared: dict[str, str] = field(default_factory=dict)
    _masks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        uses: Counter[str] = Counter()
        for rule in self.rules:
            uses.update(set(_leaves(rule)))
        shared = (leaf for leaf, times in uses.items() if times > 1)
        self._shared = {leaf: f"e{n}" for n, leaf in enumerate(shared)}
        verdicts = [condition(rule, self._left, self._event) for rule in self.rules]
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
        """
        columns = "".join(f", {sql} AS {name}" for sql, name in self._columns.items())
        events = "".join(f", {sql} AS {name}" for sql, name in self._shared.items())
        people = (
            f"SELECT id{columns} FROM segments_profile"
            f" WHERE merged_into_id IS NULL AND id = ANY({ids}) OFFSET 0"
        )
        if events:
            people = f"SELECT p.*{events} FROM ({people}) p OFFSET 0"
        return f"SELECT p.id, {', '.join(self._masks)} FROM ({people}) p"

    def _left(self, name: str, kind: str) -> str:
        column = _read_as(kind, _attribute(name))
        return f"p.{self._columns.setdefault(column, f'a{len(self._columns)}')}"

    def _event(self, leaf: str) -> str:
        return f"p.{self._shared[leaf]}" if leaf in self._shared else leaf


def condition(rule: Rule, left: Left, event: Callable[[str], str]) -> str:
    """A valid rule as SQL that is never null; `p.id` is who is asked."""
    for group, glue in (("all", " AND "), ("any", " OR ")):
        if group in rule:
            parts = (condition(part, left, event) for part in rule[group])
            return f"({glue.join(parts)})"
    if "not" in rule:
        return f"(NOT {condition(rule['not'], left, event)})"
    if "attribute" in rule:
        kind = operators.kind(rule["is"], rule.get("value"))
        return _compare(left(rule["attribute"], kind), rule)
    return event(_did(rule))


def _leaves(rule: Rule) -> Iterator[str]:
    """The event conditions of a rule, in SQL."""
    for one in tree.conditions(rule):
        if "event" in one:
            yield _did(one)


def _did(rule: Rule) -> str:
    """A probe that ends at the event that decides.

    A scalar subquery is never turned into a hash of everybody's events.
    """
    events = f"FROM segments_event e WHERE {_events(rule)}"
    if (times := rule.get("at_least", 1)) == 1:
        return f"((SELECT true {events} LIMIT 1) IS TRUE)"
    return f"((SELECT count(*) FROM (SELECT {events} LIMIT {times}) x) >= {times})"


def _events(rule: Rule) -> str:
    """The condition over `e` of one person's events that count."""
    parts = ["e.profile_id = p.id", f"e.name = {_literal(rule['event'])}"]
    if days := rule.get("within_days"):
        parts.append(f"e.time >= statement_timestamp() - interval '{days} days'")
    for where in rule.get("where") or ():
        key = f"(e.properties -> {_literal(where['property'])}::text)"
        kind = operators.kind(where["is"], where.get("value"))
        parts.append(_compare(_read_as(kind, key), where))
    return " AND ".join(parts)


def _causes(
    rule: Rule, gates: tuple[str, ...], *, is_wanted: bool
) -> Iterator[tuple[Rule, tuple[str, ...]]]:
    """Each event condition that can be one, with what else must hold."""
    if "not" in rule:
        yield from _causes(rule["not"], gates, is_wanted=not is_wanted)
    elif "event" in rule and is_wanted:
        yield rule, gates
    for part in rule.get("all") or rule.get("any") or ():
        own = gates
        if ("any" in rule) is is_wanted and tree.needs_gate(part):
            holds = condition(part, _direct, str)
            own = (*gates, holds if is_wanted else f"(NOT {holds})")
        yield from _causes(part, own, is_wanted=is_wanted)


def _of_the_person(gate: str) -> str:
    return f"EXISTS (SELECT FROM segments_profile g WHERE g.id = p.id AND {gate})"


def _direct(name: str, kind: str) -> str:
    return _read_as(kind, _attribute(name))


def _attribute(name: str) -> str:
    """An attribute as JSON; in a query over one segments_profile."""
    if name in tree.COLUMNS:
        return f"to_jsonb(NULLIF({name}, ''))"
    return f"(attributes -> {_literal(name)}::text)"


def _read_as(kind: str, json_value: str) -> str:
    return f"({operators.READ_AS[kind].replace('$a', json_value)})"


def _compare(left: str, comparison: Rule) -> str:
    """The operator's own SQL with literals; `left` is read as it wants it."""
    operator = comparison["is"]
    value = tree.value_of(comparison)
    given = {f"${name}": v for name, v in operators.parameters(value).items()}
    pieces = re.split(r"(\$[a-z_]+)", operators.template(operator, value))
    sql = "".join(
        left
        if piece in ("$a", "$x")
        else _literal(given[piece])
        if piece.startswith("$")
        else piece
        for piece in pieces
    )
    return f"(({sql}) IS {'NOT ' if OPERATORS[operator].is_opposite else ''}TRUE)"


def _literal(value: object) -> str:
    return Literal(value).as_string(None)
