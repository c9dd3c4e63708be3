"""What people did one after the other.

    {"sequence": [{"event": "A", "where": […]}, {"event": "B"}, …],   2 to 5 events
     "within_hours": n      from the first to the last of them
     "without": {"event": "C", "where": […]}   none between the first and the last
     "within_days": n}      all of it

Other events may come in between. Those at the same time are in the order in which they
came. Whatever the number of events, they are walked through once: each is the end of as
late a beginning as there is.
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
from segments.rules.conditions import properties, windows
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

FEWEST, MOST = 2, 5
WITHOUT = "without"
WINDOWS = ("within_hours", "within_days")
# All its events are read, and sorted.
OWN_SIZE = 10
ORDER = "PARTITION BY profile_id ORDER BY time, id"


class Sequence(Kind):
    key = "sequence"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"sequence", WITHOUT, *WINDOWS}, where)
        steps = condition["sequence"]
        if not isinstance(steps, list) or not FEWEST <= len(steps) <= MOST:
            raise ValidationError(
                f"{where}, sequence: list between {FEWEST} and {MOST} events."
            )
        for place, step in _places(condition, where):
            if not isinstance(step, dict):
                raise ValidationError(f"{place}: enter an event.")
            allow(step, {"event", "where"}, place)
            check_name(step.get("event"), f"{place}: enter the name of an event")
            properties.validate(step.get("where"), f"{place}, event {step['event']}")
        for key in WINDOWS:
            if key in condition:
                windows.validate({key: condition[key]}, where)

    def schema(self) -> list[dict[str, Any]]:
        event = schemas.an_object({"event": schemas.NAME}, where=properties.schema())
        steps = {"type": "array", "items": event, "minItems": FEWEST, "maxItems": MOST}
        when = windows.schema()
        return [
            schemas.an_object(
                {"sequence": steps},
                **{WITHOUT: event},
                **{key: when[key] for key in WINDOWS},
            )
        ]

    def describe(self, condition: Condition) -> str:
        said = f"did {', then '.join(map(_describe, condition['sequence']))}"
        if hours := condition.get("within_hours"):
            said += f" within {counted(hours, 'hour')}"
        if without := condition.get(WITHOUT):
            said += f" and not {_describe(without)} in between"
        return said + windows.describe(_window(condition))

    def sql(self, condition: Condition, person: Person) -> str:
        if person.is_few:
            # Most people did not get that far.
            ended = f"{_ended(condition, person.id)} AND e.profile_id = {person.id}"
            found = f"SELECT true FROM {_walked(condition, person.id)} LIMIT 1"
            return person.shared(
                f"((SELECT true FROM {ended} LIMIT 1) IS TRUE AND ({found}) IS TRUE)"
            )
        found = f"SELECT e.profile_id FROM {_walked(condition)}"
        return person.shared(f"({person.id} IN ({found}))")

    def shown(self, condition: Condition, person: Profile) -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT max(e.time) FROM {_walked(condition, str(person.pk))}"
            )
            (last,) = cursor.fetchone()
            if last is not None:
                return f"Done like that, the last time on {localize(localtime(last))}."
            events = _events(condition)
            often = ", ".join(f"count(*) FILTER (WHERE {_is(one)})" for one in events)
            read = _read(condition, str(person.pk))
            cursor.execute(f"SELECT {often} FROM segments_event e WHERE {read}")
            counts = zip(events, cursor.fetchone(), strict=True)
        said = (f"“{one['event']}” {_times(count)}" for one, count in counts)
        return f"Never done like that: {', '.join(said)}."

    def size(self, condition: Condition) -> int:
        return OWN_SIZE + sum(
            1 + sum(map(operators.size, properties.of(one)))
            for one in _events(condition)
        )

    def comparisons(
        self, condition: Condition, where: str
    ) -> Iterator[tuple[str, Condition]]:
        for place, step in _places(condition, where):
            yield from properties.comparisons(step, f"{place}, event {step['event']}")

    def event_names(self, condition: Condition) -> Iterable[str]:
        return [one["event"] for one in _events(condition)]

    def names(self, condition: Condition) -> Iterable[tuple[str, str, str]]:
        for one in _events(condition):
            yield DictionaryEntry.Kind.EVENT, "", one["event"]
            for where in properties.of(one):
                yield DictionaryEntry.Kind.PROPERTY, one["event"], where["property"]

    def edges(self, condition: Condition) -> Iterable[Edge]:
        # With its first event it leaves the window.
        return windows.edges(_window(condition), condition["sequence"][0]["event"])

    def is_counted(self, condition: Condition) -> bool:
        return any(map(operators.reads_the_clock, _comparisons(condition)))

    def midnights(self, condition: Condition) -> Iterable[str]:
        return operators.midnights(_comparisons(condition))

    def has_cause(self, condition: Condition, *, is_wanted: bool) -> bool:
        return is_wanted

    def cause(self, condition: Condition, person: Person, *, is_wanted: bool) -> str:
        return (
            f"SELECT e.id, e.time FROM {_walked(condition, person.id)}"
            " ORDER BY e.time DESC, e.id DESC LIMIT 1"
        )

    def counts(
        self, condition: Condition, person: Person, event: str, *, is_wanted: bool
    ) -> str:
        ends = _walked(condition, person.id)
        return f"EXISTS (SELECT FROM {ends} AND e.id = {event})"

    def needs_gate(self, condition: Condition) -> bool:
        return False


def _comparisons(condition: Condition) -> list[Condition]:
    return [where for one in _events(condition) for where in properties.of(one)]


def _events(condition: Condition) -> list[Condition]:
    without = condition.get(WITHOUT)
    return [*condition["sequence"], *([without] if without else [])]


def _places(condition: Condition, where: str) -> Iterator[tuple[str, Any]]:
    for number, step in enumerate(condition["sequence"], start=1):
        yield f"{where}, sequence {number}", step
    if WITHOUT in condition:
        yield f"{where}, without", condition[WITHOUT]


def _describe(step: Condition) -> str:
    return f"“{step['event']}”{properties.describe(step)}"


def _times(count: int) -> str:
    if not count:
        return "never"
    return f"{counted(count, 'time')}"


def _window(condition: Condition) -> Condition:
    return {"within_days": condition.get("within_days")}


def _walked(condition: Condition, person_id: str = "") -> str:
    """SQL of the events `e` that end a sequence: of one person, or of everybody.

    Of each event, i1, i2, … say whether it is the first, the second, … of the sequence.
    t1 is the time of the latest first one before it; t2 that of the latest first one that
    has a second between it and this; and so on. Where something must not be in between,
    n is the event's place in its person's row of events, s1, s2, … are the places of
    those of t1, t2, …, and c that of the last one before it which must not be.
    """
    steps, without = condition["sequence"], condition.get(WITHOUT)
    flags = [f"({_is(step)}) AS i{n}" for n, step in enumerate(steps, start=1)]
    begun = ["max(time) FILTER (WHERE i1) OVER before AS t1"]
    if without:
        flags += [f"row_number() OVER ({ORDER}) AS n", f"({_is(without)}) AS is_c"]
        begun += [
            "max(n) FILTER (WHERE i1) OVER before AS s1",
            "max(n) FILTER (WHERE is_c) OVER before AS c",
        ]
    walked = (
        f"SELECT profile_id, id, time, {', '.join(flags)}"
        f" FROM segments_event e WHERE {_read(condition, person_id)}"
    )
    walked = _before(walked, begun)
    last = len(steps)
    for n in range(2, last):
        walked = _before(
            walked,
            [
                f"max({key}{n - 1}) FILTER (WHERE i{n}) OVER before AS {key}{n}"
                for key in ("ts" if without else "t")
            ],
        )
    ends = [f"i{last}", f"t{last - 1} IS NOT NULL"]
    if hours := condition.get("within_hours"):
        ends.append(f"time - t{last - 1} <= interval '{hours} hours'")
    if without:
        ends.append(f"(c IS NULL OR c <= s{last - 1})")
    return f"({walked}) e WHERE {' AND '.join(ends)}"


def _before(walked: str, columns: list[str]) -> str:
    return (
        f"SELECT e.*, {', '.join(columns)} FROM ({walked}) e WINDOW before AS"
        f" ({ORDER} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    )


def _read(condition: Condition, person_id: str) -> str:
    """The condition over the events `e` that are walked through."""
    names = sorted({literal(one["event"]) for one in _events(condition)})
    window = windows.sql(_window(condition), person_id=person_id)
    if person_id:
        named = of_one(person_id, f"ARRAY[{', '.join(names)}]")
        own = [f"e.profile_id = {person_id}", f"e.name = ANY({named})", *window]
    else:
        own = [f"e.name IN ({', '.join(names)})", *window]
        # Most people did not get that far.
        own.append(f"e.profile_id IN (SELECT e.profile_id FROM {_ended(condition)})")
    return " AND ".join(own)


def _ended(condition: Condition, person_id: str = "") -> str:
    """SQL of the events `e` that may end it: of anybody, or of this person."""
    window = windows.sql(_window(condition), person_id=person_id)
    last = " AND ".join((_is(condition["sequence"][-1], person_id), *window))
    return f"segments_event e WHERE {last}"


def _is(step: Condition, person_id: str = "") -> str:
    name = literal(step["event"])
    named = of_one(person_id, name) if person_id else name
    return " AND ".join((f"e.name = {named}", *properties.sql(step)))
