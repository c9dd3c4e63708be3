"""The kinds of conditions that a rule is built of: what is asked of each, and which there are.

A condition is an object that a key of its own names the kind of: {"event": "Lead", …}.
Another kind is a module with a subclass of Kind, registered: tree.py registers those of
this room; an app above registers its own when it is ready.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Case, Model, QuerySet, When

from segments.models import Profile
from segments.rules.operators import AS_JSON, is_storable, literal, read

Condition: TypeAlias = dict[str, Any]
Row = TypeVar("Row", bound=Model)

COLUMNS = ("external_id", "email", "phone")
MAX_NAME = 255
# So many there are to choose of.
MOST_CHOICES = 2_000


class Person:
    """Who is asked, in SQL: `alias` names the row of segments_profile.

    `is_few`: a few people are asked, each by probes of their own rows that end where
    they are decided. Otherwise everybody is, and what is asked is one set for all.
    """

    def __init__(self, alias: str = "p", *, is_few: bool) -> None:
        self.alias, self.is_few = alias, is_few

    @property
    def id(self) -> str:
        return f"{self.alias}.id"

    def attribute(self, name: str, reads: str = AS_JSON) -> str:
        """An attribute's JSON, or what it is read as (operators.reads)."""
        return read(reads, attribute(name, f"{self.alias}."))

    def belongs(self, key: str, id: int, sql: str) -> str:
        """Whether they belong to what the condition's key and id say, by its SQL."""
        return self.shared(sql)

    def shared(self, sql: str) -> str:
        """A condition that other rules may ask as well, by its SQL."""
        return sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Time alone changes a condition for who did `event` at `time`, SQL over $now.

    While it is now, `time` goes from one event to the next: who did them is asked again.
    """

    event: str
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`value` is written into the rule; `text` and `about` help to pick it.

    `url` is of its page, where it has one.
    """

    value: int
    text: str
    about: str = ""
    url: str = ""


class Kind(ABC):
    """A kind of condition. Each method but `validate` is given a valid condition."""

    # The key that names the kind, and those of other kinds that it has besides.
    key: ClassVar[str]
    also: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def validate(self, condition: Condition, where: str) -> None:
        """Raise a ValidationError that begins with the place, unless all is right."""

    def missing(self, condition: Condition) -> str:
        """What it asks for that is not there, in words; "" where all is.

        In the transaction that saves it.
        """
        return ""

    @abstractmethod
    def schema(self) -> list[dict[str, Any]]:
        """JSON Schemas of which each condition of this kind fits one."""

    @abstractmethod
    def describe(self, condition: Condition) -> str:
        """The condition as part of a sentence that a marketer reads."""

    def describe_not(self, condition: Condition) -> str:
        """That it does not hold, in the same way."""
        return f"not ({self.describe(condition)})"

    @abstractmethod
    def sql(self, condition: Condition, person: Person) -> str:
        """The condition over a person; never null, and the same for everybody and few.

        Values are literals, and the text is the same for the same condition.
        """

    @abstractmethod
    def shown(self, condition: Condition, person: Profile) -> str:
        """A sentence on what decides it for a person who is not part of another."""

    def size(self, condition: Condition) -> int:
        """How many comparisons it takes to ask it of a person (tree.MAX_COST)."""
        return 1

    def comparisons(
        self, condition: Condition, where: str
    ) -> Iterator[tuple[str, Condition]]:
        """The comparisons in it, each with its place as `validate` names it."""
        yield from ()

    def event_names(self, condition: Condition) -> Iterable[str]:
        """The events that it reads: one that comes in asks the person again."""
        return ()

    def attribute_names(self, condition: Condition) -> Iterable[str]:
        """The attributes that it reads: who has another value is asked again."""
        return ()

    def choices(self, named: Collection[Any] = ()) -> list[Choice]:
        """What a form offers for what the kind's key names, such as segments.

        `named` is what a rule has under that key: what is there of it is offered, too.
        """
        return []

    def names(self, condition: Condition) -> Iterable[tuple[str, str, str]]:
        """The (kind, event, name) of the dictionary's entries that it reads."""
        return ()

    def edges(self, condition: Condition) -> Iterable[Edge]:
        """Whom time alone changes it for, as membership.clock asks them again."""
        return ()

    def is_counted(self, condition: Condition) -> bool:
        """Whether time changes it in ways that only a count of everybody finds."""
        return False

    def midnights(self, condition: Condition) -> Iterable[str]:
        """The zones at whose midnights alone that is; none where it is at any moment."""
        return ()

    def has_cause(self, condition: Condition, *, is_wanted: bool) -> bool:
        """Whether an event can be what made it true (or false)."""
        return False

    def cause(self, condition: Condition, person: Person, *, is_wanted: bool) -> str:
        """SQL of one row (id, time), or none: the newest event that made it so."""
        raise NotImplementedError

    def counts(
        self, condition: Condition, person: Person, event: str, *, is_wanted: bool
    ) -> str:
        """SQL of whether an event made it so, whether or not it is the newest that did.

        `event`: SQL of the id of an event of the person's.
        """
        newest = self.cause(condition, person, is_wanted=is_wanted)
        return f"EXISTS (SELECT FROM ({newest}) e WHERE e.id = {event})"

    def needs_gate(self, condition: Condition) -> bool:
        """Whether there may be such an event though the condition does not hold."""
        return True


def offered(rows: QuerySet[Row], named: Collection[Any]) -> QuerySet[Row]:
    """So many rows as a form offers, by name, with those that are `named`."""
    is_other = Case(When(pk__in=named, then=0), default=1)
    some = rows.order_by(is_other, "name").values("pk")[:MOST_CHOICES]
    return rows.filter(pk__in=some).order_by("name")


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Let rules have conditions of this kind."""
    KINDS[kind.key] = kind


def of(condition: Condition) -> Kind:
    """The kind of a valid condition."""
    return KINDS[keys(condition)[0]]


def keys(condition: Condition) -> list[str]:
    """The kinds that a condition names: one, where it is valid."""
    found = [key for key in KINDS if key in condition]
    besides = {key for one in found for key in KINDS[one].also}
    return [key for key in found if key not in besides]


def attribute(name: str, row: str = "") -> str:
    """SQL of an attribute as JSON; `row` is what stands before a column's name."""
    if name in COLUMNS:
        return f"to_jsonb(NULLIF({row}{name}, ''))"
    return f"({row}attributes -> {literal(name)}::text)"


def of_one(person_id: str, value: str) -> str:
    """SQL of what a person's own rows are compared with, so that they are looked up.

    A value that PostgreSQL knows beforehand it looks up in its statistics. Of an event's
    name that is new since they were taken, or of the last hour, they expect nothing: it
    would read everybody's of that name, person by person, since there are none.
    """
    return f"CASE WHEN {person_id} > 0 THEN {value} END"


def allow(condition: Condition, keys: set[str], where: str) -> None:
    """Raise a ValidationError where there is another key."""
    if unknown := sorted(map(str, condition.keys() - keys)):
        key = unknown[0][:50].encode(errors="replace").decode()
        raise ValidationError(f"{where}: “{key}” does not belong here.")


def check_name(name: object, message: str) -> None:
    """Raise a ValidationError, `message` and why, unless it is a name."""
    if not isinstance(name, str) or not name.strip():
        raise ValidationError(f"{message}.")
    if len(name.strip()) > MAX_NAME:
        raise ValidationError(f"{message} of up to {MAX_NAME} characters.")
    if not is_storable(name):
        raise ValidationError(f"{message} without characters that cannot be stored.")
