"""The event that goes with a person: the one that satisfied the rule."""

from datetime import timedelta

import pytest
from django.utils import timezone

from segments.membership import refresh
from segments.models import Event, Membership, Segment, Transition
from tests.factories import make_event, make_profile, make_segment

pytestmark = pytest.mark.django_db

HOME = {"property": "product", "is": "equals", "value": "home"}
LEAD_HOME = {"event": "Lead", "where": [HOME]}
PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
PRO = {"attribute": "plan", "is": "equals", "value": "pro"}


def did(person, name, days_ago=0.0, **properties):
    event = make_event(person, name, **properties)
    at = timezone.now() - timedelta(days=days_ago)
    Event.objects.filter(pk=event.pk).update(time=at)
    return event.pk


def segment_of(rule):
    return make_segment(rule=rule, event_names=["Lead", "Buy", "Visit", "Stop"])


def brought_in(rule, person, *, way):
    """The event with which the person enters; the log and the membership agree."""
    segment = segment_of(rule)
    if way == "refresh":
        refresh.refresh(segment.pk)
    else:
        refresh.evaluate([person.pk])
    entry = Transition.objects.get(segment=segment, profile=person, kind="entry")
    assert Membership.objects.get(segment=segment).event_id == entry.event_id
    return entry.event_id


@pytest.fixture(params=["evaluate", "refresh"])
def way(request):
    return request.param


@pytest.fixture
def person(db):
    return make_profile(city="Pune", plan="free")


def test_it_is_the_one_that_the_where_names(person, way):
    home = did(person, "Lead", product="home")
    did(person, "Lead", product="car")

    assert brought_in(LEAD_HOME, person, way=way) == home


def test_it_is_found_though_it_arrives_late(person, way):
    did(person, "Lead", product="car")
    home = did(person, "Lead", days_ago=2, product="home")

    assert brought_in(LEAD_HOME, person, way=way) == home


def test_of_several_that_satisfy_it_the_newest_by_its_own_time(person, way):
    newest = did(person, "Lead", days_ago=1, product="home")
    did(person, "Lead", days_ago=3, product="home")
    did(person, "Buy")
    times = {**LEAD_HOME, "at_least": 2}

    assert brought_in(times, person, way=way) == newest


def test_it_is_inside_the_window(person, way):
    did(person, "Lead", days_ago=40)
    inside = did(person, "Lead", days_ago=5, product="home")
    did(person, "Lead", days_ago=2, product="car")

    assert brought_in({**LEAD_HOME, "within_days": 30}, person, way=way) == inside


def test_of_several_conditions_that_all_hold_the_newest_of_all(person, way):
    did(person, "Lead", days_ago=3, product="home")
    buy = did(person, "Buy", days_ago=1)
    did(person, "Lead", product="car")

    rule = {"all": [LEAD_HOME, {"event": "Buy"}, PUNE]}
    assert brought_in(rule, person, way=way) == buy


def test_an_alternative_that_does_not_hold_has_no_say(person, way):
    home = did(person, "Lead", days_ago=3, product="home")
    did(person, "Buy")  # …but not on the plan that this alternative asks for.

    rule = {"any": [LEAD_HOME, {"all": [{"event": "Buy"}, PRO]}]}
    assert brought_in(rule, person, way=way) == home


def test_a_count_that_is_not_reached_has_no_say(person, way):
    home = did(person, "Lead", days_ago=3, product="home")
    did(person, "Buy")

    rule = {"any": [LEAD_HOME, {"event": "Buy", "at_least": 2}]}
    assert brought_in(rule, person, way=way) == home


def test_what_was_not_done_is_no_cause(person, way):
    did(person, "Lead", product="home")
    visit = did(person, "Visit", days_ago=1)

    rule = {"all": [{"event": "Visit"}, {"not": {"event": "Lead", "at_least": 2}}]}
    assert brought_in(rule, person, way=way) == visit


@pytest.mark.parametrize(
    "rule",
    [
        PUNE,
        {"not": {"event": "Stop"}},
        {"any": [PUNE, {"event": "Lead", "at_least": 2}]},
        {"all": [PUNE, {"not": {"any": [{"event": "Stop"}, {"event": "Buy"}]}}]},
    ],
)
def test_where_no_event_satisfied_it_none_goes_along(person, way, rule):
    did(person, "Lead", product="home")

    assert brought_in(rule, person, way=way) is None


def test_a_double_no_is_a_yes(person, way):
    lead = did(person, "Lead", product="home")
    did(person, "Visit")

    rule = {"not": {"all": [{"not": LEAD_HOME}, {"not": {"event": "Buy"}}]}}
    assert brought_in(rule, person, way=way) == lead


def test_who_leaves_goes_with_what_made_them_leave(person, way):
    segment = segment_of({"all": [PUNE, {"not": {"event": "Stop"}}]})
    refresh.refresh(segment.pk)
    stop = did(person, "Stop", days_ago=1)
    did(person, "Visit")
    if way == "refresh":
        refresh.refresh(segment.pk)
    else:
        refresh.evaluate([person.pk])

    assert segment.transitions.get(kind="exit").event_id == stop


def test_who_stays_after_a_change_of_the_rule_gets_what_satisfies_the_new_one(person):
    home = did(person, "Lead", days_ago=2, product="home")
    car = did(person, "Lead", days_ago=1, product="car")
    segment = segment_of(LEAD_HOME)
    refresh.refresh(segment.pk)
    assert Membership.objects.get().event_id == home

    rule = {"event": "Lead", "where": [{**HOME, "value": "car"}]}
    Segment.objects.filter(pk=segment.pk).update(rule=rule, refreshed_at=None)
    refresh.refresh(segment.pk)

    assert Membership.objects.get().event_id == car
    assert segment.transitions.count() == 1
