"""Segments that ask who was sent an engagement: they follow what is sent, and the time."""

import json
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engagements import tick
from engagements.audience import sent
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery, Engagement, JustSent, SentBefore
from engagements.outbox import just_sent
from segments.forms import SegmentForm
from segments.membership import counting, explaining, refresh
from segments.models import Profile
from segments.rules import tree
from tests import factories
from tests.faults.working import once, to_the_end

pytestmark = pytest.mark.django_db

State = Delivery.State


@pytest.fixture(autouse=True)
def known():
    """Nothing is known of the test before, nor by the one behind."""
    just_sent.forget()
    yield
    just_sent.forget()


def asking(rule, **fields):
    """A segment as its form saves it, counted where it is live."""
    segment = factories.make_segment(rule=rule, **fields)
    counting.mark_changed(segment)
    segment.save()
    if segment.is_active:
        refresh.refresh(segment.pk)
    just_sent.forget()
    return segment


def members(segment):
    return set(segment.memberships.values_list("profile_id", flat=True))


@pytest.fixture
def active(braze):
    def make(people, **fields) -> Engagement:
        segment = factories.make_segment(people)
        fields.setdefault("trigger", Engagement.Trigger.SCHEDULE)
        version = factories.make_version(connection=braze)
        engagement = factories.make_engagement(segment, version, **fields)
        transitions.activate(engagement)
        return engagement

    return make


def delivered(person, engagement=None, *, state=State.SENT, ago=0.0):
    engagement = engagement or factories.make_engagement()
    run = factories.make_run(engagement)
    delivery = factories.make_delivery(person, run, state=state)
    at = timezone.now() - timedelta(days=ago)
    Delivery.objects.filter(pk=delivery.pk).update(updated_at=at)
    return engagement


# --- Following ---------------------------------------------------------------------


def test_who_was_just_sent_something_enters_and_leaves_with_the_worker_s_work(active):
    people = factories.make_people(3)
    rested = asking({"not": {"sent": None, "within_days": 7}})
    engagement = active(people)
    told = asking({"sent": engagement.pk})
    above = asking({"segment": told.pk})
    other = asking({"sent": factories.make_engagement().pk})
    assert members(rested) == {p.pk for p in people} and not members(told)
    to_the_end(engagement)
    assert members(told) == members(above) == {p.pk for p in people}
    assert members(rested) == members(other) == set()
    assert not JustSent.objects.exists()


def test_nobody_is_noted_and_nothing_asked_where_no_rule_asks(active):
    people = factories.make_people(3)
    asking({"attribute": "sent", "is": "is_present"})
    asking({"event": "sent", "where": [{"property": "sent", "is": "is_present"}]})
    asking({"sent": None}, is_active=False)
    just_sent.is_asked()
    engagement = active(people)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        to_the_end(engagement)
    assert Delivery.objects.filter(state=State.SENT).count() == 3
    asked = [q["sql"] for q in queries if "justsent" in q["sql"]]
    assert asked == []


def test_what_a_killed_worker_left_is_followed_by_the_tick(active):
    (person,) = factories.make_people(1)
    told = asking({"sent": None})
    delivered(person)
    # As it is when a worker is killed behind the end of what it sent.
    JustSent.objects.create(profile_id=person.pk)
    tick.CHORES["follow what was sent"]()
    assert members(told) == {person.pk}
    assert not JustSent.objects.exists()


def test_what_is_written_down_and_who_is_noted_are_one_step(active):
    """Where the transaction does not come to its end, neither is there."""
    told = asking({"sent": None})
    engagement = active(factories.make_people(1))
    with transaction.atomic():
        once()
        assert members(told)
        transaction.set_rollback(True)
    assert not Delivery.objects.filter(run__engagement=engagement).exists()
    assert not members(told) and not JustSent.objects.exists()


def test_who_is_marked_as_sent_counts_from_then_on(active):
    (person,) = factories.make_people(1)
    told = asking({"sent": None})
    run = factories.make_run(factories.make_engagement(state="active"), state="sending")
    batch = factories.make_batch(
        run, [person], state="uncertain", delivery_state="uncertain"
    )
    assert members(told) == set()
    assert transitions.decide(Batch.objects.get(pk=batch.pk), "mark_sent")
    sent.follow()
    assert members(told) == {person.pk}


def test_the_window_moves_on_with_the_clock():
    person = factories.make_profile()
    delivered(person, ago=6.9)
    rested = asking({"not": {"sent": None, "within_days": 7}})
    assert members(rested) == set()
    assert tree.reads_the_clock(rested.rule)
    past = timedelta(hours=4)
    Delivery.objects.update(updated_at=F("updated_at") - past)
    type(rested).objects.update(
        refreshed_at=F("refreshed_at") - past, updated_at=F("updated_at") - past
    )
    refresh.refresh_due(timezone.now())
    assert members(rested) == {person.pk}


def test_a_deleted_delivery_of_who_is_sent_once_stays_known():
    person, other = factories.make_people(2)
    engagement = factories.make_engagement()
    long_ago = timezone.now() - timedelta(days=400)
    SentBefore.objects.create(engagement=engagement, profile=person, sent_at=long_ago)
    for rule, expected in (
        ({"sent": engagement.pk}, {person.pk}),
        ({"sent": None}, {person.pk}),
        ({"sent": None, "within_days": 30}, set()),
        ({"sent": factories.make_engagement().pk}, set()),
    ):
        assert members(asking(rule)) == expected


# --- What it means -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (State.SENT, True),
        (State.ACCEPTED_UNVERIFIED, True),
        (State.REJECTED, False),
        (State.SKIPPED, False),
        (State.UNCERTAIN, False),
        (State.DEAD, False),
        (State.CANCELLED, False),
    ],
)
def test_sent_is_what_the_other_side_accepted(state, counts):
    person = factories.make_profile()
    engagement = delivered(person, state=state)
    rule = {"sent": engagement.pk}
    segment = asking(rule)
    assert (person.pk in members(segment)) is counts
    refresh.evaluate([person.pk])
    assert (person.pk in members(segment)) is counts
    verdict = explaining.explain(rule, person)
    assert verdict.holds is counts
    assert verdict.shown.startswith(
        "They were, the last" if counts else "They were not"
    )


def test_everybody_and_a_few_are_asked_alike_by_all_their_names():
    one, root, part, old, nobody = factories.make_people(5)
    Profile.objects.filter(pk=part.pk).update(merged_into=root, external_id=None)
    engagement = delivered(one, ago=2)
    delivered(part, engagement, ago=2)
    delivered(old, ago=40)
    for rule, expected in (
        ({"sent": engagement.pk}, {one.pk, root.pk}),
        ({"sent": engagement.pk, "within_days": 1}, set()),
        ({"sent": engagement.pk, "within_days": 3}, {one.pk, root.pk}),
        ({"sent": None, "within_days": None}, {one.pk, root.pk, old.pk}),
        ({"sent": None, "within_days": 30}, {one.pk, root.pk}),
        ({"not": {"sent": None}}, {nobody.pk}),
    ):
        people = [one.pk, root.pk, part.pk, old.pk, nobody.pk]
        everybody = set(tree.people(rule).values_list("pk", flat=True))
        few = set(tree.people(rule, people).values_list("pk", flat=True))
        segment = factories.make_segment(rule=rule)
        refresh.evaluate(people)
        assert everybody == few == members(segment) == expected
        segment.delete()


@pytest.mark.parametrize(
    "wrong",
    [
        {"sent": 0},
        {"sent": True},
        {"sent": "7"},
        {"sent": 7, "within_days": 0},
        {"sent": 7, "within_days": 1.5},
        {"sent": 7, "at_least": 1},
    ],
)
def test_what_is_no_such_condition_is_refused_with_its_place(wrong):
    with pytest.raises(ValidationError, match="Rule"):
        tree.validate(wrong)


def test_it_is_said_in_words():
    engagement = factories.make_engagement(name="Welcome")
    rule = {
        "all": [
            {"sent": engagement.pk, "within_days": 1},
            {"not": {"sent": None, "within_days": 7}},
            {"sent": 10**15},
        ]
    }
    assert tree.describe(rule) == (
        "was sent “Welcome” in the last 1 day and was not sent anything in the last 7"
        " days and was sent an Engagement that was deleted"
    )


def test_an_engagement_that_is_not_there_is_refused():
    segment = factories.make_segment(rule={"sent": None})
    data = {"name": "New", "rule": json.dumps({"sent": 10**15}), "is_active": "on"}
    form = SegmentForm(data, instance=segment)
    assert form.errors["rule"] == [
        f"Rule: the Engagement {10**15} is not there any more."
    ]
