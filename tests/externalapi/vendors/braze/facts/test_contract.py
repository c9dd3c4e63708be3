"""The tables of Braze's facts agree with themselves."""

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.facts.endpoints import LIMITS
from externalapi.vendors.braze.facts.instances import INSTANCES, instance_by_name
from externalapi.vendors.braze.sandbox.endpoints.routes import ROUTES


def test_every_endpoint_has_a_known_permission():
    permissions = {route.endpoint.permission for route in ROUTES}
    assert permissions <= contract.PERMISSIONS


def test_every_endpoint_has_one_route_and_a_known_limit():
    keys = [route.endpoint.key for route in ROUTES]
    assert len(set(keys)) == len(keys)
    assert {route.endpoint.limit for route in ROUTES} <= set(LIMITS)
    assert len({one.name for one in LIMITS}) == len(LIMITS)


def test_instances_are_distinct_and_secure():
    for values in (
        [one.name for one in INSTANCES],
        [one.rest_url for one in INSTANCES],
        [one.dashboard_url for one in INSTANCES],
    ):
        assert len(set(values)) == len(INSTANCES) == 16
    for one in INSTANCES:
        assert one.rest_url.startswith("https://rest.")
        assert not one.rest_url.endswith("/")


def test_an_instance_by_its_name():
    found = instance_by_name("US-10")
    assert found is not None
    assert found.rest_url == "https://rest.us-10.braze.com"
    assert instance_by_name("US-99") is None


def test_code_lists_have_the_shape_of_their_standards():
    assert {len(code) for code in contract.COUNTRIES} == {2}
    assert {len(code) for code in contract.LANGUAGES} == {2}
    assert {len(code) for code in contract.CURRENCIES} == {3}
    assert set(contract.COUNTRY_NAMES.values()) <= contract.COUNTRIES
