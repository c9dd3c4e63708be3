"""Who is to move is found person by person, however large the segments are."""

import json

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from segments.membership import evaluation, moves, prepared
from segments.models import Membership, Profile, Segment
from tests import plans
from tests.factories import make_people, make_segment

pytestmark = pytest.mark.django_db

EVERYBODY = 4_000
ASKED = 400
RULE = {"attribute": "first_name", "is": "is_present"}


def test_a_few_peoples_memberships_are_read_and_not_the_segments():
    people = make_people(EVERYBODY)
    segments = [make_segment(people, rule=RULE) for _ in range(4)]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    some = [person.pk for person in people[::10]]
    assert len(some) == ASKED
    asked = [(segment.pk, json.dumps(segment.rule)) for segment in segments]
    with CaptureQueriesContext(connection) as captured:
        assert moves.find(asked, moves.listed(some)) == []
    [found] = captured
    [looked_up] = [
        step
        for step in plans.steps(found["sql"])
        if step.get("Relation Name") == "segments_membership"
    ]
    assert looked_up["Index Name"] == "membership_of_person"
    rows = looked_up["Actual Rows"] * looked_up["Actual Loops"]
    assert rows == ASKED * len(segments)


@pytest.fixture
def kept():
    """How many statements the session keeps; none before, and none afterwards."""
    connection.close()

    def kept():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements")
            return cursor.fetchone()[0]

    yield kept
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_what_is_asked_again_is_planned_once(kept):
    people = make_people(6)
    # Nothing of a rule passes for the place of the people.
    segment = make_segment(rule={"attribute": "city", "is": "equals", "value": "$1"})
    found = []
    for person in people:
        Profile.objects.filter(pk=person.pk).update(attributes={"city": "$1"})
        change = evaluation.evaluate([person.pk, people[0].pk])
        found.append((change.entered, kept()))
    assert found == [(1, 0), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1)]
    assert Membership.objects.filter(segment=segment).count() == 6


@pytest.mark.django_db(transaction=True)
def test_a_plan_that_is_kept_reads_a_few_peoples_memberships(kept):
    people = make_people(EVERYBODY)
    make_segment(people, rule=RULE)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for _ in range(2):
        assert not evaluation.evaluate([people[0].pk])
    assert kept() == 1
    ids = moves.listed([person.pk for person in people[::10]])
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements")
        [name] = cursor.fetchone()
        cursor.execute("SET plan_cache_mode = force_generic_plan")
    [looked_up] = [
        step
        for step in plans.steps(f"EXECUTE {name} ('{{{ids}}}')")
        if step.get("Relation Name") == "segments_membership"
    ]
    assert looked_up["Index Name"] == "membership_of_person"
    assert looked_up["Actual Rows"] * looked_up["Actual Loops"] == ASKED


@pytest.mark.django_db(transaction=True)
def test_a_plan_is_made_anew_since_tables_grow(kept, monkeypatch):
    [person] = make_people(1)
    make_segment(rule=RULE)
    monkeypatch.setattr(prepared, "FRESH", 0)
    names = set()
    for _ in range(4):
        evaluation.evaluate([person.pk])
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM pg_prepared_statements")
            names.update(cursor.fetchall())
        assert kept() <= 1
    assert len(names) == 3


@pytest.mark.django_db(transaction=True)
def test_a_session_keeps_so_many_plans_and_no_more(kept):
    [person] = make_people(1)
    segment = make_segment(rule=RULE)
    for number in range(prepared.MOST + 2):
        rule = {"attribute": "city", "is": "equals", "value": f"City {number}"}
        Segment.objects.filter(pk=segment.pk).update(rule=rule)
        for _ in range(2):
            evaluation.evaluate([person.pk])
    assert kept() == prepared.MOST


@pytest.mark.django_db(transaction=True)
def test_behind_a_pooler_nothing_is_kept(kept, monkeypatch):
    [person] = make_people(1)
    make_segment(rule=RULE)
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    for _ in range(3):
        evaluation.evaluate([person.pk])
    assert kept() == 0


@pytest.mark.django_db(transaction=True)
def test_a_plan_outlives_a_transaction_that_fails(kept):
    [person] = make_people(1)
    make_segment(rule=RULE)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            assert evaluation.evaluate([person.pk]).entered == 1
            raise ZeroDivisionError
    assert kept() == 1
