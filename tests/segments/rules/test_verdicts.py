"""One statement for all rules, the queryset of each and everybody's count agree.

`--verdicts RULESxPEOPLE` asks more of them, by another seed each time.
"""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from segments.membership import evaluation
from segments.models import Event, Membership, Profile, Segment
from segments.rules import tree
from segments.rules.conditions.items import COUNTED, QUANTIFIERS
from segments.rules.kinds import Person
from segments.rules.operators import AS_JSON, OPERATORS
from tests.factories import make_segment, make_source
from tests.segments.rules import made, stored
from tests.segments.rules.made import HOSTILE

pytestmark = pytest.mark.django_db

NAMES = ("a", "0", "it's", 'say "x"', "back\\slash", "100%s", "$a", "{people}", "Ünï")
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
        if kind < 0.8:
            return self.items()
        return {
            "event": self.random.choice(NAMES),
            "at_least": self.random.choice((1, 1, 2, 3)),
            "within_days": self.random.choice(WINDOWS),
            "where": [
                {"property": self.random.choice(NAMES), **self.comparison()}
                for _ in range(self.random.choice((0, 0, 1, 2)))
            ],
        }

    def items(self):
        quantifier = self.random.choice(tuple(QUANTIFIERS))
        made = {"attribute": self.random.choice(NAMES), "items": quantifier}
        if quantifier in COUNTED:
            made["count"] = self.random.choice((1, 2))
        made["where"] = [
            {"property": self.random.choice(("5", "a", "sku")), **self.comparison()}
            for _ in range(self.random.choice((0, 1, 1, 2)))
        ]
        return made

    def comparison(self):
        return made.comparison(self.random, OPERATORS)

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
    source = Made(seed)
    every = [
        {"attribute": "a", **made.comparison(source.random, OPERATORS, name)}
        for name in OPERATORS
    ]
    found = [*every, *(source.rule() for _ in range(rules * 3))]
    valid = [rule for rule in found if is_valid(rule)][:rules]
    assert len(valid) == rules
    return source, valid, source.people(people)


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
    source, rules, people = asked
    source.events(people, "first")
    ours = [make_segment(rule=rule) for rule in rules]
    counted = [make_segment(rule=rule, is_active=False) for rule in rules]

    evaluation.evaluate(people)
    for one, other in zip(ours, counted, strict=True):
        stored.count_paused(other)
        check(one, people, other)
        assert members(one) == members(other), one.rule

    source.change(people)
    evaluation.evaluate(people[::2], people[1::2], NAMES)
    # Nobody was asked by a rule that says of itself that it reads no event.
    evaluation.evaluate(people[1::2])
    for one, other in zip(ours, counted, strict=True):
        stored.count_paused(other)
        check(one, people, other)
        assert exits(one) == exits(other), one.rule
        one.refresh_from_db()
        assert one.size == len(members(one))
    assert not Segment.objects.exclude(problem="").exists()
    assert Membership.objects.exists()


class Recorder(Person):
    """Keeps which attributes the SQL of a rule is made of."""

    def __init__(self):
        super().__init__(is_few=True)
        self.names = set()

    def attribute(self, name, reads=AS_JSON):
        self.names.add(name)
        return super().attribute(name, reads)


@pytest.mark.parametrize("seed", range(3))
def test_a_rule_names_the_attributes_that_its_sql_reads(seed):
    """Whoever has another value is asked by the segments that name it alone."""
    rules = Made(seed)
    for _ in range(200):
        rule, person = rules.rule(), Recorder()
        tree.sql(rule, person)
        assert tree.attribute_names(rule) == person.names
