"""What a new segment may begin with: right as soon as its names are chosen."""

import pytest
from django.core.exceptions import ValidationError

from segments.builder.starting_points import STARTING_POINTS, filled
from segments.rules import tree

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


def test_there_are_five():
    assert [point.title for point in STARTING_POINTS] == [
        "Lead form",
        "Cart abandoned",
        "Dormant",
        "Birthday",
        "Lapsing policy",
    ]
