"""How many objects one request may carry, by contract."""

import pytest

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.rules.track import judge
from tests.externalapi.vendors.braze.sandbox.people import attributes, event, purchase

LIMITS = {**contract.OBJECT_LIMITS, "bulk": contract.BULK_OBJECT_LIMIT}


def body_of(people, events=0, purchases=0):
    return {
        "attributes": [attributes(f"p{n}") for n in range(people)],
        "events": [event(f"p{n}") for n in range(events)],
        "purchases": [purchase(f"p{n}") for n in range(purchases)],
    }


@pytest.mark.parametrize(
    ("limit", "sizes", "is_allowed"),
    [
        ("combined_75", (75,), True),
        ("combined_75", (25, 25, 25), True),
        ("combined_75", (76,), False),
        ("combined_75", (74, 1, 1), False),
        ("per_array_75", (75, 75, 75), True),
        ("per_array_75", (1, 76), False),
        ("combined_50", (25, 25), True),
        ("combined_50", (51,), False),
        ("combined_5", (5,), True),
        ("combined_5", (4, 1, 1), False),
        ("bulk", (1000,), True),
        ("bulk", (1000, 1), False),
    ],
)
def test_the_limit_of_a_request(limit, sizes, is_allowed):
    verdict = judge(body_of(*sizes), LIMITS[limit])
    assert verdict.status == (201 if is_allowed else 400)
    if not is_allowed:
        assert verdict.answer == {"message": "Max Input Length Exceeded"}
        assert not verdict.accepted


@pytest.mark.parametrize(("count", "status"), [(100, 201), (101, 400)])
def test_bulk_takes_a_hundred_objects_of_one_person(count, status):
    body = {"events": [event("ada") for _ in range(count)]}
    assert judge(body, contract.BULK_OBJECT_LIMIT).status == status
