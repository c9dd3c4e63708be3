"""What people did.

    {"event": "Lead form submitted", "at_least": 1, "within_days": 30,
     "where": [{"property": "form", "is": OPERATOR, "value": VALUE}, …]}

at_least is 1, within_days null (ever) and where empty where left out.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import formats
from django.utils.timezone import localtime

from segments.models import DictionaryEntry, Profile
from segments.rules import operators, schema
from segments.rules.conditions import properties
from segments.rules.kinds import (
    Condition,
    Edge,
    Kind,
    Person,
    allow,
    check_name,
)
from segments.rules.operators import check_days, literal

MAX_TIMES = 1_000_000


class Event(Kind):
    key = "event"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"event", "at_least", "within_days", "where"}, where)
        check_name(condition["event"], f"{where}: enter the name of an event")
        where = f"{where}, event {condition['event']}"
        times = condition.get("at_least", 1)
        if not isinstance(times, int) or isinstance(times, bool):
            raise ValidationError(f"{where}: “at least” is a whole number of times.")
        if not 1 <= times <= MAX_TIMES:
            raise ValidationError(
                f"{where}: “at least” is between 1 and {MAX_TIMES:,}."
            )
        days = condition.get("within_days")
        if days is not None and (problem := check_days(days)):
            raise ValidationError(
                f"{where}, within days: {problem}, or leave it empty."
            )
        properties.validate(condition.get("where"), where)

    def schema(self) -> list[dict[str, Any]]:
        return [
            schema.an_object(
                {"event": schema.NAME},
                at_least={"type": "integer", "minimum": 1, "maximum": MAX_TIMES},
                within_days={"anyOf": [schema.DAYS, {"type": "null"}]},
                where=properties.schema(),
            )
        ]

    def describe(self, condition: Condition) -> str:
        times, days = condition.get("at_least", 1), condition.get("within_days")
        said = f"did “{condition['event']}”{properties.describe(condition)}"
        said += f" at least {times:,} {'time' if times == 1 else 'times'}"
        if days:
            said += f" in the last {days:,} {'day' if days == 1 else 'days'}"
        return said

    def sql(self, condition: Condition, person: Person) -> str:
        return person.shared(self._sql(condition, person))

    def _sql(self, condition: Condition, person: Person) -> str:
        times = condition.get("at_least", 1)
        # A scalar subquery is never turned into a hash of everybody's events.
        if person.is_few:
            events = f"FROM segments_event e WHERE {_events(condition, person)}"
            if times == 1:
                return f"((SELECT true {events} LIMIT 1) IS TRUE)"
            return (
                f"((SELECT count(*) FROM (SELECT {events} LIMIT {times}) x) >= {times})"
            )
        if times == 1:
            events = f"FROM segments_event e WHERE {_events(condition, person)}"
            return f"EXISTS (SELECT {events})"
        # Not correlated, so that all events are grouped once, with one hash.
        return (
            f"({person.id} IN (SELECT e.profile_id FROM segments_event e"
            f" WHERE {_events(condition)} GROUP BY 1 HAVING count(*) >= {times}))"
        )

    def shown(self, condition: Condition, person: Profile) -> str:
        events = f"e.profile_id = {person.pk:d} AND {_events(condition)}"
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*), max(e.time) FROM segments_event e WHERE {events}"
            )
            often, last = cursor.fetchone()
        if not often:
            return "Never done like that."
        times = "time" if often == 1 else "times"
        return (
            f"Done {often:,} {times}, the last on {formats.localize(localtime(last))}."
        )

    def size(self, condition: Condition) -> int:
        return 1 + sum(map(operators.size, properties.of(condition)))

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

    def edges(self, condition: Condition) -> Iterable[Edge]:
        if days := condition.get("within_days"):
            yield Edge(event=condition["event"], time=f"$now - interval '{days} days'")

    def is_counted(self, condition: Condition) -> bool:
        return any(map(operators.reads_the_clock, properties.of(condition)))

    def has_cause(self, condition: Condition, *, is_wanted: bool) -> bool:
        # What was not done is no cause.
        return is_wanted

    def cause(self, condition: Condition, person: Person, *, is_wanted: bool) -> str:
        return (
            "SELECT e.id, e.time FROM segments_event e"
            f" WHERE {_events(condition, person)} ORDER BY e.time DESC, e.id DESC LIMIT 1"
        )

    def counts(
        self, condition: Condition, person: Person, event: str, *, is_wanted: bool
    ) -> str:
        events = _events(condition, person)
        return (
            f"EXISTS (SELECT FROM segments_event e WHERE e.id = {event} AND {events})"
        )

    def needs_gate(self, condition: Condition) -> bool:
        return bool(condition.get("at_least", 1) > 1)


def _events(condition: Condition, person: Person | None = None) -> str:
    """The condition over `e` of the events that count: a person's, or everybody's."""
    parts = [f"e.profile_id = {person.id}"] if person else []
    parts.append(f"e.name = {literal(condition['event'])}")
    if days := condition.get("within_days"):
        parts.append(f"e.time >= statement_timestamp() - interval '{days} days'")
    return " AND ".join((*parts, *properties.sql(condition)))
