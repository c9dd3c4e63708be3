"""What a new segment may begin with: right as soon as its names are chosen."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from lemnisk_braze.lib import database_clock
from segments.builder.form_data import form_data
from segments.builder.starting_points import STARTING_POINTS, filled
from segments.rules import tree
from tests.factories import make_profile

pytestmark = pytest.mark.django_db


def names(part, path=()):
    """The paths of what is empty in a rule."""
    if part == "":
        yield path
    elif isinstance(part, dict | list):
        items = part.items() if isinstance(part, dict) else enumerate(part)
        for key, value in items:
            yield from names(value, (*path, key))


@pytest.mark.parametrize("point", STARTING_POINTS, ids=lambda point: point.title)
def test_it_is_a_rule_when_all_that_it_wishes_for_is_chosen(point):
    # Each empty name is wished for.
    assert sorted(map(str, names(point.rule))) == sorted(
        str(tuple(wish.path)) for wish in point.wishes
    )
    with pytest.raises(ValidationError):
        tree.validate(point.rule)
    tree.validate(filled(point))


def test_days_begin_where_the_site_is(settings):
    """A birthday in Berlin began at one or two in the morning, as the day does in UTC."""
    settings.TIME_ZONE = "Europe/Berlin"
    points = {p["title"]: p["rule"] for p in form_data(None)["starting_points"]}
    assert points["Birthday"]["all"][0]["zone"] == "Europe/Berlin"
    (policy,) = points["Lapsing policy"]["all"][0]["where"]
    assert (policy["calendar"], policy["zone"]) == (True, "Europe/Berlin")
    assert "zone" not in str(points["Lead form"])
    for zone in ("UTC", "CET"):
        settings.TIME_ZONE = zone
        assert "zone" not in str(form_data(None)["starting_points"])


def test_a_policy_that_lapses_today_lapses_in_the_next_days():
    point = next(p for p in STARTING_POINTS if p.title == "Lapsing policy")
    today = database_clock.now().date()
    last, over = today + timedelta(days=30), today - timedelta(days=1)
    for day, is_in in ((today, True), (last, True), (over, False)):
        person = make_profile(chosen=[{"chosen": day.isoformat()}])
        assert tree.people(filled(point), [person.pk]).exists() is is_in


def test_there_are_five():
    assert [point.title for point in STARTING_POINTS] == [
        "Lead form",
        "Cart abandoned",
        "Dormant",
        "Birthday",
        "Lapsing policy",
    ]
