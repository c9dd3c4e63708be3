"""The key, or the External API, changes while people are being sent."""

import pytest

from engagements import delivery, lifecycle
from engagements.models import Attempt, Batch, Engagement
from externalapi import secrets
from externalapi.versions import Draft, save_version
from tests import factories
from tests.faults import drains, invariants
from tests.faults.workers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

WRONG = "wrong-key-0123456789"


def test_a_key_that_stops_working_costs_one_handful_of_requests(active, sandbox, braze):
    people = 120
    version = factories.make_version(connection=braze, batching="one")
    engagement = active(people, version=version)
    refused = {"kind": "status", "status": 401, "times": None}
    sandbox.faults([{"kind": "pass", "times": 40}, refused])

    drains.once()
    drains.once()

    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    assert len(sandbox.requests()) <= 40 + delivery.CLAIM
    assert drains.states(engagement) == {"sent": 40, "pending": people - 40}

    sandbox.clear_faults()
    assert lifecycle.resume(engagement)
    drains.to_the_end(engagement)

    assert drains.states(engagement) == {"sent": people}
    assert set(Batch.objects.values_list("attempt_count", flat=True)) == {1}
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_key_that_was_replaced_while_it_was_on_the_wire_stops_nothing(
    active, sandbox, braze
):
    secrets.set_key(braze, WRONG)
    engagement = active(3)
    sandbox.faults([{"kind": "delay_before", "seconds": 1}])

    with drains.in_thread(drains.once):
        wait_until(
            lambda: Attempt.objects.filter(outcome="unfinished").exists(),
            "the request with the old key",
        )
        secrets.set_key(braze, sandbox.key)
    drains.to_the_end(engagement)

    assert drains.states(engagement) == {"sent": 3}
    first, second = Attempt.objects.order_by("started_at")
    assert (first.status, second.status) == (401, 201)
    assert second.key_version == first.key_version + 1
    invariants.check(engagement, sandbox, WRONG)


def test_a_run_keeps_its_version_when_the_external_api_is_edited(
    active, sandbox, braze
):
    engagement = active(150)
    sandbox.faults([{"kind": "pass"}, {"kind": "status", "status": 500, "times": 1}])
    drains.once()
    old = engagement.version
    new = save_version(old.external_api, _draft(braze), None)

    drains.to_the_end(engagement)

    assert new.number == old.number + 1
    versions = set(Attempt.objects.values_list("version", flat=True))
    assert versions == {old.pk}
    person = engagement.segment.memberships.order_by("-profile_id")[0].profile
    assert "edited" not in sandbox.user(person.external_id)["custom_attributes"]
    invariants.check(engagement, sandbox, sandbox.key)


def _draft(connection) -> Draft:
    return Draft(
        connection=connection,
        method="POST",
        path="/users/track",
        headers={},
        body='{"attributes": [{"external_id": "{{User ID}}", "edited": true}]}',
        parameters=(),
        batching="braze_75_combined",
    )
