"""kill -9 amid a run with variants: each person is sent once, what they were drawn for."""

from datetime import timedelta

import pytest

from engagements import wakeup
from engagements.lifecycle import transitions
from engagements.models import Batch, Delivery, Engagement
from engagements.variants import plan
from engagements.variants.plan import Variant
from segments.models import Profile
from tests import factories
from tests.doubles.celery_processes import beat, worker
from tests.engagements.sync.conftest import bodies
from tests.engagements.variants.conftest import NAME, number_of
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 1_500
SLOW = {"kind": "delay_after", "seconds": 0.1, "times": None}
TEXTS = {
    1: "{{ profile.first_name }}",
    2: "Dear {{ profile.first_name }}",
    3: "Hi {{ profile.first_name }}",
}


@pytest.fixture
def engagement(draft) -> Engagement:
    its = plan.made(
        [
            Variant("A", "Plain", 50),
            Variant("B", "Dear", 30, {NAME: TEXTS[2]}),
            Variant("C", "Hi", 20, {NAME: TEXTS[3]}),
        ]
    )
    made: Engagement = draft(
        PEOPLE,
        values={NAME: TEXTS[1]},
        variants=its.as_json(),
        holdout_share=10,
        ambiguous_policy=Engagement.AmbiguousPolicy.RESEND,
    )
    return made


def test_two_workers_of_whom_one_is_killed(engagement, sandbox, settings):
    settings.DELIVERY_LEASE = timedelta(seconds=5)
    transitions.activate(engagement)
    sandbox.faults([SLOW])
    with worker() as first, worker(), beat():
        wakeup.publish()
        wait_until(lambda: sandbox.traffic()["requests"] >= 4, "the middle of it")
        first.kill()
        sandbox.clear_faults()
        wait_until(lambda: working.is_over(engagement), "the end")

    rows = Delivery.objects.values_list("profile__external_id", "state", "variant")
    ends = {name: (state, variant) for name, state, variant in rows}
    assert len(ends) == len(rows) == PEOPLE
    held = {name for name, (_, variant) in ends.items() if variant == 0}
    assert {name for name, (state, _) in ends.items() if state == "skipped"} == held
    assert 75 < len(held) < 225
    words = dict(Profile.objects.values_list("external_id", "attributes__first_name"))
    told = {1: "{}", 2: "Dear {}", 3: "Hi {}"}
    for name, (state, variant) in ends.items():
        if name not in held:
            assert (state, variant) == ("sent", number_of(engagement, name))
    # Also whoever was sent twice, since an answer was lost, got the same both times.
    got = {(one["external_id"], one["first_name"]) for one in bodies(sandbox)}
    assert got == {
        (name, told[number_of(engagement, name)].format(words[name]))
        for name in ends
        if name not in held
    }
    assert invariants.received(sandbox).keys() == ends.keys() - held
    assert factories and not Batch.objects.filter(state__in=Batch.OPEN).exists()
