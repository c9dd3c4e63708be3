"""What an engagement can be made of, read from the product's own lists, and the table.

A feature has a slot: one trigger, up to five guards, one sync mode and what goes with it.
`rows` are as few engagements as have every two of them together. Another trigger, guard,
mode or field is a line here; until there is one, `test_every_pair` fails.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engagements.models import Engagement
from engagements.variants import plan

Trigger, Repeat, Again = Engagement.Trigger, Engagement.Repeat, Engagement.Again
Fields = Mapping[str, Any]

# How many of each slot an engagement has, at most; of the first two kinds it has one.
SLOTS = {"trigger": 1, "mode": 1, "guard": 5, "beside": 2}
NEPAL, INDIA = "Asia/Kathmandu", "Asia/Kolkata"  # a quarter of an hour later
DELAY = 20  # minutes
MOST = 2  # people a run, where one is to stop and ask above
# What is written of people, and what else half of them get, where there are variants.
VALUES = {name: f"{{{{ profile.{name} }}}}" for name in ("plan", "city")}
OTHERS = {"city": "near {{ profile.city }}"}
# The same, written in the engagement: its values are called by their places.
PAYLOAD = """{"attributes": [{
    "external_id": {{ profile.external_id }},
    "plan": {{ profile.plan }}, "city": "{{ profile.city }}"
}]}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """`fields`: what it sets on an engagement whose schedule begins at a moment."""

    name: str
    slot: str
    fields: Callable[[datetime], Fields] = lambda start: {}
    # Why the form refuses it beside others; by name.
    never_with: Mapping[str, str] = field(default_factory=dict)
    # Nobody is sent a second time: beside it nothing else is seen in the second wave.
    hides: bool = False

    def goes_with(self, other: "Feature") -> bool:
        if self.slot == other.slot and SLOTS[self.slot] == 1:
            return False
        return other.name not in self.never_with and self.name not in other.never_with


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An engagement of the table."""

    number: int
    features: Sequence[Feature]

    @property
    def name(self) -> str:
        return f"{self.number}: " + ", ".join(one.name for one in self.features)

    def of(self, slot: str) -> list[str]:
        return [one.name for one in self.features if one.slot == slot]

    @property
    def is_edited(self) -> bool:
        """Whether it is changed between the waves; of variants B is the winner then."""
        return self.number % 2 == 0

    @property
    def grows(self) -> bool:
        """Whether more people are in its second wave than were approved in the first."""
        return self.has("approval") and self.number % 4 == 1

    @property
    def trigger(self) -> str:
        return self.of("trigger")[0]

    def has(self, *names: str) -> bool:
        return any(one.name in names for one in self.features)

    @property
    def variants(self) -> plan.Variants:
        if not self.has("variants"):
            return plan.NONE
        place = "attributes[0]." if self.has("payload") else ""
        others = {f"{place}{name}": value for name, value in OTHERS.items()}
        its = [plan.Variant("A", "Plain", 50), plan.Variant("B", "Near", 50, others)]
        return plan.made(its)

    def fields(self, start: datetime) -> dict[str, Any]:
        found: dict[str, Any] = {"again": Again.ALWAYS}
        for one in self.features:
            found.update(one.fields(start))
        return found


def always(**fields: Any) -> Callable[[datetime], Fields]:
    """The same fields, whenever the schedule begins."""
    return lambda start: fields


def _schedule(repeat: str, **more: Callable[[datetime], Any]) -> Callable[..., Fields]:
    return lambda start: {
        "trigger": Trigger.SCHEDULE,
        "repeat": repeat,
        **{name: value(start) for name, value in more.items()},
    }


def _start(start: datetime) -> datetime:
    return start


# What a way of repeating asks for besides its beginning.
REPEATS: Mapping[str, Mapping[str, Callable[[datetime], Any]]] = {
    Repeat.WEEKDAYS: {"weekdays": lambda start: list(range(7))},
    Repeat.MONTHLY: {"month_day": lambda start: start.day},
    Repeat.CRON: {"cron": lambda start: f"{start.minute} * * * *"},
}


def _triggers() -> Iterator[tuple[str, Callable[[datetime], Fields]]]:
    yield "at once", _schedule(Repeat.ONCE)
    yield "at a time", _schedule(Repeat.ONCE, starts_at=_start)
    for repeat in Repeat:
        if repeat != Repeat.ONCE:
            own = REPEATS.get(repeat, {})
            yield str(repeat), _schedule(repeat, starts_at=_start, **own)
    yield (
        "own zone",
        _schedule(
            Repeat.DAILY,
            starts_at=_start,
            time_zone=lambda start: NEPAL,
            zone_attribute=lambda start: "tz",
        ),
    )
    for trigger in Trigger:
        if trigger != Trigger.SCHEDULE:
            yield str(trigger), always(trigger=trigger)
            waits = always(trigger=trigger, delay=DELAY, delay_unit="minutes")
            yield f"{trigger} after a delay", waits


TRIGGERS = [Feature(name=n, slot="trigger", fields=own) for n, own in _triggers()]
EACH = [one.name for one in TRIGGERS if one.name.startswith(Trigger.EACH_EVENT)]
LISTENING = [
    one.name for one in TRIGGERS if one.name.startswith(tuple(set(Trigger) - {Trigger.SCHEDULE}))
]  # fmt: skip


def _guard(name: str, fields: Fields) -> Feature:
    return Feature(name=name, slot="guard", fields=always(**fields))


def _quiet(start: datetime, action: str) -> Fields:
    """For twenty minutes around the beginning, where it is as late as in Nepal."""
    local, around = start.astimezone(ZoneInfo(NEPAL)), timedelta(minutes=20)
    return {
        "quiet_from": (local - around).time(),
        "quiet_to": (local + around).time(),
        "quiet_zone_attribute": "quiet_zone",
        "quiet_action": action,
    }


ONCE = "each person is sent once: nothing can change, or be cleared"
GUARDS = [
    _guard("suppression segment", {}),
    _guard("suppression list", {}),
    _guard("consent", {}),
    _guard("exclusion", {}),
    _guard("left", {}),
    _guard("holdout of all", {}),
    _guard("holdout", {"holdout_share": 50}),
    Feature(
        name="quiet hours, later",
        slot="guard",
        fields=lambda start: _quiet(start, "later"),
    ),
    Feature(
        name="quiet hours, skip",
        slot="guard",
        fields=lambda start: _quiet(start, "skip"),
        never_with={"quiet hours, later": "it is one or the other"},
    ),
    _guard("cap of all", {}),
    _guard("cap of the segment", {}),
    _guard("cap of the engagement", {}),
    _guard("ceiling", {"ceiling": MOST}),
    _guard("approval", {"approval_above": MOST}),
    Feature(
        name="once a person",
        slot="guard",
        fields=always(again=Again.ONCE),
        hides=True,
        never_with={"changed": ONCE, "deltas": ONCE, "clears who left": ONCE},
    ),
    Feature(
        name="again after days",
        slot="guard",
        fields=always(again=Again.AFTER_DAYS, again_after_days=3),
        hides=True,
        never_with={"once a person": "it is one or the other"},
    ),
    Feature(
        name="limit of events",
        slot="guard",
        fields=always(most_events=1, most_events_per="hour"),
        never_with={
            "once a person": "there is no second event to limit",
            "again after days": "there is no second event to limit",
            "clears who left": "it is of runs",
            **{one.name: "it is of events" for one in TRIGGERS if one.name not in EACH},
        },
    ),
]
MODES = [
    Feature(name=str(mode), slot="mode", fields=always(sync_mode=mode))
    for mode in Engagement.SyncMode
]
BESIDE = [
    Feature(
        name="deltas",
        slot="beside",
        fields=always(sends_deltas=True),
        never_with={"new": "it compares nothing"},
    ),
    Feature(
        name="clears who left",
        slot="beside",
        fields=always(clears_who_left=True),
        never_with=dict.fromkeys(LISTENING, "it is looked for at each run"),
    ),
    Feature(name="variants", slot="beside"),
    Feature(name="payload", slot="beside"),
]
FEATURES = [*TRIGGERS, *MODES, *GUARDS, *BESIDE]

Pair = frozenset[str]


def pairs() -> set[Pair]:
    """Every two features that one engagement can have."""
    return {
        frozenset({a.name, b.name})
        for a, b in itertools.combinations(FEATURES, 2)
        if a.goes_with(b)
    }


def rows() -> list[Row]:
    """Engagements that have all pairs: each takes what brings most of those left."""
    left, found = pairs(), list[Row]()
    while left:
        first = min(left, key=sorted)
        chosen = [one for one in FEATURES if one.name in first]
        while best := _best(chosen, left):
            chosen.append(best)
        left -= pairs_of(chosen)
        order = sorted(chosen, key=FEATURES.index)
        found.append(Row(number=len(found) + 1, features=order))
    return found


def _best(chosen: Sequence[Feature], left: set[Pair]) -> Feature | None:
    """What to add next: what there must be one of, and what brings pairs."""
    room = [one for one in FEATURES if _has_room(chosen, one)]
    best = max(room, key=lambda one: _gain(chosen, one, left), default=None)
    if best and _gain(chosen, best, left):
        return best
    needed = [one for one in room if SLOTS[one.slot] == 1]
    return needed[0] if needed else None


def _has_room(chosen: Sequence[Feature], one: Feature) -> bool:
    taken = sum(other.slot == one.slot for other in chosen)
    fits = all(one.goes_with(other) for other in chosen)
    return one not in chosen and taken < SLOTS[one.slot] and fits


def _gain(chosen: Sequence[Feature], one: Feature, left: set[Pair]) -> int:
    return len(left & pairs_of([*chosen, one])) - len(left & pairs_of(chosen))


def pairs_of(chosen: Sequence[Feature]) -> set[Pair]:
    """The pairs that are looked at in an engagement of these features."""
    hidden = any(one.hides for one in chosen)
    return {
        frozenset({a.name, b.name})
        for a, b in itertools.combinations(chosen, 2)
        if a.hides or b.hides or not hidden
    }
