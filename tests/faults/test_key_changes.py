"""The key, or the External API, changes while people are being sent."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from engagements.delivery import loop, transport
from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Destination, Engagement
from engagements.tick import tick
from externalapi.connections import encryption
from externalapi.definitions.versions import Draft, save_version
from externalapi.template.batching import PLANS
from externalapi.testing.connection_check import learn
from tests import factories
from tests.doubles.sessions import is_waited_for, locked
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

WRONG = "wrong-key-0123456789"


REFUSED = {"kind": "status", "status": 401, "times": None}


def one_by_one(braze):
    return factories.make_version(connection=braze, batching="one")


def test_a_wrong_key_costs_three_requests_and_a_new_one_resumes(active, sandbox, braze):
    """However many workers there are, and whatever else uses the key."""
    engagements = [active(100, version=one_by_one(braze)) for _ in range(3)]
    encryption.set_key(braze, WRONG)

    with ExitStack() as threads:
        for _ in range(4):
            threads.enter_context(working.in_thread(working.once))
    tick()
    working.once()

    assert len(sandbox.requests()) <= 3
    for engagement in engagements:
        engagement.refresh_from_db()
        assert engagement.state == Engagement.State.BLOCKED
        assert "Check that it was copied whole" in engagement.blocked_reason
        assert "With a new key it goes on by itself" in engagement.blocked_reason

    encryption.set_key(braze, sandbox.key)
    tick()
    for engagement in engagements:
        engagement.refresh_from_db()
        assert engagement.state == Engagement.State.ACTIVE
    for engagement in engagements:
        working.to_the_end(engagement)
        assert working.states(engagement) == {"sent": 100}
        assert set(batches(engagement).values_list("attempt_count", flat=True)) == {1}


def test_a_key_that_stops_working_costs_what_was_on_the_wire(active, sandbox, braze):
    people = 120
    engagement = active(people, version=one_by_one(braze))
    sandbox.faults([{"kind": "pass", "times": 40}, REFUSED])

    working.once()
    working.once()

    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    assert len(sandbox.requests()) <= 40 + transport.AT_ONCE

    sandbox.clear_faults()
    assert transitions.resume(engagement)
    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": people}
    assert set(batches(engagement).values_list("attempt_count", flat=True)) == {1}
    invariants.check(engagement, sandbox, sandbox.key)


def batches(engagement: Engagement):
    return Batch.objects.filter(run__engagement=engagement)


def test_a_key_that_stopped_working_between_two_sendings_costs_three(
    active, sandbox, braze
):
    engagement = active(0, trigger="on_entry", version=one_by_one(braze))
    enter(engagement, 40)
    working.once()
    sandbox.faults([REFUSED])
    a_while_later = timezone.now() - timedelta(minutes=2)
    Destination.objects.update(succeeded_at=a_while_later)
    enter(engagement, 200)

    working.once()

    assert len(sandbox.requests()) <= 40 + 3
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    sandbox.clear_faults()
    transitions.resume(engagement)
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 240}


def enter(engagement: Engagement, count: int) -> None:
    for person in factories.make_people(count):
        factories.enter(engagement.segment, person)


@pytest.mark.parametrize("code", [403, 404, 302])
def test_a_wrong_address_stops_one_external_api_alone(active, sandbox, braze, code):
    wrong, right = (active(100, version=one_by_one(braze)) for _ in range(2))
    sandbox.faults(
        [
            {"kind": "status", "status": code, "times": None, "external_id": one}
            for one in people(wrong)
        ]
    )

    for _ in range(8):
        working.once()
        working.make_due(right)

    wrong.refresh_from_db()
    assert wrong.state == Engagement.State.BLOCKED
    assert str(code) in wrong.blocked_reason
    assert "by itself" not in wrong.blocked_reason
    assert len([r for r in sandbox.requests() if r["status"] == code]) <= 3
    assert working.states(right) == {"sent": 100}
    # A new key is no reason to send there again.
    encryption.set_key(braze, sandbox.key)
    tick()
    wrong.refresh_from_db()
    assert wrong.state == Engagement.State.BLOCKED


def people(engagement: Engagement) -> list[str]:
    members = engagement.segment.memberships.select_related("profile")
    return [str(member.profile.external_id) for member in members]


def replace_key_on_the_wire(braze, sandbox):
    """Give it the right key while the request with the old one waits for its answer."""
    sandbox.faults([{"kind": "delay_before", "seconds": 1}])
    # No further round, which would send it once more with the new key.
    with working.in_thread(lambda: loop.work(timedelta(seconds=0.5))):
        wait_until(
            lambda: Attempt.objects.filter(outcome="unfinished").exists(),
            "the request with the old key",
        )
        encryption.set_key(braze, sandbox.key)


def test_a_key_that_was_replaced_while_it_was_on_the_wire_stops_nothing(
    active, sandbox, braze
):
    encryption.set_key(braze, WRONG)
    engagement = active(3)
    replace_key_on_the_wire(braze, sandbox)
    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 3}
    first, second = Attempt.objects.order_by("started_at")
    assert (first.status, second.status) == (401, 201)
    assert second.key_version == first.key_version + 1
    invariants.check(engagement, sandbox, WRONG)


def test_a_run_keeps_its_version_when_the_external_api_is_edited(
    active, sandbox, braze
):
    engagement = active(150)
    sandbox.faults([{"kind": "pass"}, {"kind": "status", "status": 500, "times": 1}])
    working.once()
    old = engagement.version
    new = save_version(old.external_api, _draft(braze), None)

    working.to_the_end(engagement)

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
        **PLANS["braze_75_combined"].fields(),
    )


# --- What the connection's list says of the key -------------------------------------


def badge(admin_client) -> str:
    page = reverse("admin:externalapi_connection_changelist")
    text: str = admin_client.get(page).text
    return text


def test_an_engagement_s_own_401_makes_the_key_s_badge_red(
    active, sandbox, braze, admin_client
):
    engagement = active(3, version=one_by_one(braze))
    encryption.set_key(braze, WRONG)
    assert "Ends in 6789, not checked" in badge(admin_client)

    working.once()

    assert "Ends in 6789, refused (" in badge(admin_client)
    page = admin_client.get(
        reverse("admin:externalapi_connection_key", args=[braze.pk])
    )
    assert f"A request of “{engagement}”: the key was refused." in page.text

    # A new key is another one, of which nothing is known until somebody is sent.
    encryption.set_key(braze, sandbox.key)
    assert "refused" not in badge(admin_client)
    tick()
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 3}
    assert "works (" in badge(admin_client)


def test_a_key_that_works_again_is_said_to(active, sandbox, braze, admin_client):
    """The other side takes the same key again, and somebody presses Resume."""
    engagement = active(3, version=one_by_one(braze))
    sandbox.faults([REFUSED])
    working.once()
    assert "refused (" in badge(admin_client)

    sandbox.clear_faults()
    assert transitions.resume(engagement)
    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 3}
    assert "works (" in badge(admin_client)
    assert "refused (" not in badge(admin_client)


def test_a_401_of_the_key_before_says_nothing_of_the_new_one(
    active, sandbox, braze, admin_client
):
    """It was on its way when the key was replaced."""
    encryption.set_key(braze, WRONG)
    active(1, version=one_by_one(braze))
    replace_key_on_the_wire(braze, sandbox)
    assert Attempt.objects.get().status == 401
    assert "refused (" not in badge(admin_client)


def test_a_success_that_was_long_on_its_way_says_nothing_of_a_later_refusal(
    active, sandbox, braze, admin_client
):
    active(2, version=one_by_one(braze))
    sandbox.faults([{"kind": "delay_after", "seconds": 1, "times": 1}, REFUSED])
    working.once()
    assert set(Attempt.objects.values_list("status", flat=True)) == {201, 401}
    assert "refused (" in badge(admin_client)


def test_a_success_that_was_written_down_late_says_nothing_of_a_later_refusal(
    active, sandbox, braze, admin_client
):
    active(1, version=one_by_one(braze))
    with ExitStack() as threads, locked("engagements_delivery"):
        threads.enter_context(working.in_thread(working.once))
        wait_until(lambda: is_waited_for("engagements_delivery"), "the answer")
        learn(braze, 401, "A test")
    assert Attempt.objects.get().status == 201
    assert "refused (" in badge(admin_client)


def test_a_refusal_of_one_path_says_nothing_of_the_key(
    active, sandbox, braze, admin_client
):
    engagement = active(3, version=one_by_one(braze))
    sandbox.faults([{**REFUSED, "status": 403}])
    working.once()
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    assert "refused (" not in badge(admin_client)
