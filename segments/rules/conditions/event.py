"""What people did: {"event": "Lead form submitted", …how often, …when, "where": [ … ]}.

    how often   "at_least": n (1 where nothing is said), "at_most": n (0: did not),
                "exactly": n
    or which    "pick": "first" or "last": of all there are, the one that must be in the
                window and satisfy `where`
    or          "aggregate": one figure over those that count (aggregates.py)

windows.py has when, properties.py `where`. Events at the same time are in the order in
which they came.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.formats import localize
from django.utils.timezone import localtime

from lemnisk_braze.lib.counted import counted
from segments.models import DictionaryEntry, Profile
from segments.rules import operators
from segments.rules import schema as schemas
from segments.rules.conditions import aggregates, properties, windows
from segments.rules.kinds import (
    Condition,
    Edge,
    Kind,
    Person,
    allow,
    check_name,
    of_one,
)
from segments.rules.operators import literal

MAX_TIMES = 1_000_000
# The smallest number of each.
TIMES = {"at_least": 1, "at_most": 0, "exactly": 0}
PICK, AGGREGATE = "pick", "aggregate"
HOW = (*TIMES, PICK, AGGREGATE)
ORDERS = {"first": "e.time, e.id", "last": "e.time DESC, e.id DESC"}
NEWEST = ORDERS["last"]
# A figure reads all events that count, a number of times only as many as decide.
AGGREGATE_SIZE = 5


class Event(Kind):
    key = "event"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"event", "where", *HOW, *windows.KEYS}, where)
        check_name(condition["event"], f"{where}: enter the name of an event")
        where = f"{where}, event {condition['event']}"
        given = [key for key in HOW if key in condition]
        if len(given) > 1:
            said = " or ".join(key.replace("_", " ") for key in given)
            raise ValidationError(f"{where}: use either {said}.")
        for key in given:
            _check_how(key, condition[key], where)
        windows.validate(condition, where)
        properties.validate(condition.get("where"), where)

    def schema(self) -> list[dict[str, Any]]:
        how = {
            key: {"type": "integer", "minimum": least, "maximum": MAX_TIMES}
            for key, least in TIMES.items()
        }
        found = schemas.an_object(
            {"event": schemas.NAME},
            **how,
            pick={"enum": list(ORDERS)},
            aggregate=aggregates.schema(),
            **windows.schema(),
            where=properties.schema(),
        )
        return [
            {
                **found,
                "allOf": [
                    *schemas.exclusive(*([key] for key in HOW)),
                    *windows.schema_rules(),
                ],
            }
        ]

    def describe(self, condition: Condition) -> str:
        event, where = f"“{condition['event']}”", properties.describe(condition)
        when = windows.describe(condition)
        if aggregate := condition.get(AGGREGATE):
            return aggregates.describe(aggregate, f"{event}{where}{when}")
        if which := condition.get(PICK):
            return f"did {event} for the {which} time{when}{where}"
        key, times = how_often(condition)
        if key != "at_least" and times == 0:
            return f"did not do {event}{where}{when}"
        often = f"{key.replace('_', ' ')} {counted(times, 'time')}"
        return f"did {event}{where} {often}{when}"

    def describe_not(self, condition: Condition) -> str:
        key, times = how_often(condition)
        opposite = {
            "at_least": ("at_most", times - 1),
            "at_most": ("at_least", times + 1),
        }
        if {PICK, AGGREGATE} & condition.keys() or key not in opposite:
            return super().describe_not(condition)
        other, number = opposite[key]
        rest = {name: said for name, said in condition.items() if name != key}
        return self.describe({**rest, other: number})

    def sql(self, condition: Condition, person: Person) -> str:
        if AGGREGATE in condition:
            form = _aggregate
        elif PICK in condition:
            form = _pick
        else:
            form = _times
        return person.shared(form(condition, person))

    def shown(self, condition: Condition, person: Profile) -> str:
        aggregate = condition.get(AGGREGATE)
        which = condition.get(PICK, "")
        figure = aggregates.figure(aggregate) if aggregate else "NULL"
        rows = (
            f"({_picked(condition, str(person.pk))}) e"
            if which
            else f"segments_event e WHERE e.profile_id = {person.pk:d}"
            f" AND {_counting(condition, str(person.pk))}"
        )
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*), max(e.time), {figure} FROM {rows}")
            often, last, found = cursor.fetchone()
        if aggregate:
            return aggregates.say(aggregate, found)
        if not often:
            return "Never done like that." if not which else "Never done."
        at = localize(localtime(last))
        if which:
            return f"The {which} one of all was on {at}."
        return f"Done {counted(often, 'time')}, the last on {at}."

    def size(self, condition: Condition) -> int:
        own = AGGREGATE_SIZE if AGGREGATE in condition else 1
        return own + sum(map(operators.size, properties.of(condition)))

    def comparisons(
        self, condition: Condition, where: str
    ) -> Iterator[tuple[str, Condition]]:
        return properties.comparisons(condition, f"{where}, event {condition['event']}")

    def event_names(self, condition: Condition) -> Iterable[str]:
        return (condition["event"],)

    def names(self, condition: Condition) -> Iterable[tuple[str, str, str]]:
        yield DictionaryEntry.Kind.EVENT, "", condition["event"]
        for one in properties.of(condition):
            yield DictionaryEntry.Kind.PROPERTY, condition["event"], one["property"]
        if aggregate := condition.get(AGGREGATE):
            yield DictionaryEntry.Kind.PROPERTY, condition["event"], aggregate["of"]

    def edges(self, condition: Condition) -> Iterable[Edge]:
        return windows.edges(condition, condition["event"])

    def is_counted(self, condition: Condition) -> bool:
        return any(map(operators.reads_the_clock, properties.of(condition)))

    def midnights(self, condition: Condition) -> Iterable[str]:
        return operators.midnights(properties.of(condition))

    def has_cause(self, condition: Condition, *, is_wanted: bool) -> bool:
        # What was not done is no cause.
        if PICK in condition:
            return True
        if aggregate := condition.get(AGGREGATE):
            return is_wanted or aggregate["is"] == "less"
        key, times = how_often(condition)
        return {
            "at_least": is_wanted,
            "at_most": not is_wanted,
            "exactly": not is_wanted or times > 0,
        }[key]

    def cause(self, condition: Condition, person: Person, *, is_wanted: bool) -> str:
        causes = _causes(condition, person, is_wanted=is_wanted)
        return f"SELECT e.id, e.time FROM {causes} ORDER BY {NEWEST} LIMIT 1"

    def counts(
        self, condition: Condition, person: Person, event: str, *, is_wanted: bool
    ) -> str:
        causes = _causes(condition, person, is_wanted=is_wanted)
        return f"EXISTS (SELECT FROM {causes} AND e.id = {event})"

    def needs_gate(self, condition: Condition) -> bool:
        if PICK in condition:
            return False
        return AGGREGATE in condition or how_often(condition) != ("at_least", 1)


def how_often(condition: Condition) -> tuple[str, int]:
    """A key of TIMES and its number."""
    return next(
        ((key, condition[key]) for key in TIMES if key in condition), ("at_least", 1)
    )


def _check_how(key: str, value: object, where: str) -> None:
    if key == AGGREGATE:
        aggregates.validate(value, f"{where}, aggregate")
        return
    said = key.replace("_", " ")
    if key == PICK:
        if not isinstance(value, str) or value not in ORDERS:
            raise ValidationError(f"{where}: “pick” is first or last.")
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValidationError(f"{where}: “{said}” is a whole number of times.")
    if not TIMES[key] <= value <= MAX_TIMES:
        raise ValidationError(
            f"{where}: “{said}” is between {TIMES[key]} and {MAX_TIMES:,}."
        )


def _times(condition: Condition, person: Person) -> str:
    key, times = how_often(condition)
    if key == "at_most" or times == 0:
        return f"(NOT {_at_least(condition, person, times + 1)})"
    if key == "at_least":
        return _at_least(condition, person, times)
    if not person.is_few:
        return _grouped(condition, person, f"count(*) = {times}")
    some = f"SELECT FROM {_own(condition, person)} LIMIT {times + 1}"
    return f"((SELECT count(*) FROM ({some}) x) = {times})"


def _at_least(condition: Condition, person: Person, times: int) -> str:
    events = _own(condition, person)
    if times == 1:
        # A scalar subquery is never turned into a hash of everybody's events.
        if person.is_few:
            return f"((SELECT true FROM {events} LIMIT 1) IS TRUE)"
        return f"EXISTS (SELECT FROM {events})"
    if not person.is_few:
        return _grouped(condition, person, f"count(*) >= {times}")
    return f"((SELECT count(*) FROM (SELECT FROM {events} LIMIT {times}) x) >= {times})"


def _aggregate(condition: Condition, person: Person) -> str:
    holds = aggregates.holds(condition[AGGREGATE])
    if not person.is_few:
        return _grouped(condition, person, holds)
    return f"((SELECT {holds} FROM {_own(condition, person)}) IS TRUE)"


def _own(condition: Condition, person: Person) -> str:
    """SQL of a person's events `e` that count."""
    own = f"e.profile_id = {person.id}"
    counting = _counting(condition, person.id if person.is_few else "")
    return f"segments_event e WHERE {own} AND {counting}"


def _grouped(condition: Condition, person: Person, having: str) -> str:
    """Not correlated, so that everybody's events are grouped once, with one hash."""
    return (
        f"({person.id} IN (SELECT e.profile_id FROM segments_event e"
        f" WHERE {_counting(condition)} GROUP BY 1 HAVING {having}))"
    )


def _pick(condition: Condition, person: Person) -> str:
    which = condition[PICK]
    fits = _all(windows.sql(condition), properties.sql(condition))
    if person.is_few:
        picked = _picked(condition, person.id)
        return f"((SELECT {fits} FROM ({picked}) e) IS TRUE)"
    # A last one that is in the window comes after its beginning, a first before its end.
    end = "low" if which == "last" else "high"
    read = _all([_named(condition)], windows.sql(condition, only=end))
    picked = (
        "SELECT DISTINCT ON (e.profile_id) e.profile_id, e.id, e.time"
        f"{', e.properties' if properties.of(condition) else ''} FROM segments_event e"
        f" WHERE {read} ORDER BY e.profile_id, {ORDERS[which]}"
    )
    return f"({person.id} IN (SELECT e.profile_id FROM ({picked}) e WHERE {fits}))"


def _causes(condition: Condition, person: Person, *, is_wanted: bool) -> str:
    """SQL of the events `e` that can have made it true, or false."""
    if PICK in condition:
        fits = _all(windows.sql(condition), properties.sql(condition))
        if not is_wanted:
            # Another one came first or last; time alone has no event.
            fits = f"NOT ({_all(properties.sql(condition))})"
        return f"({_picked(condition, person.id)}) e WHERE {fits}"
    events = _own(condition, person)
    if aggregate := condition.get(AGGREGATE):
        return f"{events} AND {aggregates.value(aggregate)} IS NOT NULL"
    key, times = how_often(condition)
    if key == "exactly" and not is_wanted:
        # Too often, not too seldom.
        return f"{events} AND EXISTS (SELECT FROM {events} OFFSET {times})"
    return events


def _picked(condition: Condition, person_id: str) -> str:
    """SQL of the first or last of one person's events of that name."""
    return (
        f"SELECT e.* FROM segments_event e WHERE e.profile_id = {person_id}"
        f" AND {_named(condition, person_id)}"
        f" ORDER BY {ORDERS[condition[PICK]]} LIMIT 1"
    )


def _counting(condition: Condition, person_id: str = "") -> str:
    """The condition over an event `e` that counts: of anybody, or of this person."""
    window = windows.sql(condition, person_id=person_id)
    return _all([_named(condition, person_id)], window, properties.sql(condition))


def _named(condition: Condition, person_id: str = "") -> str:
    name = literal(condition["event"])
    return f"e.name = {of_one(person_id, name) if person_id else name}"


def _all(*conditions: Iterable[str]) -> str:
    return " AND ".join(one for some in conditions for one in some) or "true"
