"""Who people are to us, in all forms of a rule, against a slow and obvious reading.

Conditions of who is in a segment, on a list, in a share, or was sent something stand
among all others; what they are asked of was written by nobody who reads it.
"""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from django.utils import timezone

from engagements.models import Delivery
from segments.membership import evaluation, explaining
from segments.models import Identifier, ListEntry, Membership, Profile
from segments.rules import tree
from tests.factories import (
    make_delivery,
    make_engagement,
    make_list,
    make_run,
    make_segment,
)
from tests.segments.rules import oracle, random_rules, stored

pytestmark = pytest.mark.django_db

RULES, PEOPLE = 40, 25
KINDS = ("external_id", "email", "phone", "loyalty_card")


class Belonging:
    """Segments, lists and engagements, and who belongs to which."""

    def __init__(self, random, people):
        self.random, self.people = random, people
        # Switched off, they keep those they have.
        self.segments = [make_segment(is_active=False) for _ in range(2)]
        self.lists = [make_list(kind=kind) for kind in KINDS]
        self.engagements = [make_engagement() for _ in range(2)]
        self.runs = [make_run(one) for one in self.engagements]
        for pk in sorted(people):
            people[pk] = self.with_what_they_belong_to(pk)

    def with_what_they_belong_to(self, pk):
        segments = [one for one in self.segments if self.random.random() < 0.5]
        for segment in segments:
            Membership.objects.create(segment=segment, profile_id=pk)
        lists = [one for one in self.lists if self.random.random() < 0.4]
        for one in lists:
            self.put_on(one, pk)
        sent = []
        for engagement, run in zip(self.engagements, self.runs, strict=True):
            if self.random.random() < 0.4:
                days = self.random.choice(random_rules.AGES)
                at = timezone.now() - timedelta(days=days)
                delivery = make_delivery(Profile.objects.get(pk=pk), run)
                Delivery.objects.filter(pk=delivery.pk).update(updated_at=at)
                sent.append((engagement.pk, at))
        return replace(
            self.people[pk],
            segments=frozenset(one.pk for one in segments),
            lists=frozenset(one.pk for one in lists),
            sent=sent,
        )

    def put_on(self, of, pk):
        """By a column, or by what was said of somebody who is part of them."""
        value = f"{of.kind}-{pk}"
        if of.kind == "loyalty_card" or self.random.random() < 0.3:
            part = Profile.objects.create(merged_into_id=pk)
            Identifier.objects.create(profile=part, kind=of.kind, value=value)
        else:
            value = getattr(Profile.objects.get(pk=pk), of.kind) or value
            Profile.objects.filter(pk=pk).update(**{of.kind: value})
            self.people[pk] = replace(self.people[pk], **{of.kind: value})
        ListEntry.objects.get_or_create(of=of, value=value)

    def condition(self):
        choose = self.random.choice
        days = choose((None, *random_rules.WINDOWS))
        engagement = choose((None, *self.engagements))
        return choose(
            (
                {"everybody": True},
                {"share": choose((10, 33.3, 50, 100)), "salt": choose("ab")},
                {"segment": choose(self.segments).pk},
                {"list": choose(self.lists).pk},
                {"sent": engagement and engagement.pk, "within_days": days},
            )
        )

    def rule(self):
        """A rule of which every second condition is one of these."""

        def mixed(rule):
            for group in ("all", "any"):
                if group in rule:
                    return {group: [mixed(part) for part in rule[group]]}
            if "not" in rule:
                return {"not": mixed(rule["not"])}
            return self.condition() if self.random.random() < 0.5 else rule

        while True:
            made = mixed(random_rules.rule(self.random))
            try:
                tree.validate(made)
            except tree.ValidationError:
                continue
            return made


@pytest.mark.parametrize("seed", range(4))
def test_all_forms_take_in_just_the_oracles_people(seed):
    random, now = Random(f"whom {seed}"), timezone.now()
    made = [random_rules.person(random, now) for _ in range(PEOPLE)]
    # Two who share an e-mail or a phone are both on its list.
    made = [replace(one, email="", phone="") for one in made]
    people = stored.store(made)
    world = Belonging(random, people)
    rules = [world.rule() for _ in range(RULES)]
    assert any("sent" in one for rule in rules for one in tree.conditions(rule))
    asked = [make_segment(rule=rule) for rule in rules]
    counted = [make_segment(rule=rule, is_active=False) for rule in rules]
    some = random.sample(sorted(people), PEOPLE // 3)

    evaluation.evaluate(people)

    for one, other in zip(asked, counted, strict=True):
        rule = one.rule
        expected = {
            pk
            for pk, person in people.items()
            if oracle.holds(rule, person, timezone.now())
        }
        assert set(ids(tree.people(rule))) == expected, rule
        assert set(ids(tree.people(rule, some))) == expected & set(some), rule
        assert set(members(one)) == expected, rule
        stored.count_paused(other)
        assert set(members(other)) == expected, rule
        pk = random.choice(some)
        verdict = explaining.explain(rule, Profile.objects.get(pk=pk))
        assert verdict.holds is (pk in expected), rule


def ids(people):
    return people.values_list("pk", flat=True)


def members(segment):
    return segment.memberships.values_list("profile_id", flat=True)
