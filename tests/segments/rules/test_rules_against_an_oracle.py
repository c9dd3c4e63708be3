"""Every form of a rule in SQL and a slow, obvious reading of it always agree.

`make fuzz-segments` asks very many more, by a seed.
"""

from random import Random

import pytest
from django.utils import timezone

from segments.membership import evaluation
from segments.rules import tree
from tests.factories import make_segment
from tests.segments.rules import oracle, random_rules, stored

pytestmark = pytest.mark.django_db

RULES, PEOPLE = 60, 25


def valid_rule(random):
    while True:
        rule = random_rules.rule(random)
        try:
            tree.validate(rule)
        except tree.ValidationError:
            continue
        return rule


def test_all_forms_take_in_just_the_oracles_people_by_just_its_events(world):
    random, now = Random(world), timezone.now()
    people = stored.store([random_rules.person(random, now) for _ in range(PEOPLE)])
    rules = [valid_rule(random) for _ in range(RULES)]
    asked = [make_segment(rule=rule) for rule in rules]
    counted = [make_segment(rule=rule, is_active=False) for rule in rules]
    some = random.sample(sorted(people), PEOPLE // 3)

    evaluation.evaluate(people)

    for one, other in zip(asked, counted, strict=True):
        rule = one.rule
        expected = expected_members(rule, people)
        assert ids(tree.people(rule)) == set(expected), rule
        assert ids(tree.people(rule, some)) == set(expected) & set(some), rule
        assert members(one) == expected, rule
        stored.count_paused(other)
        assert members(other) == expected, rule


def expected_members(rule, people):
    """Who is in, and with which event they came."""
    now = timezone.now()
    found = {}
    for pk, person in people.items():
        if oracle.holds(rule, person, now):
            said = oracle.says(rule, person, now)
            found[pk] = said[-1].number if said else None
    return found


def ids(people):
    return set(people.values_list("pk", flat=True))


def members(segment):
    return dict(segment.memberships.values_list("profile_id", "event_id"))
