"""One person whose data cannot be sent: they alone are left out."""

import pytest
from django.db import connection

from engagements.audience import expansion
from engagements.delivery import loop
from engagements.models import Batch, Delivery
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db(transaction=True)


def nested(depth: int) -> list[object]:
    tree: list[object] = []
    for _ in range(depth):
        tree = [tree]
    return tree


def make_person(**attributes):
    """A profile as the database takes it, also where Python would not write it."""
    raw = attributes.pop("raw", None)
    person = factories.make_profile(**attributes)
    if raw is not None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE segments_profile SET attributes ="
                " attributes || jsonb_build_object('raw', %s::jsonb) WHERE id = %s",
                [raw, person.pk],
            )
    return person


@pytest.fixture
def scored(braze):
    """A version with a number and any JSON from each person."""
    return factories.make_version(
        body={
            "attributes": [
                {
                    "external_id": "{{ID}}",
                    "first_name": "{{Name}}",
                    "score": "{{Score}}",
                    "square": "{{Square}}",
                    "list": "{{List}}",
                }
            ]
        },
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("Name"),
            factories.parameter("Score", type="number"),
            factories.parameter("Square", type="number"),
            factories.parameter("List", type="list"),
        ],
        connection=braze,
    )


VALUES = {
    "Name": "{{ profile.first_name }}",
    "Score": "{{ profile.score }}",
    "Square": "{{ profile.score | times: profile.score }}",
    "List": "{{ profile.list }}",
}


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"first_name": "x" * 5_000_000}, "longer than"),
        ({"first_name": ""}, "missing_parameter"),
        ({"first_name": None}, "missing_parameter"),
        ({"score": 1e300}, ""),  # infinity, by way of a filter
        ({"score": "many"}, ""),
        ({"score": [1]}, ""),
        ({"score": 10**400}, "too large a number"),
        ({"raw": "[" * 1_100 + "]" * 1_100}, "unreadable"),
        ({"list": nested(300)}, ""),
        ({"external_id": None}, "no_identifier"),
    ],
    ids=[
        "5 MB name",
        "empty name",
        "null name",
        "infinity",
        "text for a number",
        "list for a number",
        "400 digits",
        "1,100 levels",
        "300 levels sent",
        "no identifier",
    ],
)
def test_that_one_is_left_out_and_the_others_are_sent(
    active, sandbox, scored, odd, reason
):
    good = {"first_name": "Ann", "score": 1.5, "list": []}
    people = [factories.make_profile(**good) for _ in range(74)]
    people.insert(40, make_person(**{**good, **odd}))
    engagement = active(people, version=scored, values=VALUES)

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 74, "skipped": 1}
    left_out = Delivery.objects.exclude(state="sent").get()
    assert left_out.profile_id == people[40].pk
    assert left_out.reason
    assert reason in left_out.reason
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_number_that_is_not_sent_keeps_nobody_back(active, sandbox):
    engagement = active([make_person(first_name="Ann", raw="1e400")])
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 1}


def test_somebody_without_a_payload_in_a_batch_that_is_split_is_skipped(
    active, sandbox
):
    """74 people who are too big together, and one whose name is missing."""
    people = [factories.make_profile(first_name="x" * 60_000) for _ in range(74)]
    people.append(factories.make_profile())
    engagement = active(people)

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 74, "skipped": 1}
    assert len(sandbox.requests()) == 2
    invariants.check(engagement, sandbox, sandbox.key)


def test_an_odd_event_leaves_out_the_person_whom_it_brought_in(active, sandbox):
    engagement = active(0, trigger="on_entry", values={"Name of the User": "Ann"})
    for _ in range(2):
        person = factories.make_profile()
        event = factories.make_event(person)
        factories.enter(engagement.segment, person, event)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segments_event SET properties = jsonb_build_object('raw', %s::jsonb)"
            " WHERE id = %s",
            ["[" * 1_100 + "]" * 1_100, event.pk],
        )

    working.once()

    assert working.states(engagement) == {"sent": 1, "skipped": 1}
    assert loop.work() is False


def test_who_is_deleted_meanwhile_ends_nothing_but_their_own_batch(active, sandbox):
    """Alone in a batch whose every value is the same for all."""
    values = {"Name of the User": "Ann"}
    engagement = active(0, trigger="on_entry", values=values)
    for _ in range(2):
        person = factories.make_profile()
        factories.enter(engagement.segment, person)
        expansion.expand(expansion.expandable_runs())
    person.delete()

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 1, "erased": 1}
    assert not Batch.objects.open().exists()
    assert len(sandbox.requests()) == 1
