"""One statement for all rules, the queryset of each and everybody's count agree.

`--verdicts RULESxPEOPLE` asks more of them, by another seed each time.
"""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from segments.membership import evaluation, refresh
from segments.models import Event, Membership, Profile, Segment
from segments.rules import tree
from segments.rules.operators import OPERATORS
from tests.factories import make_segment, make_source

pytestmark = pytest.mark.django_db

NAMES = ("a", "0", "it's", 'say "x"', "back\\slash", "100%s", "$a", "{people}", "Ünï")
HOSTILE: tuple[object, ...] = (
    None, "", " ", "5", "5.0", "05", "5e0", 5, 5.0, 0, -0.0, -2.5, 1e20, 1e-9,
    12345678901234567890, True, False, "true", "null", [], [5], ["5"], ["5", None],
    [["5"]], {}, {"5": 5}, {"a": {"0": "5"}}, "Pune", "pune", "une", "it's", "back\\",
    "%", "%s %(ids)s", "$a $x", "{people}", "}'::bigint[]", "Zoe\u0308", "Zo\u00eb",
    "👩‍🚀", "x" * 2_000, "2026-01-01", "2026-01-01T10:00:00Z", "2026-01-01 10:00",
    "2026-03-29T02:30:00+05:30", "2026-02-30", "2026-01-01T24:00:00", "0001-01-01",
    "2026-01-01 BC", "2026-W01-1", "20260101", "now", "infinity", "-infinity",
    "tomorrow", "294277-01-01", "2026-01-01junk",
)  # fmt: skip
TEXTS = tuple(v for v in HOSTILE if isinstance(v, str) and 0 < len(v) <= 1_000)
NUMBERS = (0, 5, 5.0, -2.5, 1e20, 10**29)
DATES = ("2026-01-01", "2026-01-01T10:00:00Z", "1999-12-31T23:59:59.999999+14:00")
WINDOWS = (None, 3, 10)


class Made:
    """Rules and people out of one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.source = make_source()

    def rule(self, depth=0):
        kind = self.random.random()
        if depth < 4 and kind < 0.35:
            parts = [self.rule(depth + 1) for _ in range(self.random.randint(1, 3))]
            return {self.random.choice(("all", "any")): parts}
        if depth < 4 and kind < 0.45:
            return {"not": self.rule(depth + 1)}
        if kind < 0.7:
            names = (*NAMES, "email", "phone", "external_id")
            return {"attribute": self.random.choice(names), **self.comparison()}
        return {
            "event": self.random.choice(NAMES),
            "at_least": self.random.choice((1, 1, 2, 3)),
            "within_days": self.random.choice(WINDOWS),
            "where": [
                {"property": self.random.choice(NAMES), **self.comparison()}
                for _ in range(self.random.choice((0, 0, 1, 2)))
            ],
        }

    def comparison(self):
        operator = self.random.choice(tuple(OPERATORS))
        value = {
            "value": lambda: self.random.choice((*TEXTS, *NUMBERS, True, False)),
            "text": lambda: self.random.choice(TEXTS),
            "values": lambda: self.random.sample((*TEXTS, *NUMBERS, True), 3),
            "bound": lambda: self.random.choice((*NUMBERS, *DATES)),
            "pair": lambda: self.random.choices(
                self.random.choice((NUMBERS, DATES)), k=2
            ),
            "days": lambda: self.random.choice((1, 400, 3_660)),
            "nothing": lambda: None,
        }[OPERATORS[operator].takes]()
        return {"is": operator, "value": value}

    def values(self):
        names = self.random.sample(NAMES, self.random.randint(0, len(NAMES)))
        return {name: self.random.choice(HOSTILE) for name in names}

    def people(self, count):
        people = Profile.objects.bulk_create(
            Profile(
                attributes=self.values(),
                email=self.random.choice(("", "5", "pune", "it's")),
                phone=self.random.choice(("", "5")),
                external_id=self.random.choice((None, f"{number}%s'")),
            )
            for number in range(count)
        )
        merged = self.random.sample(people, count // 20)
        Profile.objects.filter(pk__in=[p.pk for p in merged]).update(
            merged_into=people[0]
        )
        return [person.pk for person in people]

    def events(self, people, label):
        now = timezone.now()
        Event.objects.bulk_create(
            Event(
                source=self.source,
                message_id=f"{label}-{number}",
                profile_id=self.random.choice(people),
                name=self.random.choice(NAMES),
                # Clear of the edges of the windows.
                time=now
                - timedelta(days=self.random.choice((1, 5, 20)), seconds=number),
                properties=self.values(),
            )
            for number in range(len(people) * 4)
        )

    def change(self, people):
        """Some have other values, and some have done something."""
        some = self.random.sample(people, len(people) // 3)
        for person in Profile.objects.filter(pk__in=some):
            person.attributes = self.values()
            person.save()
        self.events(some, "later")


@pytest.fixture
def asked(request, record_property):
    rules, people = map(int, request.config.getoption("--verdicts").split("x"))
    seed = 12 if (rules, people) == (70, 300) else random.randrange(10**9)
    record_property("seed", seed)
    made = Made(seed)
    every = [{"attribute": "a", **made.comparison()} for _ in OPERATORS]
    found = [*every, *(made.rule() for _ in range(rules * 3))]
    valid = [rule for rule in found if is_valid(rule)][:rules]
    assert len(valid) == rules
    return made, valid, made.people(people)


def is_valid(rule):
    try:
        tree.validate(rule)
    except tree.ValidationError:
        return False
    return True


def members(segment):
    return dict(segment.memberships.values_list("profile_id", "event_id"))


def exits(segment):
    left = segment.transitions.filter(kind="exit")
    return dict(left.values_list("profile_id", "event_id"))


def check(segment, people, counted):
    """All forms take in the same people, with the same events."""
    found = members(segment)
    assert set(found) == set(tree.people(segment.rule).values_list("pk", flat=True)), (
        segment.rule
    )
    some = people[::7]
    few = tree.people(segment.rule, some).values_list("pk", flat=True)
    assert set(found) & set(some) == set(few), segment.rule
    assert set(found) == set(members(counted))


def test_all_forms_of_many_rules_agree(asked):
    made, rules, people = asked
    made.events(people, "first")
    ours = [make_segment(rule=rule) for rule in rules]
    counted = [make_segment(rule=rule, is_active=False) for rule in rules]

    evaluation.evaluate(people)
    for one, other in zip(ours, counted, strict=True):
        refresh.refresh(other.pk)
        check(one, people, other)
        assert members(one) == members(other), one.rule

    made.change(people)
    evaluation.evaluate(people[::2], people[1::2], NAMES)
    # Nobody was asked by a rule that says of itself that it reads no event.
    evaluation.evaluate(people[1::2])
    for one, other in zip(ours, counted, strict=True):
        refresh.refresh(other.pk)
        check(one, people, other)
        assert exits(one) == exits(other), one.rule
        one.refresh_from_db()
        assert one.size == len(members(one))
    assert not Segment.objects.exclude(problem="").exists()
    assert Membership.objects.exists()
