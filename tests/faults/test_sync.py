"""Deltas under faults: Braze has what people are, and nobody is wrongly "unchanged"."""

import random
import threading
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.utils import timezone

from engagements.audience import expansion
from engagements.delivery import claims, journal, lease_reaper, outcomes
from engagements.delivery.attempts import intend
from engagements.delivery.transport import send
from engagements.delivery.writing import write
from engagements.models import Accepted, Batch, Delivery, Engagement
from segments.membership import refresh
from segments.models import Profile
from tests.engagements.sync.conftest import (
    begin,
    bodies,
    change,
    ends,
    person,
    run_once,
    syncing,  # noqa: F401
)
from tests.faults import working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = [f"p{n}" for n in range(12)]
VALUES = ("a", "b", None)
FAULTS = (
    {"kind": "delay_after", "seconds": 1.5, "times": 1},
    {"kind": "reset_after", "times": 1},
    {"kind": "reset_before", "times": 1},
    {"kind": "status", "status": 500, "times": 1},
    {"kind": "status", "status": 400, "times": 1},
    {"kind": "status", "status": 429, "times": 1},
    {"kind": "partial_errors", "indexes": [0], "type": "No good.", "times": 1},
    {"kind": "malformed_json", "times": 1},
    {"kind": "html_200", "times": 1},
)


@pytest.fixture(autouse=True)
def short_deadlines(settings):
    settings.HTTP_TOTAL_SECONDS = 1
    settings.DELIVERY_LEASE = timedelta(seconds=3)
    settings.DELIVERY_GRACE = timedelta(seconds=0)


def held(sandbox, name: str) -> dict[str, object]:
    user = sandbox.user(name)
    return dict(user["custom_attributes"]) if user else {}


def expected(name: str) -> dict[str, object]:
    """What Braze has to hold of somebody; nothing of who is not in the segment."""
    own = Profile.objects.get(external_id=name).attributes
    if own["vip"] != "yes":
        return {}
    return {key: own[key] for key in ("plan", "city") if key in own}


def overdue() -> None:
    """Whoever holds a lease has lost it, and the reaper comes."""
    past = timezone.now() - timedelta(seconds=1)
    Batch.objects.filter(state__in=["leased", "sending"]).update(lease_until=past)
    lease_reaper.reap()


def die_with_requests_on_the_wire(engagement: Engagement) -> None:
    """A worker that has written down what it sends, and is never heard of again."""
    expansion.expand(expansion.expandable_runs())
    intend(list(write(claims.claim(8))))
    overdue()


def wild_run(engagement: Engagement, sandbox, chance: random.Random) -> None:
    begin(engagement)
    if chance.random() < 0.2:
        die_with_requests_on_the_wire(engagement)
    elif chance.random() < 0.7:
        sandbox.faults([chance.choice(FAULTS)])
    working.to_the_end(engagement)
    sandbox.clear_faults()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("policy", ["resend", "park"])
def test_at_the_end_braze_has_what_people_are(request, sandbox, seed, policy):
    chance = random.Random(f"{policy} {seed}")
    for name in NAMES:
        person(name, plan=chance.choice("ab"), city=chance.choice("ab"))
    make = request.getfixturevalue("syncing")
    engagement = make(sends_deltas=True, clears_who_left=True, ambiguous_policy=policy)
    for _ in range(8):
        for name in chance.sample(NAMES, 4):
            own = {key: chance.choice(VALUES) for key in ("plan", "city")}
            vip = chance.choice(["yes", "yes", "no"])
            change(Profile.objects.get(external_id=name), vip=vip, **own)
        wild_run(engagement, sandbox, chance)
    run_once(engagement)

    assert {n: held(sandbox, n) for n in NAMES} == {n: expected(n) for n in NAMES}, seed
    # And then there is nothing more to say.
    assert set(run_once(engagement).values()) <= {"unchanged"}


def test_an_answer_in_a_dead_workers_journal_is_what_was_accepted(
    request, sandbox, settings, tmp_path
):
    """Killed between the answer and its record: no doubt, and nothing is sent again."""
    settings.JOURNAL_DIR = tmp_path
    ana = person("ana", plan="a", city="a")
    engagement = request.getfixturevalue("syncing")(sends_deltas=True)
    run = begin(engagement)
    expansion.expand(expansion.expandable_runs())
    with journal.Journal() as own:
        own.keep([send(prepared) for prepared in intend(list(write(claims.claim(8))))])
    overdue()

    assert ends(run) == {"ana": "sent"}
    assert Accepted.objects.get().doubt is None
    change(ana, plan="b")
    run_once(engagement)
    assert bodies(sandbox)[-1] == {"external_id": "ana", "plan": "b"}


def test_a_late_answer_after_a_newer_one_does_not_count(request, sandbox):
    """What was sent meanwhile is what Braze has."""
    ana = person("ana", plan="a")
    engagement = request.getfixturevalue("syncing")(
        sends_deltas=True, ambiguous_policy="park"
    )
    begin(engagement)
    expansion.expand(expansion.expandable_runs())
    results = [send(prepared) for prepared in intend(list(write(claims.claim(8))))]
    overdue()
    change(ana, plan="b")
    assert run_once(engagement) == {"ana": "sent"}
    outcomes.record(results)

    assert run_once(engagement) == {"ana": "unchanged"}
    assert held(sandbox, "ana") == {"plan": "b"}


def test_two_runs_at_once_leave_nobody_with_an_older_value(request, sandbox):
    """What is on the wire is waited for: the second is compared with what came of it."""
    ana = person("ana", plan="a")
    engagement = request.getfixturevalue("syncing")(sends_deltas=True)
    run_once(engagement)
    change(ana, plan="b")
    first = begin(engagement)
    expansion.expand(expansion.expandable_runs())
    on_the_wire = intend(list(write(claims.claim(8))))
    # Back to what is known to be accepted, while the other is on its way.
    change(ana, plan="a")
    second = begin(engagement)
    expansion.expand(expansion.expandable_runs())
    assert intend(list(write(claims.claim(8)))) == []
    assert not Delivery.objects.filter(run=second).exists()
    outcomes.record([send(prepared) for prepared in on_the_wire])
    working.to_the_end(engagement)

    assert (ends(first), ends(second)) == ({"ana": "sent"}, {"ana": "sent"})
    assert held(sandbox, "ana") == {"plan": "a"}


def test_what_was_compared_before_an_answer_came_is_compared_again(request, sandbox):
    ana = person("ana", plan="a")
    engagement = request.getfixturevalue("syncing")(sends_deltas=True)
    begin(engagement)
    expansion.expand(expansion.expandable_runs())
    second = begin(engagement)
    expansion.expand(expansion.expandable_runs())
    early = list(write(claims.claim(8)))
    assert [len(intend([prepared])) for prepared in early] == [1, 0]
    overdue()
    refresh.evaluate([ana.pk])
    working.to_the_end(engagement)

    assert set(ends(second).values()) <= {"sent", "unchanged"}
    assert held(sandbox, "ana") == {"plan": "a"}


def test_eight_workers_and_many_runs_leave_nobody_with_an_older_value(request, sandbox):
    """Runs upon runs, while people change and answers are slow, lost or refused."""
    chance = random.Random("eight")
    for name in NAMES:
        person(name, plan="a", city="a")
    engagement = request.getfixturevalue("syncing")(
        sends_deltas=True, ambiguous_policy="resend"
    )
    with ExitStack() as workers:
        is_over = threading.Event()
        for _ in range(8):
            workers.enter_context(working.in_thread(lambda: _work_until(is_over)))
        workers.callback(is_over.set)
        for _ in range(6):
            for name in chance.sample(NAMES, 6):
                own = {key: chance.choice("abc") for key in ("plan", "city")}
                change(Profile.objects.get(external_id=name), **own)
            slow = {"kind": "delay_before", "seconds": 0.3, "times": 1}
            sandbox.faults([chance.choice((slow, *FAULTS))])
            begin(engagement)
            waiting = engagement.runs.filter(batches=None)
            wait_until(lambda runs=waiting: not runs.exists(), "the run's people")
    sandbox.clear_faults()
    working.to_the_end(engagement)
    run_once(engagement)

    assert {n: held(sandbox, n) for n in NAMES} == {n: expected(n) for n in NAMES}
    assert set(run_once(engagement).values()) == {"unchanged"}


def _work_until(is_over: threading.Event) -> None:
    while not is_over.is_set():
        working.once()
