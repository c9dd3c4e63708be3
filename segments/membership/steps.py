"""Who enters and leaves within a chunk of messages: the log is as after each alone.

Most people are asked once, as they are in the end. Asked after each of their messages is
only for whom that could make a difference (`turning`).

That somebody is in and does it again is logged only where a segment keeps it, since
somebody listens (readers.keep_again): else the log would have a line for each page that
a member of "viewed a page" looks at. What counts is any event that the rule is true by
(verdicts.qualifies).

A person as of a message is put in the place of the tables that rules read (AS_OF), so
the rules' SQL is the same, whatever their conditions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from django.db import connection, transaction

from segments.membership.moves import Change, Move, ids_in, listed, send_changed
from segments.membership.references import graph
from segments.membership.turning import (
    Asked,
    Course,
    Effects,
    Held,
    Pair,
    Step,
    bits_of,
    pairs,
)
from segments.models.copying import number_array, text_array
from segments.rules import verdicts

# People as of a message that are asked by one statement.
ROWS = 500


def take_out(
    found: Sequence[Move], asked: Sequence[Asked], ids: Sequence[int], course: Course
) -> tuple[list[Move], list["Line"]]:
    """(the moves that are made as they are, what is to be written instead of the others).

    `found`: who of the people `ids` moves, all messages taken together.
    """
    stepped = pairs(found, asked, ids, course)
    if not stepped:
        return list(found), []
    people: dict[int, set[int]] = {}
    for segment_id, person in stepped:
        people.setdefault(segment_id, set()).add(person)
    moved = {
        (move.segment_id, person)
        for move in found
        if move.segment_id in people
        for person in ids_in(move.entering, move.leaving)
    }
    left = [_without(move, people.get(move.segment_id, set())) for move in found]
    asked = [one for one in asked if one.id in people]
    return left, _lines(asked, stepped, moved, course)


class Line(NamedTuple):
    """A line of the log; `event`: what goes along with it, 0: nothing."""

    segment: int
    person: int
    kind: str
    event: int = 0


@dataclass(slots=True, kw_only=True)
class _Rows:
    """People as of their messages, by number; and which rules each may turn, as bits.

    `is_last`: those that no later message of the person may turn: what they say then
    is what they say in the end.
    """

    people: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    turned: list[int] = field(default_factory=list)
    is_last: list[int] = field(default_factory=list)
    # Of which of the person's messages it is, and where they were of other segments.
    places: list[int] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)

    def add(
        self, person: int, steps: Sequence[Step], effects: Effects, bits: int
    ) -> None:
        """Take in those messages of a person that may turn one of the rules `bits`."""
        begins = len(self.steps)
        for place, step in enumerate(steps):
            up, down = effects.of(step.said)
            if turned := (up | down) & bits:
                self.people.append(person)
                self.steps.append(step)
                self.places.append(place)
                self.turned.append(turned)
        later, is_last = 0, []
        for turned in reversed(self.turned[begins:]):
            is_last.append(turned & ~later)
            later |= turned
        self.is_last += reversed(is_last)

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
            text_array(number_array(self._held(n).known) for n in numbers),
            text_array(number_array(self._held(n).own) for n in numbers),
        ]

    def _held(self, number: int) -> Held:
        return self.held[number] if self.held else Held()


def _lines(
    asked: Sequence[Asked], stepped: set[Pair], moved: set[Pair], course: Course
) -> list[Line]:
    """The log of these people and segments, in order; `moved`: who does in the end."""
    effects = course.effects_of(tuple(one.rule for one in asked))
    places = {one.id: k for k, one in enumerate(asked)}
    bits: dict[int, int] = {}
    for segment, person in stepped:
        bits[person] = bits.get(person, 0) | 1 << places[segment]
    rows = _Rows()
    for person in sorted(bits):
        rows.add(person, course.story.steps(person), effects, bits[person])
    read = frozenset().union(*(graph.segments_of(one.rule) for one in asked))
    if read:
        rows.held = [
            course.held(read, person, place)
            for person, place in zip(rows.people, rows.places, strict=True)
        ]
    verdicts_of = _verdicts(asked, rows)
    members = _members([one.id for one in asked], sorted(bits))
    drafts: list[tuple[int, Line]] = []
    states: dict[Pair, bool] = {pair: pair in members for pair in stepped}
    for pair in stepped:
        if pair[0] in course.asked_for:
            course.states[pair] = [(-1, states[pair])]
    for number, person in enumerate(rows.people):
        raised = effects.true.get(rows.steps[number].said.event, 0)
        for k in bits_of(rows.turned[number]):
            pair = asked[k].id, person
            was = states[pair]
            if rows.is_last[number] >> k & 1:
                now = (pair in members) is not (pair in moved)
            else:
                now = bool(verdicts_of.get(number, 0) >> k & 1)
            states[pair] = now
            if pair in course.states:
                course.states[pair].append((rows.places[number], now))
            if now is not was:
                drafts.append((number, Line(*pair, "entry" if now else "exit")))
            elif now and asked[k].keeps_again and raised >> k & 1:
                drafts.append((number, Line(*pair, "again")))
    return _with_events(drafts, {one.id: one.rule for one in asked}, rows)


def _verdicts(asked: Sequence[Asked], rows: _Rows) -> dict[int, int]:
    """By number of the row: the rules that hold then, as bits."""
    rules = verdicts.of(tuple(one.rule for one in asked))
    numbers = [
        number
        for number, turned in enumerate(rows.turned)
        if turned & ~rows.is_last[number]
    ]
    return {
        number: sum(mask << part * verdicts.BITS for part, mask in enumerate(masks))
        for number, _, *masks in rows.ask(rules.select("ARRAY[s.id]"), numbers)
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
        if event == verdicts.NONE:
            continue
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
    %s::text[], %s::text[], %s::text[])
    s (n, id, until, external_id, email, phone, attributes, known, own)
CROSS JOIN LATERAL (
    WITH segments_event AS NOT MATERIALIZED (
        SELECT * FROM segments_event WHERE profile_id = s.id AND id <= s.until
    ),
    segments_profile AS NOT MATERIALIZED (
        (SELECT id, merged_into_id,
            CASE WHEN s.attributes IS NULL THEN p.external_id ELSE s.external_id END
                AS external_id,
            coalesce(s.email, p.email) AS email, coalesce(s.phone, p.phone) AS phone,
            coalesce(s.attributes::jsonb, p.attributes) AS attributes
        FROM segments_profile p WHERE id = s.id OFFSET 0
        )
        UNION ALL
        SELECT id, merged_into_id, external_id, email, phone, attributes
        FROM segments_profile WHERE merged_into_id = s.id
    ),
    segments_membership AS NOT MATERIALIZED (
        SELECT segment_id, profile_id FROM segments_membership
        WHERE profile_id = s.id AND segment_id <> ALL(s.known::bigint[])
        UNION ALL SELECT unnest(s.own::bigint[]), s.id
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
        entering=listed([id for id in ids_in(move.entering) if id not in people]),
        leaving=listed([id for id in ids_in(move.leaving) if id not in people]),
    )
