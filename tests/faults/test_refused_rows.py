"""The database refuses one row, or one statement: that one is told, the others go on."""

from collections import Counter
from contextlib import ExitStack

import pytest

from engagements.delivery import loop
from engagements.models import Delivery
from engagements.operations import status
from engagements.outbox import workers
from tests.doubles.sessions import refusing
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

OF_A_BATCH = """EXISTS (SELECT FROM engagements_batch
    WHERE id = NEW.batch_id AND profile_ids @> ARRAY[{}::bigint])"""


def somebody(engagement):
    return engagement.segment.memberships.order_by("profile")[40].profile


def test_an_end_that_is_refused_keeps_nobody_else(active, sandbox):
    engagement = active(150)
    person = somebody(engagement)
    condition = f"NEW.profile_id = {person.pk} AND NEW.state = 'sent'"
    with refusing("engagements_delivery", condition):
        working.to_the_end(engagement)

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.states(engagement) == {"sent": 149, "dead": 1}
    dead = Delivery.objects.get(state="dead")
    assert dead.profile == person
    assert dead.reason == "The database refuses it: not this one"
    assert Counter(invariants.received(sandbox).values()) == {1: 150}


def test_an_end_that_is_refused_altogether_keeps_nobody_else(active, sandbox):
    engagement = active(150)
    person = somebody(engagement)
    with refusing("engagements_delivery", f"NEW.profile_id = {person.pk}"):
        working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 149}
    assert working.outcomes(engagement) == {"sent": 2}


@pytest.mark.parametrize("trigger", ["schedule", "on_entry"])
def test_whom_no_batch_can_hold_keeps_nobody_else(active, sandbox, trigger):
    engagement = active(150, trigger=trigger, includes_present=True)
    person = somebody(engagement)
    with refusing(
        "engagements_batch", f"NEW.profile_ids @> ARRAY[{person.pk}::bigint]"
    ):
        # Chunk by chunk: no batch is open between two.
        wait_until(lambda: everybody_has_an_end(engagement), "the last chunk")

    assert working.states(engagement) == {"sent": 149, "dead": 1}
    invariants.check(engagement, sandbox, sandbox.key)
    assert Delivery.objects.get(state="dead").profile == person


def everybody_has_an_end(engagement) -> bool:
    working.to_the_end(engagement)
    return sum(working.states(engagement).values()) == 150


def test_a_run_that_takes_nobody_in_stops_no_other(active, sandbox):
    hindered, other = active(75), active(75)
    condition = f"NEW.run_id = {hindered.runs.get().pk}"
    with refusing("engagements_batch", condition, code="P0001"):
        working.to_the_end(other)
        assert working.states(other) == {"sent": 75}
    working.to_the_end(hindered)

    invariants.check(hindered, sandbox, sandbox.key)
    assert working.states(hindered) == {"sent": 75}


def test_an_intent_that_is_refused_keeps_nobody_else(active, sandbox):
    engagement = active(150)
    person = somebody(engagement)
    condition = OF_A_BATCH.format(person.pk)
    with refusing("engagements_attempt", condition):
        working.to_the_end(engagement)

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.states(engagement) == {"sent": 149, "dead": 1}
    dead = Delivery.objects.get(state="dead")
    assert dead.profile == person
    assert dead.reason == "The database refuses it: not this one"


def test_an_intent_that_fails_is_an_alarm_and_others_go_on(
    active, sandbox, monkeypatch
):
    # Another test may have had an alarm within the second.
    monkeypatch.setattr(workers, "_reported_at", float("-inf"))
    hindered, other = active(75), active(75)
    condition = OF_A_BATCH.format(somebody(hindered).pk)
    with refusing("engagements_attempt", condition, code="P0001"):
        working.to_the_end(other)
        assert working.states(other) == {"sent": 75}
        assert working.states(hindered) == {"pending": 75}
        (alarm,) = [a for a in status.read().alarms if a.name == "mistake"]
        assert "not this one" in alarm.text
    working.to_the_end(hindered)

    invariants.check(hindered, sandbox, sandbox.key)
    assert working.states(hindered) == {"sent": 75}


def test_an_answer_that_cannot_be_written_down_is_kept(active, sandbox):
    hindered, other = active(75), active(75)
    condition = OF_A_BATCH.format(somebody(hindered).pk)
    refusal = refusing("engagements_delivery", condition, code="P0001")
    with ExitStack() as beside, refusal:
        beside.enter_context(working.in_thread(loop.work))
        wait_until(lambda: working.states(other) == {"sent": 75}, "the other one")
        wait_until(lambda: sandbox.traffic()["requests"] == 2, "both requests")
        assert working.states(hindered) == {"pending": 75}

    invariants.check(hindered, sandbox, sandbox.key)
    assert working.states(hindered) == {"sent": 75}
    assert working.outcomes(hindered) == {"sent": 1}
