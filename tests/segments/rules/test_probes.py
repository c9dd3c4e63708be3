"""Few people are asked by their own rows, whatever PostgreSQL knows of everybody's."""

import orjson
import pytest
from django.db import connection

from segments.membership import moves
from segments.models import Profile
from segments.rules import verdicts
from tests import plans
from tests.factories import make_event, make_profile, make_source

pytestmark = pytest.mark.django_db

OTHERS, FEW = 2_000, 20
OLD, NEW = "Said long ago", "Said just now for the first time"


def did(name, **how):
    return {"event": name, "within_hours": 1, **how}


def forms(name):
    return {
        "once": did(name),
        "at least": did(name, at_least=2),
        "at most": did(name, at_most=1),
        "exactly": did(name, exactly=1),
        "first": did(name, pick="first"),
        "last": did(name, pick="last"),
        "figure": did(
            name, aggregate={"of": "n", "by": "sum", "is": "greater", "value": 0}
        ),
        "where": did(name, where=[{"property": "n", "is": "equals", "value": 1}]),
        "sequence": {
            "sequence": [{"event": name}, {"event": name}],
            "within_days": 1,
            "within_hours": 1,
        },
    }


@pytest.mark.parametrize("name", [OLD, NEW])
@pytest.mark.parametrize("form", forms(""))
def test_others_who_did_the_same_a_moment_ago_are_not_read(form, name):
    """Statistics are of a time before: they expect nobody to have done it."""
    everybody = [make_profile() for _ in range(FEW)]
    with connection.cursor() as cursor:
        source = make_source().pk
        cursor.execute(OTHERS_DID, [source, OLD, "30 days", OTHERS])
        cursor.execute("ANALYZE segments_event, segments_profile")
        cursor.execute(OTHERS_DID, [source, name, "1 minute", OTHERS])
    for person in everybody:
        make_event(person, name, n=1)
        make_event(person, name, n=1)
    rule = orjson.dumps(forms(name)[form]).decode()
    people = moves.listed([person.pk for person in everybody])
    with plans.watched() as watched, connection.cursor() as cursor:
        moves.find([(0, rule)], people)
        for is_wanted in (True, False):
            event = verdicts.cause(rule, is_wanted=is_wanted)
            cursor.execute(f"SELECT {event} FROM unnest({moves.array(people)}) p (id)")
        event = verdicts.qualifies(rule, "1")
        cursor.execute(f"SELECT {event} FROM unnest({moves.array(people)}) p (id)")
    assert Profile.objects.count() == FEW
    assert max(watched) <= 5 * FEW, watched


# Of people who are far away: the test's own are few.
OTHERS_DID = """
INSERT INTO segments_event
    (source_id, message_id, profile_id, name, time, properties)
SELECT %s, 'other-' || n, 1000000000 + n, %s, now() - %s::interval, '{"n": 1}'
FROM generate_series(1, %s) n
"""
