"""Who may have been sent already, and is stopped by a guard when it is sent again."""

from collections.abc import Callable
from typing import Any

import pytest

from engagements.delivery import claims, outcomes, splitting, writing
from engagements.lifecycle import transitions
from engagements.models import (
    Batch,
    Delivery,
    Engagement,
    FrequencyCap,
    SentLately,
    Suppression,
)
from engagements.outbox import doubt
from engagements.recovery import retry_failed
from engagements.reporting import reports
from segments.models import Profile
from tests import factories
from tests.faults import working

pytestmark = pytest.mark.django_db

LOST = {"kind": "close_after", "times": 1}
Send = Callable[..., Engagement]


@pytest.fixture
def people() -> list[Profile]:
    return [
        factories.make_profile(external_id=name, first_name=name)
        for name in ("ana", "bo", "cy")
    ]


@pytest.fixture
def send(sandbox, braze, people) -> Send:
    """Send an engagement's first request, whose answer is lost."""

    def make(fault: dict[str, object] = LOST, **fields: Any) -> Engagement:
        version = factories.make_version(connection=braze)
        fields.setdefault("ambiguous_policy", "park")
        engagement = factories.make_engagement(
            factories.make_segment(people), version, trigger="schedule", **fields
        )
        sandbox.faults([fault])
        transitions.activate(engagement)
        working.once()
        return engagement

    return make


def suppress(*people: Profile) -> None:
    for person in people:
        Suppression.objects.create(kind=Suppression.PERSON, profile=person)


def decide_to_resend(engagement: Engagement) -> None:
    batches = Batch.objects.filter(run__engagement=engagement, state="uncertain")
    for batch in batches.order_by("pk"):
        assert transitions.decide(batch, "resend")


def resend(engagement: Engagement) -> None:
    decide_to_resend(engagement)
    working.to_the_end(engagement)


def states(engagement: Engagement) -> dict[str | None, str]:
    rows = Delivery.objects.filter(run__engagement=engagement).order_by("pk")
    return dict(rows.values_list("profile__external_id", "state"))


def waits(engagement: Engagement) -> list[set[str | None]]:
    """Whom somebody has to decide about, batch by batch."""
    batches = Batch.objects.filter(run__engagement=engagement, state="uncertain")
    return [
        {
            Profile.objects.get(pk=id).external_id
            for n, id in enumerate(batch.profile_ids)
            if n not in batch.left_out
        }
        for batch in batches.order_by("pk")
    ]


def test_whoever_a_guard_stops_stays_uncertain_and_the_others_are_sent(
    send, people, sandbox
):
    engagement = send()
    suppress(people[1])

    resend(engagement)

    assert states(engagement) == {"ana": "sent", "bo": "uncertain", "cy": "sent"}
    assert waits(engagement) == [{"bo"}]
    its = Delivery.objects.get(profile=people[1])
    assert reports.reason_in_words(its.reason) == (
        "Not sent again. The person is on the suppression list."
    )
    # Nobody counts as skipped, and each person once.
    assert not any(one.skips for one in Batch.objects.tallies().values())
    report = reports.engagement_report(engagement)
    assert {row.key: row.count for row in report.rows} == {"sent": 2, "uncertain": 1}
    assert report.people is not None and report.people.people == 3


def test_where_all_are_stopped_their_batch_stays_as_it_is(send, people, sandbox):
    engagement = send()
    suppress(*people)

    resend(engagement)
    resend(engagement)

    assert set(states(engagement).values()) == {"uncertain"}
    assert waits(engagement) == [{"ana", "bo", "cy"}]
    assert Batch.objects.count() == 1
    assert len(sandbox.requests()) == 1


def test_once_nothing_stops_them_they_are_sent(send, people):
    engagement = send()
    suppress(*people[:2])
    resend(engagement)
    Suppression.objects.filter(profile=people[0]).delete()

    resend(engagement)

    assert states(engagement) == {"ana": "sent", "bo": "uncertain", "cy": "sent"}
    assert waits(engagement) == [{"bo"}]


@pytest.mark.parametrize("by", ["mark_sent", "retry"])
def test_somebody_decides_about_them_alone(send, people, by):
    engagement = send()
    suppress(people[1])
    resend(engagement)
    batch = Batch.objects.get(state="uncertain")

    if by == "mark_sent":
        assert transitions.decide(batch, "mark_sent")
        assert states(engagement)["bo"] == "sent"
    else:
        Suppression.objects.all().delete()
        uncertain = Delivery.objects.filter(state="uncertain")
        assert retry_failed.retry(uncertain).people == 1
        working.to_the_end(engagement)
        assert Delivery.objects.get(run__retry_of__isnull=False).state == "sent"
    assert waits(engagement) == []


def test_it_is_so_too_where_it_is_sent_again_by_itself(send, people):
    engagement = send(ambiguous_policy="resend")
    suppress(people[1])

    working.to_the_end(engagement)

    assert states(engagement) == {"ana": "sent", "bo": "uncertain", "cy": "sent"}
    assert engagement.runs.get().state == "completed_with_errors"


def test_parts_of_a_batch_may_have_been_sent_with_it(send, people):
    """It is sent again, and refused without a name: halves follow."""
    engagement = send()
    decide_to_resend(engagement)
    (prepared,) = writing.write(claims.claim(1))
    outcomes.split(prepared, "Refused.")
    suppress(people[2])

    working.to_the_end(engagement)

    assert states(engagement)["cy"] == "uncertain"
    assert waits(engagement) == [{"cy"}]


def test_of_whom_it_is_known_that_nothing_arrived_is_skipped(send, people):
    engagement = send({"kind": "status", "status": 503, "times": 1})
    suppress(people[1])

    working.to_the_end(engagement)

    assert states(engagement) == {"ana": "sent", "bo": "skipped", "cy": "sent"}


def test_a_run_that_is_cancelled_leaves_them_uncertain(send):
    """It waits for the next try, and nobody knows what the last one came to."""
    engagement = send(ambiguous_policy="resend")
    assert transitions.cancel(engagement.runs.get())
    assert set(states(engagement).values()) == {"uncertain"}
    assert waits(engagement) == [{"ana", "bo", "cy"}]
    its = Delivery.objects.first()
    assert its is not None and its.reason == doubt.CANCELLED
    assert transitions.decide(Batch.objects.get(), "mark_sent")
    assert set(states(engagement).values()) == {"sent"}


def test_whose_attempts_are_used_up_since_are_not_given_up(send, sandbox):
    engagement = send(ambiguous_policy="resend")
    sandbox.faults([{"kind": "status", "status": 503, "times": None}])
    working.to_the_end(engagement)
    assert set(states(engagement).values()) == {"uncertain"}
    its = Delivery.objects.first()
    assert its is not None and its.reason.startswith("Not sent again. ")


@pytest.mark.parametrize("was_lost", [True, False])
def test_whom_no_worker_survives_may_have_been_sent_before(was_lost):
    batch = factories.make_batch(state="leased", reap_count=3)
    if was_lost:
        factories.make_attempt(batch, outcome="ambiguous")
    splitting.isolate(batch)
    end = Delivery.objects.get()
    assert end.state == ("uncertain" if was_lost else "dead")
    assert splitting.POISON in end.reason
    batch.refresh_from_db()
    assert batch.state == end.state


def test_who_is_erased_stays_erased(send, people):
    engagement = send()
    suppress(people[1])
    Profile.objects.filter(pk=people[0].pk).get().delete()

    resend(engagement)

    assert states(engagement) == {None: "erased", "bo": "uncertain", "cy": "sent"}


def test_an_entry_an_event_and_a_variant_go_along():
    batch = factories.make_batch(
        factories.make_run(next_sequence=1),
        people=3,
        transition_ids=[7, 8, 9],
        event_ids=[1, None, 3],
        variants=[1, 2, 1],
        state="sending",
        attempt_count=2,
        ambiguous_count=1,
    )

    doubt.stay({batch.pk: {1: "excluded: Not sent again. X.", 2: "holdout: Y."}})

    apart = Batch.objects.get(state="uncertain")
    assert apart.parent == batch
    assert apart.profile_ids == batch.profile_ids[1:]
    assert (apart.transition_ids, apart.event_ids) == ([8, 9], [None, 3])
    assert (apart.variants, apart.attempt_count) == ([2, 1], 2)
    rows = Delivery.objects.order_by("transition_id")
    assert list(rows.values_list("batch", "transition_id", "variant", "reason")) == [
        (apart.pk, 8, 2, "excluded: Not sent again. X."),
        (apart.pk, 9, 1, "holdout: Y."),
    ]
    batch.refresh_from_db()
    assert (batch.state, batch.left_out) == ("sending", [1, 2])


# --- Frequency caps -------------------------------------------------------------------


def test_who_stays_uncertain_goes_on_counting_under_a_cap(send, people):
    FrequencyCap.objects.create(name="One", most=1)
    first = send()
    suppress(people[1])
    resend(first)
    Suppression.objects.all().delete()

    second = send()
    working.to_the_end(second)

    assert states(first)["bo"] == "uncertain"
    assert set(states(second).values()) == {"skipped"}


def test_whom_the_cap_itself_stops_goes_on_counting(send, people):
    """Another sends them the one that is left, while nobody has decided."""
    cap = FrequencyCap.objects.create(name="Two", most=2)
    first = send()
    second = send(heeds_caps=False)
    resend(second)
    FrequencyCap.objects.filter(pk=cap.pk).update(most=1)

    resend(first)

    assert set(states(first).values()) == {"uncertain"}
    assert {len(one.sends) for one in SentLately.objects.all()} == {2}


def test_of_whom_no_payload_can_be_made_then_goes_on_counting(send, people):
    FrequencyCap.objects.create(name="One", most=1)
    first = send()
    Profile.objects.filter(pk=people[1].pk).update(attributes={})

    resend(first)
    second = send(values={"Name of the User": "all"})
    working.to_the_end(second)

    assert states(first)["bo"] == "uncertain"
    assert states(second)["bo"] == "skipped"
