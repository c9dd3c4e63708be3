"""What must be true after any fault (docs/delivery.md)."""

from collections import Counter

from engagements.models import Attempt, Batch, Delivery, Engagement
from externalapi.sandbox.process import SandboxProcess

TERMINAL = {
    Delivery.State.SENT,
    Delivery.State.ACCEPTED_UNVERIFIED,
    Delivery.State.REJECTED,
    Delivery.State.SKIPPED,
    Delivery.State.UNCERTAIN,
    Delivery.State.DEAD,
}


def received(sandbox: SandboxProcess) -> Counter[str]:
    """How often Braze took in each person."""
    return Counter(
        person
        for request in sandbox.requests()
        if request["status"] == 201
        for person in request["external_ids"].get("attributes", ())
    )


def check(engagement: Engagement, sandbox: SandboxProcess, secret: str) -> None:
    deliveries = Delivery.objects.filter(run__engagement=engagement).select_related(
        "profile"
    )
    state = {d.profile.external_id: d.state for d in deliveries}
    expected = {
        m.profile.external_id
        for m in engagement.segment.memberships.select_related("profile")
    }
    got = received(sandbox)

    assert set(state) == expected, "somebody is missing, or there twice"
    assert len(deliveries) == len(expected)
    assert set(state.values()) <= TERMINAL
    assert not Batch.objects.filter(
        run__engagement=engagement, state__in=Batch.OPEN
    ).exists()
    never_got = {p for p, s in state.items() if s == "sent"} - set(got)
    assert not never_got, "sent, says the row, and Braze never had it"
    doubtful = _in_ambiguous_attempts(engagement)
    assert {p for p, n in got.items() if n > 1} <= doubtful, "a silent repeat"
    for attempt in Attempt.objects.filter(batch__run__engagement=engagement):
        assert secret not in attempt.message + attempt.response_head


def _in_ambiguous_attempts(engagement: Engagement) -> set[str]:
    attempts = Attempt.objects.filter(
        batch__run__engagement=engagement, outcome=Attempt.Outcome.AMBIGUOUS
    )
    ids = {delivery_id for attempt in attempts for delivery_id in attempt.delivery_ids}
    people = Delivery.objects.filter(pk__in=ids).values_list("profile__external_id")
    return {external_id for (external_id,) in people if external_id}
