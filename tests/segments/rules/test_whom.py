"""Everybody, and random shares: the conditions that read nothing of a person."""

import hashlib

import pytest
from django.core.exceptions import ValidationError

from segments.membership import explaining, refresh
from segments.rules import kinds, tree
from tests.factories import make_people, make_profile, make_segment

pytestmark = pytest.mark.django_db


def share(percent, salt="spring"):
    return {"share": percent, "salt": salt}


def matching(rule, ids=None):
    return set(tree.people(rule, ids).values_list("pk", flat=True))


def drawn(percent, salt, id):
    """A plain reading: the hash as a fraction of one."""
    digest = hashlib.sha256(f"{salt}\n{id}".encode()).digest()
    return int.from_bytes(digest) / 2**256 < percent / 100


def test_everybody_is_everybody_and_not_everybody_nobody():
    people = make_people(3)
    ids = {p.pk for p in people}
    assert matching({"everybody": True}) == ids
    assert matching({"not": {"everybody": True}}) == set()
    assert matching({"everybody": True}, [people[0].pk]) == {people[0].pk}


def test_a_share_of_a_share_has_a_draw_of_its_own():
    """TRAPS.md, segments 25: 10,000 people; 10 %, then half and half of these."""
    ids = {p.pk for p in make_people(10_000)}
    tenth = matching(share(10))
    assert 850 < len(tenth) < 1_150
    half = matching({"all": [share(10), share(50, "variant")]})
    other = matching({"all": [share(10), {"not": share(50, "variant")}]})
    assert half | other == tenth and not half & other
    assert 400 < len(half) < 600
    # By the same salt a share is a part of a larger one.
    assert matching(share(5)) < tenth < matching(share(50)) < ids
    assert matching(share(100)) == ids


@pytest.mark.parametrize("salt", ["spring", "Ünï’s \\ 'salt' %s %", "E'", "1"])
@pytest.mark.parametrize("percent", [0.01, 10.5, 33.3333, 99.999])
def test_a_share_is_the_same_for_everybody_a_few_and_a_plain_reading(salt, percent):
    people = make_people(300)
    expected = {p.pk for p in people if drawn(percent, salt, p.pk)}
    rule = share(percent, salt)
    assert matching(rule) == matching(rule, [p.pk for p in people]) == expected
    segment = make_segment(rule=rule)
    refresh.evaluate([p.pk for p in people])
    assert set(segment.memberships.values_list("profile_id", flat=True)) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": 0, "salt": "a"},
        {"share": -1, "salt": "a"},
        {"share": 100.5, "salt": "a"},
        {"share": True, "salt": "a"},
        {"share": "10", "salt": "a"},
        {"share": float("nan"), "salt": "a"},
        {"share": 10},
        {"share": 10, "salt": " "},
        {"share": 10, "salt": "a\nb"},
        {"share": 10, "salt": "a" * 101},
        {"share": 10, "salt": "\0"},
        {"share": 10, "salt": "a", "of": 3},
        {"everybody": False},
        {"everybody": 1},
        {"everybody": True, "salt": "a"},
    ],
)
def test_what_is_no_share_is_refused_with_its_place(wrong):
    with pytest.raises(ValidationError, match="Rule: "):
        tree.validate(wrong)


def test_they_are_said_in_words_and_explained():
    person = make_profile()
    rule = {"all": [{"everybody": True}, share(12.5)]}
    assert tree.describe(rule) == "everybody and a random 12.5 % of people (“spring”)"
    everybody, by_chance = explaining.explain(rule, person).parts
    assert everybody.shown == "Everybody is."
    place = float(by_chance.shown.rsplit(maxsplit=1)[1].rstrip("."))
    assert by_chance.holds is (place < 12.5)


@pytest.mark.parametrize("key", ["everybody", "share", "segment", "list"])
def test_it_reads_no_event_no_clock_and_costs_little(key):
    kind = kinds.KINDS[key]
    rule = {"everybody": True, "share": 5, "segment": 1, "list": 1}
    condition = {key: rule[key]} | ({"salt": "a"} if key == "share" else {})
    tree.validate(condition)
    assert tree.event_names(condition) == []
    assert not tree.reads_the_clock(condition)
    assert 1 <= kind.size(condition) <= 3
