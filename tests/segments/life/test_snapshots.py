"""Fixed lists: who was in a segment stays in another, whatever becomes of either."""

import random

import pytest
from django.core.exceptions import ValidationError
from django.test import TestCase
from django.urls import reverse

from segments.life import natures, snapshots
from segments.life.natures import Nature
from segments.membership import evaluation, explaining, refresh
from segments.membership.references import graph
from segments.models import Profile, Segment, Snapshot, SnapshotMember
from segments.rules import tree
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}


def people_of(segment) -> set[int]:
    return set(segment.memberships.values_list("profile_id", flat=True))


@pytest.fixture
def pune():
    for city in ("Pune", "Pune", "Pune", "Delhi"):
        factories.make_profile(city=city)
    made = factories.make_segment(rule=PUNE, name="Locals", tags=["x"])
    refresh.refresh(made.pk)
    return made


@pytest.fixture
def kept(pune):
    with TestCase.captureOnCommitCallbacks(execute=True):
        made = snapshots.keep(pune, factories.make_admin())
    made.refresh_from_db()
    return made


def change(person, **attributes):
    person.attributes = {**person.attributes, **attributes}
    person.save()
    evaluation.evaluate([person.pk])


def test_nobody_enters_and_nobody_leaves(pune, kept):
    assert people_of(kept) == people_of(pune)
    assert (kept.size, kept.state, kept.tags) == (3, Segment.State.LIVE, ["x"])
    before = people_of(kept)
    goes, comes = Profile.objects.get(pk=min(before)), factories.make_profile()
    change(goes, city="Delhi")
    change(comes, city="Pune")
    assert people_of(pune) != before
    assert people_of(kept) == before
    refresh.refresh(kept.pk)
    assert people_of(kept) == before


def test_the_other_segment_may_go(pune, kept):
    before = people_of(kept)
    pune.delete()
    refresh.refresh(kept.pk)
    assert people_of(kept) == before
    assert "was in the segment “Locals” on" in tree.describe(kept.rule)


def test_who_is_erased_is_in_no_list(kept):
    gone = Profile.objects.get(pk=min(people_of(kept)))
    pk = gone.pk
    gone.delete()
    assert not SnapshotMember.objects.filter(profile_id=pk).exists()
    refresh.refresh(kept.pk)
    kept.refresh_from_db()
    assert (len(people_of(kept)), kept.size) == (2, 2)


def test_who_becomes_part_of_another_is_in_as_that_person(kept):
    """Asked of a few and of everybody alike; and back again where that is undone."""
    part = Profile.objects.get(pk=min(people_of(kept)))
    root = factories.make_profile()
    for merged_into, member in ((root, root), (None, part)):
        Profile.objects.filter(pk=part.pk).update(merged_into=merged_into)
        evaluation.evaluate([part.pk, root.pk])
        assert people_of(kept) & {part.pk, root.pk} == {member.pk}
        refresh.refresh(kept.pk)
        assert people_of(kept) & {part.pk, root.pk} == {member.pk}


def test_everybody_and_few_are_asked_alike():
    people = factories.make_people(60)
    chosen = random.Random(7).sample(people, 25)
    segment = factories.make_segment(chosen, rule={"event": "Never"})
    made = snapshots.keep(segment, factories.make_admin())
    for part, root in zip(people[::7], people[1::7], strict=False):
        Profile.objects.filter(pk=part.pk).update(merged_into=root)
    rule = {"any": [made.rule, {"all": [PUNE, {"not": made.rule}]}]}
    everybody = set(tree.people(rule).values_list("pk", flat=True))
    few = set(tree.people(rule, [p.pk for p in people]).values_list("pk", flat=True))
    assert everybody == few
    assert len(everybody) > 15


def test_the_page_makes_one_and_says_what_it_is(admin_client, pune):
    address = reverse("admin:segments_segment_fixed", args=[pune.pk])
    assert "3 people" in words(admin_client.get(address))
    with TestCase.captureOnCommitCallbacks(execute=True):
        answer = admin_client.post(address)
    made = Segment.objects.latest("pk")
    assert answer.url == made.get_absolute_url()
    assert made.name.startswith("Locals, ")
    assert natures.of(made).nature == Nature.FIXED
    page = words(admin_client.get(made.get_absolute_url()))
    assert "Fixed list." in page
    assert made.versions.get().note == "Who was in “Locals”."
    person = Profile.objects.get(pk=min(people_of(made)))
    assert explaining.explain(made.rule, person).holds


@pytest.mark.parametrize("id", [0, -1, "1", True, 1.5, None, 1 << 63])
def test_what_is_no_snapshot_is_refused(id):
    with pytest.raises(ValidationError, match="snapshot"):
        tree.validate({"snapshot": id})


def test_a_snapshot_that_is_gone_has_nobody(kept):
    Snapshot.objects.all().delete()
    SnapshotMember.objects.all().delete()
    refresh.refresh(kept.pk)
    assert people_of(kept) == set()
    assert tree.describe(kept.rule)


def test_a_snapshot_that_is_not_there_is_refused_when_a_rule_is_saved(kept):
    segment = factories.make_segment(rule=PUNE)
    with pytest.raises(ValidationError, match="the fixed list 999 is not there"):
        graph.check(segment, {"not": {"snapshot": 999}})
    graph.check(segment, kept.rule)


def test_what_nobody_asks_for_any_more_is_cleared_away(pune, kept):
    user = factories.make_admin()
    for asked in ({"snapshot": None}, {"all": [PUNE, {"not": {"snapshot": None}}]}):
        made = snapshots.keep(pune, user)
        part = asked["all"][1]["not"] if "all" in asked else asked
        part["snapshot"] = made.rule["snapshot"]
        made.versions.all().delete()
        Segment.objects.filter(pk=made.pk).update(rule=asked)
    alone = snapshots.keep(pune, user)
    there = set(Snapshot.objects.values_list("pk", flat=True))
    snapshots.clear()
    assert set(Snapshot.objects.values_list("pk", flat=True)) == there
    gone = alone.rule["snapshot"]
    # A version that may be restored keeps it; with its segment it goes.
    Segment.objects.filter(pk=alone.pk).update(rule=PUNE)
    snapshots.clear()
    assert Snapshot.objects.filter(pk=gone).exists()
    alone.delete()
    snapshots.clear()
    assert set(Snapshot.objects.values_list("pk", flat=True)) == there - {gone}
    assert not SnapshotMember.objects.filter(of=gone).exists()
