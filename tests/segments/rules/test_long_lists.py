"""Long pasted lists: exact, exact complements, by hash in both forms."""

import time

import pytest
from django.db import connection

from segments.membership import evaluation, refresh
from segments.models import Profile, Segment
from segments.rules import tree
from tests.factories import make_profile, make_segment

pytestmark = pytest.mark.django_db

MANY = 40_000


@pytest.fixture
def people():
    Profile.objects.bulk_create(
        Profile(external_id=f"id-{n}", attributes={"number": n} if n % 3 else {})
        for n in range(2_000)
    )
    return list(Profile.objects.order_by("pk").values_list("pk", flat=True))


def members(rule):
    segment = make_segment(rule=rule)
    refresh.refresh(segment.pk)
    return set(segment.memberships.values_list("profile_id", flat=True))


def asked(rule, ids):
    segment = make_segment(rule=rule)
    evaluation.evaluate(ids)
    assert Segment.objects.get(pk=segment.pk).problem == ""
    return set(segment.memberships.values_list("profile_id", flat=True))


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("external_id", [f"id-{n}" for n in range(0, 2 * MANY, 2)], 1_000),
        ("number", list(range(0, 2 * MANY, 2)), 666),
        ("number", [str(n) for n in range(0, 2 * MANY, 2)], 666),
    ],
)
def test_one_of_40000_and_none_of_them(people, name, value, expected, fold):
    one_of = {"attribute": name, "is": "in", "value": value, "fold": fold}
    tree.validate(one_of)
    found = members(one_of)
    assert len(found) == expected
    others = members({**one_of, "is": "not_in"})
    assert found | others == set(people)
    assert not found & others
    # Segments that are left from above are asked together with each.
    assert asked(one_of, people) == found
    assert asked({**one_of, "is": "not_in"}, people) == others


def seconds(run):
    took = []
    for _ in range(5):
        started = time.perf_counter()
        run()
        took.append(time.perf_counter() - started)
    return min(took)


def test_many_values_are_looked_up_and_not_gone_through(people):
    """Ten times as many people, and as long: what takes time is to read the list once."""

    def ask(ids):
        rule = {
            "attribute": "external_id",
            "is": "in",
            "value": [f"other-{n}" for n in range(MANY)],
        }
        sql, params = tree.people(rule, ids).values("pk").query.sql_with_params()

        def run():
            with connection.cursor() as cursor:
                cursor.execute(sql, params)
                assert cursor.fetchall() == []

        return seconds(run)

    assert ask(people) < 3 * ask(people[:200])


def test_items_and_lists_look_values_up_too(people):
    for _ in range(3):
        make_profile(orders=[{"id": "other-7"}], tags=["x", "id-5", "id-9"])
    value = [f"id-{n}" for n in range(MANY)]
    where = [{"property": "id", "is": "not_in", "value": value}]
    assert len(members({"attribute": "tags", "is": "has_any", "value": value})) == 3
    none = {"attribute": "tags", "is": "has_none", "value": value}
    assert len(members(none)) == len(people)
    assert len(members({"attribute": "orders", "items": "any", "where": where})) == 3
