"""A refusal that everybody gets is a wrong configuration: it stops, people are kept."""

import json

import pytest

from engagements.audience import expansion
from engagements.delivery import claims, splitting
from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Delivery, Engagement
from engagements.recovery import retry_failed
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db(transaction=True)

NOT_FOUND = "Campaign c-1 not found"
ALWAYS = None


def refuses(message: str = NOT_FOUND, status: int = 400, **fields):
    fields.setdefault("times", ALWAYS)
    body = json.dumps({"message": message, **fields.pop("says", {})})
    return {"kind": "status", "status": status, "body": body, **fields}


@pytest.fixture
def one_by_one(active, braze):
    """An engagement that sends one request for each person."""

    def make(people, **fields) -> Engagement:
        version = factories.make_version(connection=braze, batching="one")
        engagement: Engagement = active(people, version=version, **fields)
        return engagement

    return make


def reload(engagement: Engagement) -> Engagement:
    engagement.refresh_from_db()
    return engagement


def until_it_stops(engagement: Engagement) -> None:
    for _ in range(40):
        working.once()
        if reload(engagement).state != Engagement.State.ACTIVE:
            return
        working.make_due(engagement)
    raise AssertionError("it did not stop")


@pytest.mark.parametrize(
    "fault",
    [
        refuses(),
        refuses(status=422),
        refuses("failure", status=200),
        refuses("Max Input Length Exceeded"),
        refuses("", status=413),
        refuses(says={"errors": ["no such campaign"]}),
        refuses(
            says={"errors": [{"type": "bad", "input_array": "attributes", "index": 0}]}
        ),
        refuses(""),
    ],
    ids=lambda fault: f"{fault['status']} {fault['body']}"[:60],
)
def test_one_by_one_it_stops_after_a_few(one_by_one, sandbox, fault):
    engagement = one_by_one(60)
    sandbox.faults([fault])

    until_it_stops(engagement)

    assert engagement.state == Engagement.State.BLOCKED
    assert "refuses everybody in the same way" in engagement.blocked_reason
    assert engagement.is_notice_due
    states = working.states(engagement)
    gone = states.get("dead", 0) + states.get("rejected", 0)
    assert gone == 4
    assert states["pending"] == 56
    assert len(sandbox.requests()) <= 7


def test_when_it_is_corrected_everybody_is_sent(one_by_one, sandbox):
    engagement = one_by_one(60)
    sandbox.faults([refuses()])
    until_it_stops(engagement)
    assert NOT_FOUND in engagement.blocked_reason

    sandbox.clear_faults()
    assert transitions.resume(engagement)
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 56, "dead": 4}
    assert retry_failed.retry(Delivery.objects.filter(state="dead")).people == 4
    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 60}
    assert set(invariants.received(sandbox).values()) == {1}


def test_what_is_not_corrected_stops_again(one_by_one, sandbox):
    engagement = one_by_one(60)
    sandbox.faults([refuses()])
    until_it_stops(engagement)
    before = len(sandbox.requests())

    transitions.resume(engagement)
    until_it_stops(engagement)

    assert engagement.state == Engagement.State.BLOCKED
    assert len(sandbox.requests()) - before <= 7
    assert working.states(engagement) == {"dead": 8, "pending": 52}


@pytest.mark.parametrize("people", [75, 750])
def test_batches_are_not_halved_to_the_bottom(active, sandbox, people):
    engagement = active(people)
    sandbox.faults([refuses()])

    until_it_stops(engagement)

    assert engagement.state == Engagement.State.BLOCKED
    assert working.states(engagement) == {"pending": people}
    # Three at a time, and some of them are halves of others.
    assert len(sandbox.requests()) <= 20

    sandbox.clear_faults()
    transitions.resume(engagement)
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": people}
    invariants.check(engagement, sandbox, sandbox.key)


def test_both_halves_go_before_a_half_of_one(active):
    """Where only one request at a time finds its way, as on a slow machine."""
    active(8)
    expansion.expand(expansion.expandable_runs())
    halved: list[int] = []
    for _ in range(7):
        (held,) = claims.claim(1)
        batch = Batch.objects.get(pk=held.batch_id)
        halved.append(len(batch.profile_ids))
        if len(batch.profile_ids) > 1:
            splitting.halve(batch, range(len(batch.profile_ids)))
        else:
            Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DEAD)

    assert halved == [8, 4, 4, 2, 2, 2, 2]


def test_a_success_that_is_none_for_everybody_stops_too(active, sandbox):
    engagement = active(750)
    sandbox.faults([refuses("failure", status=200)])

    until_it_stops(engagement)

    assert working.states(engagement) == {"dead": 300, "pending": 450}
    assert len(sandbox.requests()) <= 7


def test_a_reason_that_everybody_is_named_with_stops_too(active, sandbox):
    engagement = active(750)
    sandbox.faults([{"kind": "partial_errors", "indexes": None, "times": ALWAYS}])

    until_it_stops(engagement)

    assert engagement.state == Engagement.State.BLOCKED
    assert working.states(engagement) == {"rejected": 300, "pending": 450}
    assert len(sandbox.requests()) <= 7


def test_less_than_a_few_is_not_everybody(one_by_one, sandbox):
    engagement = one_by_one(4)
    sandbox.faults([refuses()])

    working.to_the_end(engagement)

    assert reload(engagement).state == Engagement.State.ENDED
    assert working.states(engagement) == {"dead": 4}


def test_people_at_fault_among_others_stop_nothing(active, sandbox):
    """One in each batch, and all for the same reason."""
    engagement = active(750)
    memberships = engagement.segment.memberships.order_by("profile_id")
    victims = [m.profile for m in memberships.select_related("profile")[5::75]]
    sandbox.faults([refuses(external_id=one.external_id) for one in victims])

    working.to_the_end(engagement)

    assert reload(engagement).state == Engagement.State.ENDED
    assert working.states(engagement) == {"sent": 740, "dead": 10}
    invariants.check(engagement, sandbox, sandbox.key)


def test_people_at_fault_one_by_one_stop_nothing(one_by_one, sandbox):
    engagement = one_by_one(60)
    memberships = engagement.segment.memberships.order_by("profile_id")
    victims = [m.profile for m in memberships.select_related("profile")[::4]]
    sandbox.faults([refuses(external_id=one.external_id) for one in victims])
    # Whatever the order: somebody is always taken in between.
    sandbox.faults([{"kind": "pass", "times": None}])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 45, "dead": 15}


def test_different_refusals_are_different_people_s_faults(one_by_one, sandbox):
    engagement = one_by_one(12)
    people = [m.profile for m in engagement.segment.memberships.all()]
    sandbox.faults(
        [refuses(f"{p.email} is no e-mail", external_id=p.external_id) for p in people]
    )

    working.to_the_end(engagement)

    assert reload(engagement).state == Engagement.State.ENDED
    assert working.states(engagement) == {"dead": 12}


def enter(engagement: Engagement) -> None:
    factories.enter(engagement.segment, factories.make_profile(first_name="Nia"))
    working.once()


def test_entries_that_trickle_in_stop_it_too(one_by_one, sandbox):
    engagement = one_by_one(0, trigger=Engagement.Trigger.ON_ENTRY)
    sandbox.faults([refuses()])

    for n in range(1, 8):
        enter(engagement)
        is_stopped = reload(engagement).state == Engagement.State.BLOCKED
        assert is_stopped is (n >= 5)

    assert len(sandbox.requests()) == 5
    working.once()
    report = working.states(engagement)
    assert report["dead"] == 4
    assert report["pending"] >= 1


def test_one_who_is_taken_in_between_begins_the_row_anew(one_by_one, sandbox):
    engagement = one_by_one(0, trigger=Engagement.Trigger.ON_ENTRY)
    sandbox.faults(
        [refuses(times=4), {"kind": "pass"}, refuses(times=4), {"kind": "pass"}]
    )

    for _ in range(10):
        enter(engagement)

    assert reload(engagement).state == Engagement.State.ACTIVE
    assert working.states(engagement) == {"sent": 2, "dead": 8}


def test_what_is_on_the_wire_when_it_goes_wrong_is_kept(one_by_one, sandbox):
    """A campaign that is archived in the middle of a run, with 64 on the wire."""
    engagement = one_by_one(400)
    sandbox.faults([{"kind": "pass", "times": 100}, refuses()])

    until_it_stops(engagement)

    assert engagement.state == Engagement.State.BLOCKED
    states = working.states(engagement)
    assert states["sent"] == 100
    # At most what one worker had on the wire beside the last who were taken.
    assert states["dead"] <= 64
    assert states["dead"] + states["pending"] == 300
    # What one worker has on the wire, and what it had just answered.
    assert Attempt.objects.filter(outcome="refused").count() <= 100


def test_one_person_who_is_tried_again_and_again_stops_nobody(one_by_one, sandbox):
    engagement = one_by_one(0, trigger=Engagement.Trigger.ON_ENTRY)
    nia = factories.make_profile(first_name="Nia")
    sandbox.faults([refuses(external_id=nia.external_id)])
    factories.enter(engagement.segment, nia)

    for _ in range(7):
        working.once()
        retry_failed.retry(Delivery.objects.filter(state="dead"))

    assert Attempt.objects.filter(outcome="refused").count() == 7
    assert reload(engagement).state == Engagement.State.ACTIVE


def test_one_person_who_enters_again_and_again_stops_nobody(one_by_one, sandbox):
    engagement = one_by_one(
        0, trigger=Engagement.Trigger.ON_ENTRY, again=Engagement.Again.ALWAYS
    )
    nia = factories.make_profile(first_name="Nia")
    sandbox.faults([refuses(external_id=nia.external_id)])

    for _ in range(7):
        factories.enter(engagement.segment, nia)
        working.once()
        engagement.segment.memberships.all().delete()

    assert reload(engagement).state == Engagement.State.ACTIVE
    assert working.states(engagement) == {"dead": 7}


ONES_OWN = [["of", "{{User ID}}"]]


@pytest.mark.parametrize("status", [302, 403, 404, 405, 410])
def test_what_is_not_there_for_one_person_stops_nobody(active, sandbox, braze, status):
    version = factories.make_version(connection=braze, batching="one", query=ONES_OWN)
    engagement = active(12, version=version)
    victim = engagement.segment.memberships.order_by("profile_id")[3].profile
    sandbox.faults([refuses("", status=status, external_id=victim.external_id)])

    working.to_the_end(engagement)

    assert reload(engagement).state == Engagement.State.ENDED
    assert working.states(engagement) == {"sent": 11, "dead": 1}
    assert str(status) in Delivery.objects.get(profile=victim).reason


def test_what_is_there_for_nobody_stops_after_a_few(active, sandbox, braze):
    version = factories.make_version(connection=braze, batching="one", query=ONES_OWN)
    engagement = active(60, version=version)
    sandbox.faults([refuses("", status=404)])

    until_it_stops(engagement)

    assert working.states(engagement) == {"dead": 4, "pending": 56}


def test_at_everybodys_address_one_is_enough(active, sandbox, braze):
    """A value that the engagement gives is everybody's."""
    version = factories.make_version(
        connection=braze, batching="one", query=[["of", "{{Name of the User}}"]]
    )
    engagement = active(60, version=version, values={"Name of the User": "x"})
    sandbox.faults([refuses("", status=404)])

    until_it_stops(engagement)

    assert "nothing at this address" in engagement.blocked_reason
    assert working.states(engagement) == {"pending": 60}
