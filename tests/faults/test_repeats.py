"""The same delivery sent again: what tells it, and whose data it carries."""

import pytest

from engagements.authoring.preview import what_was_sent
from engagements.models import Delivery, Engagement
from engagements.personalization.delivery_ids import of_delivery
from engagements.recovery import retry_failed, retry_now
from engagements.recovery.selection import Choice
from tests import factories
from tests.faults import working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def named(active, braze):
    """An engagement for three people, whose events name their delivery."""
    version = factories.make_version(
        body={
            "events": [
                {
                    "external_id": "{{ID}}",
                    "name": "Lead",
                    "time": "2026-01-01T00:00:00Z",
                    "properties": {"delivery": "{{Delivery}}"},
                }
            ]
        },
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("Delivery"),
        ],
        connection=braze,
    )
    values = {"Delivery": "{{ engagement.delivery_id }}"}
    return active(3, version=version, values=values)


def events(sandbox, engagement: Engagement) -> list[list[str]]:
    """The deliveries that Braze read, by person."""
    people = engagement.segment.memberships.values_list(
        "profile__external_id", flat=True
    )
    users = [sandbox.user(person) for person in people]
    return [[e["properties"]["delivery"] for e in u["event_list"]] for u in users]


def test_a_repeat_names_the_same_delivery(named, sandbox):
    sandbox.faults([{"kind": "delay_after", "seconds": 5}])
    working.to_the_end(named)
    assert working.states(named) == {"uncertain": 3}

    retry_now.settle(Choice(), "resend")
    working.to_the_end(named)

    read = events(sandbox, named)
    assert [len(its) for its in read] == [2, 2, 2]
    assert all(first == second for first, second in read)
    assert len({its[0] for its in read}) == 3


def test_a_retry_in_a_new_run_names_the_same_delivery(named, sandbox):
    sandbox.faults([{"kind": "partial_errors", "indexes": None, "type": "No good."}])
    working.to_the_end(named)
    refused = [[of_delivery(one)] for one in Delivery.objects.filter(state="rejected")]
    retry_failed.retry(Delivery.objects.filter(state="rejected"))

    working.to_the_end(named)

    assert len(refused) == 3
    assert sorted(events(sandbox, named)) == sorted(refused)


def test_what_was_sent_shows_it(named, sandbox):
    working.to_the_end(named)

    bodies = [what_was_sent(delivery).body for delivery in Delivery.objects.all()]

    assert all(any(its[0] in body for body in bodies) for its in events(sandbox, named))


def test_a_retry_does_not_bring_older_data_back(active, sandbox, braze):
    """For one person the newest wins: a retry is written again from what is there."""
    person = factories.make_profile(first_name="Old")
    late = active([person], version=factories.make_version(connection=braze))
    sandbox.faults([{"kind": "status", "status": 500}])
    working.once()
    assert sandbox.user(person.external_id) is None
    person.attributes["first_name"] = "New"
    person.save()
    other = active(late.segment, version=factories.make_version(connection=braze))
    working.to_the_end(other)
    assert sandbox.user(person.external_id)["first_name"] == "New"

    working.to_the_end(late)

    assert working.outcomes(late) == {"not_sent": 1, "sent": 1}
    assert sandbox.user(person.external_id)["first_name"] == "New"
