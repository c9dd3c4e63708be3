"""Insert variable: what is offered before there is any data, and after."""

import pytest

from engagements.personalization.variable_catalog import known_variables
from externalapi.template.parameters import Level
from tests import factories

pytestmark = pytest.mark.django_db


def paths(segment, parameters=()):
    groups = known_variables(segment, parameters)
    return {group.name: [one.path for one in group.variables] for group in groups}


def asked():
    parameters = factories.make_version().read_parameters()
    return [one for one in parameters if one.level is Level.ENGAGEMENT]


@pytest.mark.parametrize("has_segment", [False, True])
def test_without_data_standard_attributes_and_the_presets_own_are_offered(has_segment):
    segment = factories.make_segment() if has_segment else None
    found = paths(segment, asked())
    assert {"profile.first_name", "profile.email"} <= {*found["Person"]}
    assert "event.time" in found["Event"]
    assert "event.properties.name_of_the_user" in found["Event"]


def test_what_people_have_comes_first_and_once():
    person = factories.make_profile(first_name="Ann", plan="gold")
    found = paths(factories.make_segment([person]))["Person"]
    assert found.index("profile.plan") < found.index("profile.language")
    assert found.count("profile.first_name") == 1
