"""Whatever a body has in it, an endpoint answers, and what it accepts can be applied."""

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from externalapi.vendors.braze.sandbox.api import Api, Request
from externalapi.vendors.braze.sandbox.endpoints.routes import ROUTES
from externalapi.vendors.braze.sandbox.rules.catalogs import Catalog
from externalapi.vendors.braze.sandbox.rules.registry import Known
from externalapi.vendors.braze.sandbox.runtime.options import DEFAULT_KEY, Options
from tests.externalapi.vendors.braze.sandbox.catalogs import FIELDS
from tests.externalapi.vendors.braze.sandbox.good_requests import GOOD

PARAMS = {"catalog_name": "restaurants", "item_id": "r1"}
HEADERS = {
    "Authorization": f"Bearer {DEFAULT_KEY}",
    "Content-Type": "application/json",
}
CATALOG = Catalog(name="restaurants", fields=FIELDS)
KNOWN = Known(catalogs={CATALOG.name: CATALOG})
ADA = {"external_id": "ada", "email": "a@b.example", "phone": "+442071234567"}
WITH_BODIES = [route for route in ROUTES if route.endpoint.has_body]
OTHERS = ("email", "prioritization", "attributes", "external_ids", "user_alias")
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "ada", "a@b.example", "+442071234567", "subscribed"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
)
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["email", "id", "$add"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def like(value):
    """The value, or anything else in its place or in place of a part of it."""
    if isinstance(value, dict):
        same = st.fixed_dictionaries(
            {name: like(one) for name, one in value.items()},
            optional={name: ANY_JSON for name in OTHERS if name not in value},
        )
    elif isinstance(value, list):
        same = st.tuples(*map(like, value)).map(list)
    else:
        same = st.just(value)
    return st.one_of(same, same, same, ANY_JSON)


# Made once: to make them takes longer than to draw from them.
LIKE_GOOD = {endpoint: like(body) for endpoint, body in GOOD.items()}


def asked(api, route, body):
    request = Request(
        route=route,
        headers=HEADERS,
        body=orjson.dumps(body),
        at=1_800_000_000.0,
        params=PARAMS if "{" in route.endpoint.path else {},
    )
    return api.answer(request)


@pytest.mark.parametrize("route", WITH_BODIES, ids=lambda one: one.endpoint.key)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_body(route, data):
    api = Api(Options(known=KNOWN))
    track, *_ = ROUTES
    asked(api, track, {"attributes": [ADA]})
    body = data.draw(LIKE_GOOD[route.endpoint])
    reply = asked(api, route, body)
    assert reply.status in (200, 201, 202, 400, 404)
    assert orjson.loads(reply.body)
    assert api.store.people is not None
