"""Conditions on events agree with a slow reading of them, whoever is asked, and when.

`make fuzz-segments` asks very many more, by a seed.
"""

import random
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from segments.membership import clock, evaluation
from segments.models import Event, Membership, Segment
from segments.rules import tree
from tests.factories import make_people, make_segment, make_source
from tests.segments.rules import oracle, stored

pytestmark = pytest.mark.django_db

# As hostile as they come.
NAMES = ("A", "B", "it's $events {x} 100%s")
AMOUNT, FORM = "$x $events $of 100%s", "it's $a"
AMOUNTS = (1, 2.5, -4, "3", "05", "x", "", None, True, 5, 5.0, [5], 10**20)
FORMS = ("demo", "other", 5)
# Windows are of whole hours, and no event is so close to their ends.
FORTY = {"property": "n", "is": "equals", "value": 40}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def database_now():
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return cursor.fetchone()[0]


class Made:
    """Rules and people out of one seed; `behind`: since when the clock was not looked at."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.now = database_now()
        self.source = make_source()
        # A day begins there within the last hour.
        offset = -self.now.hour if self.now.hour <= 11 else 24 - self.now.hour
        self.zones = (f"Etc/GMT{-offset:+d}", "UTC", "Asia/Kolkata", "America/New_York")
        self.behind = timedelta(minutes=min(self.now.minute + 10, 59))
        self.people = [person.pk for person in make_people(30)]
        self.events = {person: [] for person in self.people}

    def rules(self, count):
        """None that costs too much."""
        found = (self.rule() for _ in iter(int, 1))
        return list(islice((r for r in found if tree.cost(r) <= tree.MAX_COST), count))

    def rule(self, depth=0):
        if depth < 2 and self.dice.random() < 0.4:
            parts = [self.rule(depth + 1) for _ in range(self.dice.randint(1, 3))]
            return self.dice.choice(
                ({"all": parts}, {"any": parts}, {"not": {"any": parts}})
            )
        return self.sequence() if self.dice.random() < 0.25 else self.event()

    def event(self):
        how = self.dice.choice(
            (
                {},
                {"at_least": self.dice.choice((1, 2, 3))},
                {"at_most": self.dice.choice((0, 1, 2))},
                {"exactly": self.dice.choice((0, 1, 2))},
                {"pick": self.dice.choice(("first", "last"))},
                {"aggregate": self.aggregate()},
            )
        )
        return {**self.step(), **how, **self.window()}

    def step(self):
        step = {"event": self.dice.choice(NAMES)}
        if self.dice.random() < 0.4:
            is_, value = self.dice.choice(
                (("equals", "demo"), ("not_equals", "demo"), ("in", ["demo", "5"]))
            )
            step["where"] = [{"property": FORM, "is": is_, "value": value}]
        return step

    def aggregate(self):
        sign = self.dice.choice(("greater", "less", "equals", "between"))
        value = self.dice.choice((0, 1, 2, 2.5, 5, 8))
        return {
            "of": self.dice.choice((AMOUNT, AMOUNT, FORM)),
            "by": self.dice.choice(
                ("sum", "average", "smallest", "largest", "distinct")
            ),
            "is": sign,
            "value": [value, value + 3] if sign == "between" else value,
        }

    def window(self):
        days, more = self.dice.choice(((1, 2), (2, 3), (1, 3)))
        calendar = {"calendar": True, "zone": self.dice.choice(self.zones)}
        return self.dice.choice(
            (
                {},
                {"within_days": days},
                {"within_days": days, **calendar},
                {"within_hours": self.dice.choice((3, 30))},
                {"before_days": days},
                {"between_days": [days, more]},
                {"between_days": [days - 1, more - 1], **calendar},
                self.fixed(),
            )
        )

    def fixed(self):
        def ago(days):
            return (self.now - timedelta(days=days)).isoformat()

        ends = self.dice.choice(
            (
                {"from": ago(2)[:10]},
                {"from": ago(3)[:10], "until": ago(1)[:10]},
                {"until": ago(1)[:16]},
                {"from": ago(2)[:16], "until": ago(1)},
            )
        )
        return {**ends, "zone": self.dice.choice(self.zones)}

    def sequence(self):
        found = {"sequence": [self.step() for _ in range(self.dice.choice((2, 2, 3)))]}
        if self.dice.random() < 0.5:
            found["within_hours"] = self.dice.choice((2, 24))
        if self.dice.random() < 0.5:
            found["without"] = self.step()
        if self.dice.random() < 0.5:
            found["within_days"] = self.dice.choice((1, 2))
        return found

    def at(self):
        """A time about some hours ago, clear of the ends of windows, now and then."""
        while True:
            hours = self.dice.choice((0, 3, 24, 30, 48, 72))
            # Many have left a window, or come into one, since the clock was looked at.
            lately = (0, self.behind // MINUTE)
            minutes = self.dice.randint(*self.dice.choice(((-90, 90), lately)))
            age = HOUR * hours + timedelta(minutes=minutes)
            if age > timedelta() and all(
                MINUTE < one % HOUR < HOUR - MINUTE for one in (age, age - self.behind)
            ):
                return self.now - age

    def do(self, people, most):
        """Each does something, at times; some of it at the same time."""
        made = []
        for person in people:
            times = [self.at() for _ in range(self.dice.randint(0, most))]
            for _ in times:
                number = sum(map(len, self.events.values()))
                properties = {
                    AMOUNT: self.dice.choice(AMOUNTS),
                    FORM: self.dice.choice(FORMS),
                }
                did = oracle.Did(
                    number=number,
                    name=self.dice.choice(NAMES),
                    time=self.dice.choice(times),
                    properties=properties,
                )
                self.events[person].append(did)
                made.append(
                    Event(
                        source=self.source,
                        message_id=str(number),
                        profile_id=person,
                        name=did.name,
                        time=did.time,
                        properties=properties,
                    )
                )
        Event.objects.bulk_create(made)

    def person(self, pk):
        return oracle.Person(attributes={}, did=self.events[pk])

    def matching(self, rule, now):
        return {pk for pk in self.people if oracle.holds(rule, self.person(pk), now)}

    def cause(self, rule, person, *, wanted):
        """The message ID of the newest event that made it so."""
        found = oracle.says(rule, self.person(person), self.now, wanted=wanted)
        return str(found[-1].number) if found else None


def members(segment):
    return dict(segment.memberships.values_list("profile_id", "event__message_id"))


def test_whoever_is_asked_the_oracle_agrees(world):
    made = Made(world)
    made.do(made.people, 6)
    rules = made.rules(60)
    segments = [make_segment(rule=r, event_names=tree.event_names(r)) for r in rules]
    counted = [make_segment(rule=r, is_active=False) for r in rules]
    for is_first in (True, False):
        before = [members(segment) for segment in segments]
        if not is_first:
            some = made.dice.sample(made.people, 15)
            # What they did long ago comes late, too.
            made.do(some, 3)
        evaluation.evaluate((), made.people, NAMES)
        for rule, one, other, old in zip(rules, segments, counted, before, strict=True):
            expected = made.matching(rule, made.now)
            stored.count_paused(other)
            found = members(one)
            assert set(found) == expected, rule
            assert set(members(other)) == expected, rule
            few = tree.people(rule, made.people[::3]).values_list("pk", flat=True)
            assert set(few) == expected & set(made.people[::3]), rule
            for person in found.keys() - old.keys():
                cause = made.cause(rule, person, wanted=True)
                assert found[person] == cause, rule
            left = one.transitions.filter(kind="exit")
            for person, event in left.values_list("profile_id", "event__message_id"):
                assert event == made.cause(rule, person, wanted=False), rule
    assert not Segment.objects.exclude(problem="").exists()


def test_the_clock_alone_lets_in_and_out(world):
    made = Made(world)
    assert made.now.astimezone(ZoneInfo(made.zones[0])).hour == 0
    made.do(made.people, 6)
    then = made.now - made.behind
    rules = made.rules(60)
    segments, passed = [], 0
    for rule in rules:
        names = tree.event_names(rule)
        segment = make_segment(
            rule=rule, event_names=names, clock_at=then if tree.edges(rule) else None
        )
        was = made.matching(rule, then)
        passed += was != made.matching(rule, made.now)
        Membership.objects.bulk_create(
            Membership(segment=segment, profile_id=person) for person in was
        )
        segments.append(segment)
    assert passed
    late = made.dice.sample(made.people, 5)
    made.do(late, 2)
    evaluation.evaluate((), late, NAMES)
    clock.move_on(time.monotonic() + 60)
    for rule, segment in zip(rules, segments, strict=True):
        # It may be midnight meanwhile.
        states = [made.matching(rule, now) for now in (made.now, datetime.now(UTC))]
        assert set(members(segment)) in states, rule
        segment.refresh_from_db()
        assert segment.clock_at is None or segment.clock_at > made.now


MANY = """
INSERT INTO segments_event (source_id, message_id, profile_id, name, time, properties)
SELECT 0, n, %s, CASE n %% 2 WHEN 0 THEN 'A' ELSE 'B' END,
    now() - n * interval '1 minute', jsonb_build_object('n', n)
FROM generate_series(1, 40000) n
"""


def test_somebody_who_did_very_much_is_asked_in_time():
    """A statement that looked back from each event to all others would be given up."""
    [person] = make_people(1)
    with connection.cursor() as cursor:
        cursor.execute(MANY, [person.pk])
    step = [{"event": name} for name in ("A", "B", "A", "B")]
    count = {"of": "n", "by": "distinct", "is": "equals", "value": 20_000}
    expected = [
        ({"sequence": step, "within_hours": 1, "without": {"event": "C"}}, True),
        ({"sequence": [*step, {"event": "C"}]}, False),
        ({"sequence": [step[0], step[1]], "without": {"event": "A"}}, True),
        ({"event": "A", "aggregate": count}, True),
        ({"event": "B", "exactly": 20_000}, True),
        ({"event": "A", "pick": "first", "where": [FORTY]}, False),
    ]
    segments = [make_segment(rule=rule) for rule, _ in expected]
    evaluation.evaluate([person.pk])
    for segment, (rule, is_in) in zip(segments, expected, strict=True):
        assert segment.memberships.exists() is is_in, rule
    assert not Segment.objects.exclude(problem="").exists()
