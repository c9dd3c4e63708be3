"""What must come of each person, said as slowly and plainly as can be.

A wave of the story has two looks: at once (`a`), and 40 minutes later (`b`), when delays,
quiet hours and the way from one time zone to the next are over.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from tests.engagements.pairs.features import MOST, Row
from tests.engagements.pairs.people import Person

# In the order in which guards are asked: the feature, and what the report says.
CODES: Mapping[str, str] = {
    "suppression segment": "suppressed",
    "suppression list": "suppressed",
    "consent": "no_consent",
    "exclusion": "excluded",
    "left": "left_segment",
    "holdout of all": "holdout_global",
    "holdout": "holdout",
    "quiet hours, skip": "quiet_hours",
    "cap of all": "frequency_cap",
    "cap of the segment": "frequency_cap",
    "cap of the engagement": "frequency_cap",
}
AGAIN = ("once a person", "again after days")
CAPS = ("cap of all", "cap of the segment", "cap of the engagement")
# What keeps somebody from being cleared of what was written; nothing else does.
BEFORE_LEFT = ("suppression segment", "suppression list", "consent", "exclusion")
HELD_OUT = ("holdout", "holdout_global")
SENT = "sent"
LEFT_OUT = ""  # not taken in: there is no delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What the delivery says, at which look, and what has arrived.

    `variant`: its number, where there are any; 0 is that of who is held out.
    """

    code: str
    look: str
    body: Mapping[str, Any] | None = None
    variant: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """At which look a row stops before anybody is taken in, and what it asks for."""

    look: str
    why: str


@dataclass(slots=True, kw_only=True)
class Story:
    """What was before: the objects that Braze has accepted, by person's name.

    And for how many people a second person has approved the row, as it is then.
    """

    row: Row
    approved: int = MOST
    accepted: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def wave(self, people: Sequence[Person], wave: int) -> dict[str, End]:
        """The end of each in this wave; who is not in it has none."""
        if wave == 2 and self.row.is_edited:
            self.approved = MOST
        found = {
            p.name: replace(end, variant=_variant(p, wave, end.code))
            for p in people
            if (end := self._end(p, wave))
        }
        for name, end in found.items():
            if end.body is not None:
                self.accepted[name] = {**self.accepted.get(name, {}), **end.body}
        return found

    def stops(self, ends: Mapping[str, End]) -> Stop | None:
        """Where the row stops in a wave of these ends; who is asked lets it go on."""
        late = _is_delayed(self.row)
        sifted = {"left_segment", "came_back"} if late else set[str]()
        nobody = {LEFT_OUT, "over_limit", *sifted}
        people = sum(end.code not in nobody for end in ends.values())
        look = "b" if late else "a"
        if self.row.has("approval") and people > self.approved:
            self.approved = people
            return Stop(look=look, why=f"approval of {people}")
        if self.row.has("ceiling") and people > MOST:
            return Stop(look=look, why="ceiling")
        return None

    def _end(self, person: Person, wave: int) -> End | None:
        row, was_sent = self.row, person.name in self.accepted
        if person.is_away(wave):
            return self._cleared(person) if was_sent else None
        marks = set[str]() if person.is_absent else set(person.marks)
        # What somebody is cannot be changed between two waves.
        marks |= {m for m in person.marks if m.startswith(("holdout", "quiet"))}
        if _is_delayed(row) and "left" in marks:
            return End(code=_left(row), look="b")
        if row.has(*AGAIN) and (was_sent or marks.intersection(AGAIN)):
            return End(code=LEFT_OUT, look="")
        look = "b" if _is_asked_later(person) else "a"
        if "limit of events" in marks and wave == 1:
            return End(code="over_limit", look=look)
        # Who has nothing new asks for no room.
        is_new = self._sent(person, wave, look).body is not None
        full = self._full(person, marks) if is_new else set[str]()
        marks = {m for m in marks if m not in CAPS} | full
        if look == "b":
            # By then it is not quiet any more.
            marks -= {"quiet hours, skip", "quiet hours, later"}
        for guard, code in CODES.items():
            if guard in CAPS and "quiet hours, later" in marks:
                look = "b"
            if guard in marks:
                return End(code=_left(row) if guard == "left" else code, look=look)
        if "quiet hours, later" in marks:
            look = "b"
        return self._sent(person, wave, look)

    def _full(self, person: Person, marks: Set[str]) -> set[str]:
        """The caps that have no room left, of two in so many days."""
        sent = dict.fromkeys(marks & {*CAPS}, person.sent_before)
        if "cap of the segment" in marks and "cap of all" in marks:
            # Through its channel, so that of all counts it as well.
            sent["cap of all"] += person.sent_before
        was_sent = person.name in self.accepted
        caps = [cap for cap in self.row.of("guard") if cap in CAPS]
        return {cap for cap in caps if sent.get(cap, 0) + was_sent > 1}

    def _sent(self, person: Person, wave: int, look: str) -> End:
        row, before = self.row, self.accepted.get(person.name)
        body = {"external_id": person.name, "plan": "pro", "city": _city(person, wave)}
        if before and row.has("new"):
            return End(code="not_new", look=look)
        if before == body and row.has("changed", "deltas"):
            return End(code="unchanged", look=look)
        if before and row.has("deltas"):
            body = {
                n: v for n, v in body.items() if before[n] != v or n == "external_id"
            }
        return End(code=SENT, look=look, body=body)

    def _cleared(self, person: Person) -> End | None:
        if not self.row.has("clears who left"):
            return None
        for guard in BEFORE_LEFT:
            if guard in person.marks:
                return End(code=CODES[guard], look="a")
        body = {"external_id": person.name, "plan": None, "city": None}
        return End(code=SENT, look="a", body=body)


def _city(person: Person, wave: int) -> str:
    city = person.city(wave)
    return f"near {city}" if _gets_b(person, wave) else city


def _gets_b(person: Person, wave: int) -> bool:
    """They are drawn for it, or it has won by then."""
    has_won = person.row.is_edited and wave == 2
    return person.row.has("variants") and (person.is_of_b or has_won)


def _variant(person: Person, wave: int, code: str) -> int | None:
    # Who is sifted is not looked at any more.
    is_sifted = code == "over_limit" or (
        _is_delayed(person.row) and code == _left(person.row)
    )
    if is_sifted or not person.row.has("variants"):
        return None
    return 0 if code in HELD_OUT else 1 + _gets_b(person, wave)


def _left(row: Row) -> str:
    return "came_back" if row.trigger.startswith("on_exit") else CODES["left"]


def _is_delayed(row: Row) -> bool:
    return row.trigger.endswith("after a delay")


def _is_asked_later(person: Person) -> bool:
    is_behind = person.row.trigger == "own zone" and person.is_later
    return _is_delayed(person.row) or is_behind
