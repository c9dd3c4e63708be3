"""Who enters and leaves within a chunk of messages: the log is as after each alone.

Most people are asked once, as they are in the end. Asked after each of their messages is
only who could be in and out again (or out and in), who moves by one of several
messages, since the first that does is the one that goes along, and whoever did something
that a segment with `keeps_again` waits for.

That somebody is in and does it again is logged only where a segment keeps it, since
somebody listens: else the log would have a line for each page that a member of "viewed a
page" looks at. What counts is any event that the rule is true by (verdicts.qualifies).

A person as of a message is put in the place of the tables that rules read (AS_OF), so
the rules' SQL is the same, whatever their conditions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeAlias

from django.db import connection, transaction

from segments.membership.moves import Change, Move, listed, send_changed
from segments.models import Segment
from segments.models.copying import number_array, text_array
from segments.rules import tree, verdicts
from segments.rules.conditions import windows

# (external ID, e-mail, phone, attributes as JSON)
Shown: TypeAlias = tuple[str | None, str, str, str]
# (segment, person)
Pair: TypeAlias = tuple[int, int]

# People as of a message that are asked by one statement.
ROWS = 500


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


def keep_again(segment_id: int, *, is_kept: bool = True) -> None:
    """Log from now on, or no longer, what a segment's people do again that counts.

    In the transaction of who listens: whoever evaluates the segment behind it does so.
    """
    Segment.objects.filter(pk=segment_id).update(keeps_again=is_kept)


def take_out(
    found: Sequence[Move], asked: Sequence[Asked], ids: Sequence[int], story: Story
) -> tuple[list[Move], list["Line"]]:
    """(the moves that are made as they are, what is to be written instead of the others).

    `found`: who of the people `ids` moves, all messages taken together.
    """
    pairs = _pairs(found, asked, ids, story)
    if not pairs:
        return list(found), []
    people: dict[int, set[int]] = {}
    for segment_id, person in pairs:
        people.setdefault(segment_id, set()).add(person)
    left = [_without(move, people.get(move.segment_id, set())) for move in found]
    return left, _lines([one for one in asked if one.id in people], pairs, story)


def _pairs(
    found: Sequence[Move], asked: Sequence[Asked], ids: Sequence[int], story: Story
) -> set[Pair]:
    """Who is to be asked after each message, for which segments."""
    rules = tuple(one.rule for one in asked)
    effects = _effects(rules)
    keepers = sum(1 << k for k, one in enumerate(asked) if one.keeps_again)
    places = {one.id: k for k, one in enumerate(asked)}
    twice: dict[int, int] = {}
    pairs: set[Pair] = set()
    asked_for = set(ids)
    for person in story.people(alone=bool(keepers)):
        if person not in asked_for:
            continue
        met = _met(effects, story.said(person))
        bits = met.turns | met.raised & keepers
        pairs.update((asked[k].id, person) for k in _bits(bits))
        twice[person] = met.twice & ~bits
    if any(twice.values()):
        for move in found:
            bit = 1 << places[move.segment_id]
            for person in _ids(move.entering) + _ids(move.leaving):
                if twice.get(person, 0) & bit:
                    pairs.add((move.segment_id, person))
    return pairs


class _Met(NamedTuple):
    """Bits of the rules that a person's messages may have turned; and so on."""

    turns: int
    twice: int
    raised: int


def _met(effects: "_Effects", messages: Iterable[Said]) -> _Met:
    ups = downs = turns = twice = raised = 0
    for said in messages:
        up, down = effects.of(said)
        raised |= effects.true.get(said.event, 0)
        turns |= ups & down | downs & up
        twice |= ups & up | downs & down
        ups, downs = ups | up, downs | down
    return _Met(turns, twice, raised)


@dataclass(slots=True, kw_only=True)
class _Effects:
    """Which rules, as bits, an event can make true or false, and an attribute either."""

    all: int
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
        if "attribute" in rule:
            _add(self.attributes, rule["attribute"], bit)
        is_simple = "event" in rule and rule.keys() <= MORE_IS_MORE
        for name in tree.event_names(rule):
            if wanted or not is_simple:
                _add(self.true, name, bit)
            if not wanted or not is_simple:
                _add(self.false, name, bit)


def _add(bits: dict[str, int], name: str, bit: int) -> None:
    bits[name] = bits.get(name, 0) | bit


@lru_cache(maxsize=32)
def _effects(rules: tuple[str, ...]) -> _Effects:
    effects = _Effects(all=(1 << len(rules)) - 1)
    for k, rule in enumerate(rules):
        effects.read(verdicts.read(rule), 1 << k, wanted=True)
    return effects


# A condition that says no more than this holds the more events there are.
MORE_IS_MORE = {"event", "at_least", "where", *windows.KEYS}


class Line(NamedTuple):
    """A line of the log; `event`: what goes along with it, 0: nothing."""

    segment: int
    person: int
    kind: str
    event: int = 0


@dataclass(slots=True, kw_only=True)
class _Rows:
    """People as of their messages, by number."""

    people: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def add(self, person: int, step: Step) -> None:
        self.people.append(person)
        self.steps.append(step)

    def ask(self, select: str, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
        """Rows of (number, *what is selected) of those who are there then.

        `select`: SQL over `s.id`, a person; the tables are as of the message.
        """
        found: list[tuple[Any, ...]] = []
        statement = AS_OF.format(select=select.replace("%", "%%"))
        with connection.cursor() as cursor:
            for start in range(0, len(numbers), ROWS):
                some = numbers[start : start + ROWS]
                cursor.execute(statement, self._columns(some))
                found += cursor.fetchall()
        return found

    def _columns(self, numbers: Sequence[int]) -> list[str]:
        shown = [self.steps[n].shown or (None, None, None, None) for n in numbers]
        external_ids, emails, phones, attributes = zip(*shown, strict=True)
        return [
            number_array(numbers),
            number_array(self.people[n] for n in numbers),
            number_array(self.steps[n].until for n in numbers),
            text_array(external_ids),
            text_array(emails),
            text_array(phones),
            text_array(attributes),
        ]


def _lines(asked: Sequence[Asked], pairs: set[Pair], story: Story) -> list[Line]:
    """The log of these people and segments, in order."""
    effects = _effects(tuple(one.rule for one in asked))
    places = {one.id: k for k, one in enumerate(asked)}
    bits: dict[int, int] = {}
    for segment, person in pairs:
        bits[person] = bits.get(person, 0) | 1 << places[segment]
    rows = _Rows()
    for person in sorted(bits):
        for step in story.steps(person):
            up, down = effects.of(step.said)
            if (up | down) & bits[person]:
                rows.add(person, step)
    verdicts_of = _verdicts(asked, rows)
    members = _members([one.id for one in asked], sorted(bits))
    drafts: list[tuple[int, Line]] = []
    states: dict[Pair, bool] = {pair: pair in members for pair in pairs}
    for number, person in enumerate(rows.people):
        raised = effects.true.get(rows.steps[number].said.event, 0)
        for k in _bits(bits[person]):
            pair = asked[k].id, person
            was, now = states[pair], bool(verdicts_of.get(number, 0) >> k & 1)
            states[pair] = now
            if now is not was:
                drafts.append((number, Line(*pair, "entry" if now else "exit")))
            elif now and asked[k].keeps_again and raised >> k & 1:
                drafts.append((number, Line(*pair, "again")))
    return _with_events(drafts, {one.id: one.rule for one in asked}, rows)


def _verdicts(asked: Sequence[Asked], rows: _Rows) -> dict[int, int]:
    """By number of the row: the rules that hold then, as bits."""
    rules = verdicts.of(tuple(one.rule for one in asked))
    found = rows.ask(rules.select("ARRAY[s.id]"), range(len(rows.people)))
    return {
        number: sum(mask << part * verdicts.BITS for part, mask in enumerate(masks))
        for number, _, *masks in found
    }


def _members(segments: Sequence[int], people: Sequence[int]) -> set[Pair]:
    with connection.cursor() as cursor:
        cursor.execute(MEMBERS, [number_array(people), number_array(segments)])
        return set(cursor.fetchall())


def _with_events(
    drafts: Sequence[tuple[int, Line]], rules: Mapping[int, str], rows: _Rows
) -> list[Line]:
    """The same with what goes along; who did again what does not count has no line."""
    events: dict[tuple[int, int], int] = {}
    kinds: dict[tuple[int, str], list[int]] = {}
    for number, line in drafts:
        kinds.setdefault((line.segment, line.kind), []).append(number)
    for (segment, kind), numbers in kinds.items():
        rule = rules[segment]
        if kind == "again":
            event = f"CASE WHEN {verdicts.qualifies(rule, 's.until')} THEN s.until END"
        else:
            event = verdicts.cause(rule, is_wanted=kind == "entry")
        select = f"SELECT {event} FROM (SELECT s.id) p"
        for number, found in rows.ask(select, numbers):
            events[segment, number] = found or 0
    lines = [
        line._replace(event=events.get((line.segment, number), 0))
        for number, line in drafts
    ]
    return [line for line in lines if line.event or line.kind != "again"]


def write(lines: Sequence[Line]) -> Change:
    """Write the log, and what the memberships and sizes come to by it."""
    if not lines:
        return Change()
    first: dict[Pair, Line] = {}
    last: dict[Pair, Line] = {}
    for line in lines:
        if line.kind != "again":
            first.setdefault((line.segment, line.person), line)
            last[line.segment, line.person] = line
    entered = [one for one in last.values() if one.kind == "entry"]
    left = [one for one in last.values() if one.kind == "exit"]
    new = [one for one in entered if first[one.segment, one.person].kind == "entry"]
    again = [one for one in entered if first[one.segment, one.person].kind == "exit"]
    gone = [one for one in left if first[one.segment, one.person].kind == "exit"]
    with connection.cursor() as cursor:
        cursor.execute(LOG, [*_columns(lines), text_array(one.kind for one in lines)])
        for statement, some in ((ENTER, new), (RETURN, again), (LEAVE, gone)):
            if some:
                cursor.execute(statement, _columns(some))
    transaction.on_commit(send_changed)
    kinds = [line.kind for line in lines]
    return Change(entered=kinds.count("entry"), left=kinds.count("exit"))


def _columns(lines: Sequence[Line]) -> list[str]:
    return [
        number_array(line.segment for line in lines),
        number_array(line.person for line in lines),
        number_array(line.event for line in lines),
    ]


# Who entered and left again may have been told of already: each line is kept.
AS_OF = """
SELECT s.n, v.*
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[],
    %s::text[]) s (n, id, until, external_id, email, phone, attributes)
CROSS JOIN LATERAL (
    WITH segments_event AS NOT MATERIALIZED (
        SELECT * FROM segments_event WHERE profile_id = s.id AND id <= s.until
    ),
    segments_profile AS NOT MATERIALIZED (
        SELECT id, merged_into_id,
            CASE WHEN s.attributes IS NULL THEN p.external_id ELSE s.external_id END
                AS external_id,
            coalesce(s.email, p.email) AS email, coalesce(s.phone, p.phone) AS phone,
            coalesce(s.attributes::jsonb, p.attributes) AS attributes
        FROM segments_profile p WHERE id = s.id OFFSET 0
    )
    {select}
) v
"""
MEMBERS = """
SELECT segment_id, profile_id FROM segments_membership
WHERE profile_id = ANY(%s::bigint[]) AND segment_id = ANY(%s::bigint[])
"""
_LINES = """
SELECT segment_id, profile_id, nullif(event_id, 0) AS event_id
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) l (segment_id, profile_id, event_id)
"""
LOG = """
INSERT INTO segments_transition (segment_id, profile_id, event_id, kind)
SELECT segment_id, profile_id, nullif(event_id, 0), kind
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[])
WITH ORDINALITY l (segment_id, profile_id, event_id, kind, place)
ORDER BY place
"""
_SIZED = """
UPDATE segments_segment s SET size = greatest(s.size + n.more, 0)
FROM (SELECT segment_id, {sign}count(*) AS more FROM done GROUP BY segment_id) n
WHERE s.id = n.segment_id
"""
ENTER = f"""
WITH done AS (
    INSERT INTO segments_membership (segment_id, profile_id, event_id) {_LINES}
    RETURNING segment_id
) {_SIZED.format(sign="")}
"""
RETURN = f"""
UPDATE segments_membership m SET since = now(), event_id = l.event_id
FROM ({_LINES}) l
WHERE m.segment_id = l.segment_id AND m.profile_id = l.profile_id
"""
LEAVE = f"""
WITH done AS (
    DELETE FROM segments_membership m USING ({_LINES}) l
    WHERE m.segment_id = l.segment_id AND m.profile_id = l.profile_id
    RETURNING m.segment_id
) {_SIZED.format(sign="-")}
"""


def _without(move: Move, people: set[int]) -> Move:
    if not people:
        return move
    return replace(
        move,
        entering=listed([id for id in _ids(move.entering) if id not in people]),
        leaving=listed([id for id in _ids(move.leaving) if id not in people]),
    )


def _ids(listed_ids: str) -> list[int]:
    return [int(id) for id in listed_ids.split(",")] if listed_ids else []


def _bits(bits: int) -> Iterable[int]:
    while bits:
        lowest = bits & -bits
        bits ^= lowest
        yield lowest.bit_length() - 1
