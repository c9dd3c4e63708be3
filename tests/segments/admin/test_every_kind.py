"""Each kind of condition on the pages that read a rule: with it, and where it is gone."""

import json
from html import unescape

import pytest
from django.urls import reverse

from engagements.models import Engagement
from segments.life import snapshots
from segments.models import Segment, Snapshot, SnapshotMember, UploadedList
from segments.rules import kinds, tree
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

LAPSES = {"property": "lapses_on", "is": "in_next_days", "value": 30, "calendar": True}


@pytest.fixture
def person():
    found = factories.make_profile(city="Pune", policies=[{"lapses_on": "soon"}, 5])
    factories.make_event(found, "Sale", amount=10**30)
    return found


@pytest.fixture
def conditions(person):
    """One or more of each kind, whose names, if any, are there."""
    segment = factories.make_segment([person], name="Asked for", rule={"event": "E"})
    kept = snapshots.keep(segment, factories.make_admin())
    sale = {"event": "Sale"}
    return [
        {"attribute": "city", "is": "equals", "value": "Pune"},
        sale,
        {**sale, "aggregate": {"of": "amount", "by": "sum", "is": "greater", "value": 1}},
        {**sale, "pick": "first", "within_days": 3, "calendar": True},
        {"sequence": [sale, sale], "without": {"event": "Refund"}, "within_hours": 1},
        {"attribute": "policies", "items": "any", "where": [LAPSES]},
        {"segment": segment.pk},
        {"list": factories.make_list(person.external_id).pk},
        {"sent": factories.make_engagement().pk, "within_days": 3},
        {"share": 1e-9, "salt": "a"},
        {"everybody": True},
        kept.rule,
    ]  # fmt: skip


def read(client, person, condition):
    """What the pages of a segment with that rule say: (its own, the explanation, size)."""
    segment = factories.make_segment(rule={"not": {"all": [condition]}})
    explanation = reverse("admin:segments_segment_explanation", args=[segment.pk])
    size = {"rule": json.dumps(segment.rule), "segment": segment.pk}
    answers = [
        client.get(segment.get_absolute_url()),
        client.get(explanation, {"id": person.pk}),
        client.post(reverse("admin:segments_segment_size"), size),
    ]
    assert [one.status_code for one in answers] == [200, 200, 200], condition
    shown, explained = (unescape(words(one)) for one in answers[:2])
    return shown, explained, answers[2].json()


def test_every_kind_is_shown_explained_and_counted(admin_client, person, conditions):
    of_kinds = {kinds.keys(condition)[0] for condition in conditions}
    assert of_kinds == set(kinds.KINDS)
    for condition in conditions:
        _, explained, size = read(admin_client, person, condition)
        assert kinds.of(condition).shown(condition, person) in explained
        assert " of " in size["size"], condition


def test_what_is_named_may_be_gone(admin_client, person, conditions):
    named = [
        one
        for one in conditions
        if one.keys() & {"segment", "list", "sent", "snapshot"}
    ]
    Engagement.objects.all().delete()
    Segment.objects.all().delete()
    SnapshotMember.objects.all().delete()
    Snapshot.objects.all().delete()
    UploadedList.objects.all().delete()
    for condition in named:
        shown, _, size = read(admin_client, person, condition)
        # With a capital letter where it begins a sentence.
        said = tree.describe({"not": condition})[1:]
        assert said in shown and "deleted" in said
        # Nobody is in what is not there.
        assert size["size"] == "1 of 1 person", condition
