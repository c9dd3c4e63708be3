"""Who is to move is found person by person, however large the segments are."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from segments.membership import moves
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
