"""What a worker that went away left behind, step by step."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from engagements.audience import expansion
from engagements.delivery import lease_reaper, outcomes
from engagements.delivery.attempts import intend
from engagements.delivery.claims import claim
from engagements.delivery.transport import send
from engagements.delivery.writing import write
from engagements.lifecycle import completion, transitions
from engagements.models import Attempt, Batch, Delivery, Engagement, Run
from engagements.outbox.prepared_request import PreparedRequest, Result
from tests import factories

pytestmark = pytest.mark.django_db

PAST = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def short_lease(settings):
    # The server of the tests is young: recovery waits one lease from its start.
    settings.DELIVERY_LEASE = timedelta(0)


@pytest.fixture
def scheduled(braze):
    """Make an engagement whose one run is due."""

    def make(people=2, **fields) -> Engagement:
        version = factories.make_version(connection=braze)
        engagement: Engagement = factories.make_engagement(
            factories.make_segment(people), version, trigger="schedule", **fields
        )
        transitions.activate(engagement)
        return engagement

    return make


def in_flight(settings) -> PreparedRequest:
    """Claim and intend the one due batch, as a worker does; its lease is a real one."""
    settings.DELIVERY_LEASE = timedelta(minutes=1)
    expansion.expand(expansion.expandable_runs())
    (prepared,) = intend(list(write(claim(1))))
    settings.DELIVERY_LEASE = timedelta(0)
    return prepared


def late_answer(settings) -> Result:
    """What came for the due batch when its lease had run out, and the reaper was there."""
    result = send(in_flight(settings))
    Batch.objects.update(lease_until=timezone.now() - PAST)
    lease_reaper.reap()
    return result


def repeated(settings) -> Result:
    """What came when it was sent again."""
    Batch.objects.update(next_attempt_at=timezone.now() - PAST)
    return send(in_flight(settings))


def left_behind(state: str, **fields) -> Batch:
    """A batch whose worker is gone and whose lease has run out."""
    run = factories.make_run(state=Run.State.SENDING, **fields)
    return factories.make_batch(
        run,
        people=2,
        state=state,
        lease_token=uuid.uuid4(),
        lease_until=timezone.now() - PAST,
    )


def test_a_batch_without_an_intent_waits_again():
    batch = left_behind(Batch.State.LEASED)

    assert lease_reaper.reap() == 1

    batch.refresh_from_db()
    assert (batch.state, batch.reap_count) == (Batch.State.PENDING, 1)
    assert (batch.ambiguous_count, batch.lease_token) == (0, None)
    assert lease_reaper.reap() == 0


@pytest.mark.parametrize(
    ("policy", "state", "people"),
    [("park", "uncertain", {"uncertain"}), ("resend", "retry", set())],
)
def test_a_batch_with_an_intent_is_ambiguous(policy, state, people):
    engagement = factories.make_engagement(ambiguous_policy=policy)
    batch = left_behind(Batch.State.SENDING, engagement=engagement)
    attempt = factories.make_attempt(
        batch, outcome=Attempt.Outcome.UNFINISHED, status=None, duration_ms=None
    )

    lease_reaper.reap()

    batch.refresh_from_db()
    attempt.refresh_from_db()
    assert (batch.state, batch.ambiguous_count) == (state, 1)
    assert attempt.outcome == Attempt.Outcome.AMBIGUOUS
    assert {d.state for d in batch.deliveries.all()} == people
    assert batch.next_attempt_at > timezone.now()


def test_a_living_lease_is_left_alone():
    batch = left_behind(Batch.State.SENDING)
    Batch.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    assert lease_reaper.reap() == 0
    batch.refresh_from_db()
    assert batch.state == Batch.State.SENDING


def test_a_late_answer_is_still_the_answer(scheduled, sandbox, settings):
    """A worker that was slow, not dead: its lease ran out while Braze answered."""
    scheduled()
    result = late_answer(settings)
    assert Batch.objects.get().state == Batch.State.UNCERTAIN

    outcomes.record([result])
    outcomes.record([result])  # twice does nothing

    assert Batch.objects.get().state == Batch.State.DONE
    assert {d.state for d in Delivery.objects.all()} == {"sent"}
    assert Attempt.objects.get().outcome == Attempt.Outcome.SENT


@pytest.mark.parametrize(
    ("fault", "late", "state"),
    [
        ({"kind": "pass"}, "Accepted", "done"),
        ({"kind": "status", "status": 400}, "Refused", "done"),
        ({"kind": "status", "status": 429}, "Rate limited", "done"),
        ({"kind": "html_200"}, "Accepted, answer unreadable", "done"),
    ],
)
def test_a_late_answer_hides_no_repeat(
    scheduled, sandbox, settings, fault, late, state
):
    """It was sent again meanwhile: the attempt before that stays ambiguous."""
    scheduled(ambiguous_policy=Engagement.AmbiguousPolicy.RESEND)
    sandbox.faults([fault])
    zombie = late_answer(settings)
    repeat = repeated(settings)
    outcomes.record([repeat])

    outcomes.record([zombie])
    outcomes.record([zombie])  # twice does nothing

    first, second = Attempt.objects.order_by("started_at")
    assert (first.outcome, second.outcome) == ("ambiguous", "sent")
    assert first.message == (
        "The worker ended before it could write down an answer."
        f" Answered late, after it was sent again: {late}."
    )
    assert (first.status, first.response_head) == (zombie.status, zombie.response_head)
    assert Batch.objects.get().state == state
    assert {d.state for d in Delivery.objects.all()} == {"sent"}


def test_a_late_answer_while_the_repeat_is_on_the_wire(scheduled, sandbox, settings):
    scheduled(ambiguous_policy=Engagement.AmbiguousPolicy.RESEND)
    zombie = late_answer(settings)
    repeat = repeated(settings)

    outcomes.record([zombie])
    outcomes.record([repeat])

    attempts = Attempt.objects.order_by("started_at")
    assert [a.outcome for a in attempts] == ["ambiguous", "sent"]
    assert Batch.objects.get().state == Batch.State.DONE
    assert {d.state for d in Delivery.objects.all()} == {"sent"}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (503, "not_sent"),
        (429, "rate_limited"),
        (400, "refused"),
        (413, "refused"),
        (401, "blocked"),
        (404, "blocked"),
    ],
)
def test_what_is_known_to_be_unsent_late_waits_again(
    scheduled, sandbox, settings, status, outcome
):
    """Not taken for certain: nobody has to decide about it."""
    scheduled()
    sandbox.faults([{"kind": "status", "status": status}])
    result = late_answer(settings)
    assert {d.state for d in Delivery.objects.all()} == {"uncertain"}

    outcomes.record([result])
    outcomes.record([result])  # twice does nothing

    batch = Batch.objects.get()
    assert (batch.state, batch.ambiguous_count) == (Batch.State.PENDING, 0)
    assert not Delivery.objects.exists()
    assert Attempt.objects.get().outcome == outcome


@pytest.mark.parametrize("status", [429, 400, 401])
def test_what_was_in_doubt_and_sent_again_stays_so(
    scheduled, sandbox, settings, status
):
    scheduled(ambiguous_policy=Engagement.AmbiguousPolicy.RESEND)
    sandbox.faults(
        [{"kind": "status", "status": status}, {"kind": "status", "status": 503}]
    )
    zombie = late_answer(settings)
    outcomes.record([repeated(settings)])

    outcomes.record([zombie])

    first, second = Attempt.objects.order_by("started_at")
    assert (first.outcome, second.outcome) == ("ambiguous", "not_sent")
    batch = Batch.objects.get()
    assert (batch.state, batch.ambiguous_count) == (Batch.State.RETRY, 1)


@pytest.mark.parametrize("fault", ["error_without_index", "html_200"])
def test_what_may_have_been_taken_is_not_sent_for_a_late_answer(
    scheduled, sandbox, settings, fault
):
    scheduled()
    sandbox.faults([{"kind": fault}])
    result = late_answer(settings)

    outcomes.record([result])

    assert Batch.objects.get().state not in Batch.OPEN


def test_a_late_failure_changes_nothing(scheduled, sandbox, settings):
    scheduled(1)
    sandbox.faults([{"kind": "status", "status": 500}])
    result = late_answer(settings)
    assert transitions.decide(Batch.objects.get(), "mark_sent")

    outcomes.record([result])

    assert Batch.objects.get().state == Batch.State.DONE
    assert Delivery.objects.get().state == "sent"


def test_nothing_starts_after_a_pause(scheduled):
    """The pause commits between the claim and the intent."""
    engagement = scheduled()
    expansion.expand(expansion.expandable_runs())
    requests = list(write(claim(1)))
    transitions.pause(engagement)

    assert intend(requests) == []

    assert Batch.objects.get().state == Batch.State.PENDING
    assert not Attempt.objects.exists()


def test_what_waits_in_a_cancelled_run_is_cancelled():
    batch = left_behind(Batch.State.LEASED)
    assert transitions.cancel(batch.run)
    assert transitions.cancel(batch.run) is False
    lease_reaper.reap()

    completion.finish()

    batch.refresh_from_db()
    assert batch.state == Batch.State.CANCELLED
    assert {d.state for d in batch.deliveries.all()} == {"cancelled"}
