"""The people of a row: each is marked for some of its guards, changes or not, or leaves."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.engagements.pairs.features import Row

# What stops everybody, and asks nothing of one person.
UNMARKED = ("ceiling", "approval")
# More than are absent of any row.
NEWCOMERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """`changes`: has another city in the second wave; `is_absent`: is not in it.

    `is_new`: is not in the first. Who is absent in the second is marked in the second wave, and not in the first.
    """

    number: int
    row: Row
    marks: frozenset[str]
    changes: bool = False
    is_absent: bool = False
    is_new: bool = False

    def is_away(self, wave: int) -> bool:
        return self.is_new if wave == 1 else self.is_absent

    @property
    def name(self) -> str:
        return f"r{self.row.number}-{self.number}"

    def city(self, wave: int) -> str:
        return "Köln" if self.changes and wave == 2 else "Bonn"

    @property
    def is_of_b(self) -> bool:
        """Which variant is drawn for them, where there are two."""
        return self.row.has("variants") and self.number // 2 % 2 == 1

    @property
    def sent_before(self) -> int:
        """How often, where a cap is their mark: one more is too many, or two."""
        return 2 - self.number // 3 % 2

    @property
    def is_later(self) -> bool:
        """Whether they are a quarter of an hour behind, where zones are their own."""
        return self.number % 2 == 1


def of(row: Row) -> list[Person]:
    """With no mark, with each and with each two, the same and changed; and absent ones."""
    marks = [name for name in row.of("guard") if name not in UNMARKED]
    newcomers = [((), {"is_new": True})] * (NEWCOMERS * row.grows)
    return [
        Person(number=number, row=row, marks=frozenset(own), **more)
        for number, (own, more) in enumerate([*_kinds(marks), *newcomers])
    ]


def _kinds(marks: Sequence[str]) -> Iterator[tuple[Sequence[str], dict[str, bool]]]:
    for many in range(3):
        for own in itertools.combinations(marks, many):
            yield own, {}
            yield own, {"changes": True}
            # Who has left before cannot leave while they wait.
            if "left" not in own:
                yield own, {"is_absent": True}
