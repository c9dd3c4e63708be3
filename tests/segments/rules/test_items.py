"""Lists of objects in rules: one item must be all of it."""

from datetime import UTC, datetime, timedelta

import pytest

from segments.membership.explaining import explain
from segments.rules import tree
from tests.factories import make_profile

pytestmark = pytest.mark.django_db

BASKET = [{"sku": 1, "qty": 5}, {"sku": 2, "qty": 1}]
CLOTHES = [{"color": "yellow", "kind": "hat"}, {"color": "blue", "kind": "scarf"}]


def where(**values):
    return [
        {"property": name, "is": "equals", "value": value}
        for name, value in values.items()
    ]


def has(items, name="a", **more):
    return {"attribute": name, "items": items, **more}


def test_one_item_is_asked_or_several():
    """A yellow hat and a blue scarf are no yellow scarf."""
    make_profile(a=CLOTHES)
    yellow, scarf = where(color="yellow"), where(kind="scarf")
    one = has("any", where=[*yellow, *scarf])
    several = {"all": [has("any", where=yellow), has("any", where=scarf)]}
    assert [tree.people(rule).count() for rule in (one, several)] == [0, 1]


def test_a_repeated_field_keeps_all_its_values():
    make_profile(a=BASKET)
    expected = {(1, 5): 1, (2, 1): 1, (2, 5): 0, (1, 1): 0}
    for (sku, qty), count in expected.items():
        rule = has("any", where=where(sku=sku, qty=qty))
        assert tree.people(rule).count() == count


def test_a_policy_that_lapses_in_30_days():
    today = datetime.now(UTC).date()
    near, far, past = (
        make_profile(
            policies=[
                {"number": "A", "lapses_on": (today + timedelta(days=900)).isoformat()},
                {"number": "B", "lapses_on": (today + timedelta(days=d)).isoformat()},
            ]
        )
        for d in (20, 60, -20)
    )
    make_profile(policies=[])
    make_profile()
    soon = [
        {"property": "lapses_on", "is": "in_next_days", "value": 30, "calendar": True}
    ]
    rule = has("any", "policies", where=soon)
    assert list(tree.people(rule)) == [near]
    none = has("none", "policies", where=soon)
    assert set(tree.people(none)) >= {far, past}
    assert tree.people(none).count() == 4
    assert tree.is_counted(rule)
    assert tree.midnights(rule) == {"UTC"}


@pytest.mark.parametrize(
    ("rule", "attributes", "holds", "said"),
    [
        (
            has("any", where=where(sku=2)),
            {"a": BASKET},
            True,
            'Of 2 items 1 fits: {"qty": 1, "sku": 2}.',
        ),
        (
            has("any", where=where(sku=9)),
            {"a": BASKET},
            False,
            'Of 2 items 2 do not fit: {"qty": 5, "sku": 1}, {"qty": 1, "sku": 2}.',
        ),
        (
            has("all", where=where(sku=1)),
            {"a": BASKET},
            False,
            'Of 2 items 1 does not fit: {"qty": 1, "sku": 2}.',
        ),
        (
            has("none", where=where(sku=1)),
            {"a": BASKET},
            False,
            'Of 2 items 1 fits: {"qty": 5, "sku": 1}.',
        ),
        (has("at_least", count=2), {"a": [{"é": n} for n in range(7)]}, True,
         'Of 7 items 7 fit: {"é": 0}, {"é": 1}, {"é": 2}, {"é": 3}, {"é": 4}, ….'),
        (has("none"), {}, True, "They have no items there."),
        (has("any"), {"a": "text"}, False, "They have no items there."),
        (has("at_most", count=0), {"a": [5, None, []]}, True, "They have no items there."),
    ],
)  # fmt: skip
def test_the_explanation_shows_the_items_that_decided(rule, attributes, holds, said):
    make_profile(a=[{"sku": 1}])
    verdict = explain(rule, make_profile(**attributes))
    assert (verdict.holds, verdict.shown) == (holds, said)


def test_an_item_of_a_column_is_none():
    make_profile(email="a@x.example")
    assert tree.people(has("any", "email")).count() == 0
    assert tree.people(has("none", "email")).count() == 1
