"""Long pasted lists: exact, exact complements, by hash in both forms."""

import json
import time
from datetime import timedelta

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from segments import retention
from segments.membership import evaluation, moves, refresh
from segments.models import LongList, LongListValue, Profile, Segment
from segments.rules import tree, verdicts
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


@pytest.mark.parametrize(
    ("name", "value", "expected", "fold"),
    [
        ("external_id", [f"id-{n}" for n in range(0, 2 * MANY, 2)], 1_000, True),
        ("number", list(range(0, 2 * MANY, 2)), 666, False),
        ("number", [str(n) for n in range(0, 2 * MANY, 2)], 666, False),
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


IDS = [f"id-{n}" for n in range(MANY)]
ONE_OF = {"attribute": "external_id", "is": "in", "value": IDS}


def evaluate(people):
    """What is sent to the database while these people are evaluated."""
    with CaptureQueriesContext(connection) as queries:
        evaluation.evaluate(people)
    return [query["sql"] for query in queries]


def test_a_long_list_is_kept_once_and_is_in_no_statement_after(people):
    segment = make_segment(rule=ONE_OF)
    make_segment(rule={"not": ONE_OF})
    evaluate(people[:10])
    assert LongList.objects.count() == 1
    assert LongListValue.objects.count() == MANY
    said = evaluate(people)
    assert max(map(len, said)) < 50_000
    assert not any("segments_longlistvalue" in one for one in said if "INSERT" in one)
    assert segment.memberships.count() == len(people)


def test_a_long_rule_is_read_when_it_has_changed(people):
    segment = make_segment(rule=ONE_OF)
    evaluate(people[:10])
    assert not any("SELECT id, rule::text" in one for one in evaluate(people[:10]))
    segment.rule = {"not": ONE_OF}
    segment.save()
    evaluate(people[:20])
    expected = tree.people(segment.rule, people[:20])
    members = segment.memberships.values_list("profile_id", flat=True)
    assert set(members) == set(expected.values_list("pk", flat=True))


def test_a_list_that_was_deleted_is_made_again(people):
    segment = make_segment(rule=ONE_OF)
    evaluate(people[:5])
    LongList.objects.update(used_at=timezone.now() - timedelta(days=5))
    # It is used now, and so is not old.
    evaluate(people[:6])
    assert clean(timezone.now() - timedelta(days=3)) == 0
    assert clean(timezone.now()) == 1
    assert not LongListValue.objects.exists()
    evaluate(people[:7])
    assert segment.memberships.count() == 7
    assert Segment.objects.get(pk=segment.pk).problem == ""


def clean(before):
    return retention.clean_long_lists(before, time.monotonic() + 20)


def test_a_list_that_is_not_there_is_an_error_and_nobody_leaves():
    rules = verdicts.of((json.dumps(ONE_OF),))
    select = rules.select("'{1}'::bigint[]")
    LongList.objects.all().delete()
    with (
        pytest.raises(DataError, match="division by zero"),
        connection.cursor() as cursor,
    ):
        make_profile()
        cursor.execute(select.replace("id = ANY('{1}'::bigint[])", "true"))


def test_an_ask_of_few_does_not_send_the_whole_list(people):
    """A hundredth, at most, of the bytes of the values goes to PostgreSQL again."""
    text, few = json.dumps(ONE_OF), moves.listed(people[:200])
    first = moves.find([(1, text)], few)
    with CaptureQueriesContext(connection) as asked:
        assert moves.find([(1, text)], few) == first
    assert sum(len(query["sql"]) for query in asked) < len(text) / 100 + len(few) * 5


def test_a_count_reads_a_long_list_as_one_value_and_looks_up_by_hash(people):
    """A cast of each value would take three times as long, at each change of a rule."""
    values = [f"id-{n}" for n in range(MANY)]
    rule = {"attribute": "external_id", "is": "in", "value": values}
    sql, _ = tree.people(rule).query.sql_with_params()
    assert sql.count('id-39999\\"') + sql.count('id-39999"') == 1
    assert "jsonb[]" not in sql
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "hashed SubPlan" in plan
