"""Newest wins: a repeat never overwrites what was accepted after it was written first."""

import threading
import time

import pytest

from engagements.delivery import loop
from engagements.models import Batch, Delivery, Engagement
from engagements.recovery import retry_failed
from tests.engagements.sync.conftest import (
    attributes_version,
    begin,
    bodies,
    change,
    ends,
    person,
    run_once,
)
from tests.faults import working

pytestmark = pytest.mark.django_db(transaction=True)

ONCE_500 = {"kind": "status", "status": 500, "times": 1}


def held_up(engagement: Engagement, sandbox):
    """A run whose first request is not taken, and waits to be repeated."""
    sandbox.faults([ONCE_500])
    run = begin(engagement)
    working.once()
    assert working.due_batches(engagement) == 1
    return run


def reason(run) -> str:
    return str(Delivery.objects.get(run=run).reason)


def test_a_constant_that_is_repeated_does_not_overwrite_a_newer_one(syncing, sandbox):
    person("ana")
    older = syncing(("plan",), values={"plan": "spring"})
    newer = syncing(("plan",), values={"plan": "summer"}, segment=older.segment)
    run = held_up(older, sandbox)
    run_once(newer)
    working.to_the_end(older)

    assert ends(run) == {"ana": "overtaken"}
    assert sandbox.user("ana")["custom_attributes"] == {"plan": "summer"}
    assert reason(run) == (
        "overtaken: “plan” was left out: a newer request, of"
        f" “{newer}”, has written it since."
    )


def test_an_attribute_that_nobody_else_wrote_goes_and_the_reason_says_what_not(
    syncing, sandbox
):
    person("ana")
    older = syncing(values={"plan": "spring", "city": "Bonn"})
    newer = syncing(("plan",), values={"plan": "summer"}, segment=older.segment)
    run = held_up(older, sandbox)
    run_once(newer)
    working.to_the_end(older)

    assert ends(run) == {"ana": "sent"}
    assert bodies(sandbox)[-1] == {"external_id": "ana", "city": "Bonn"}
    assert "“plan” was left out" in reason(run)


@pytest.mark.parametrize(
    ("newer_value", "ends_as", "held"),
    [({"inc": 10}, "sent", 11), ("{{Visits}}", "overtaken", 5)],
    ids=["added to", "set"],
)
def test_what_is_added_to_a_number_is_not_lost_where_more_was_added_since(
    syncing, sandbox, braze, newer_value, ends_as, held
):
    """Only a value that was set since would be overwritten."""
    person("ana")
    adds = attributes_version(braze, (), body=counting({"inc": 1}))
    own = ("Visits",) if isinstance(newer_value, str) else ()
    sets = attributes_version(braze, own, body=counting(newer_value))
    sets.parameters = [{**one, "type": "integer"} if one["name"] == "Visits" else one for one in sets.parameters]  # fmt: skip
    sets.save()
    older = syncing(version=adds, values={"none": ""})
    newer = syncing(version=sets, values=dict.fromkeys(own, "5"), segment=older.segment)
    run = held_up(older, sandbox)
    run_once(newer)
    working.to_the_end(older)

    assert ends(run) == {"ana": ends_as}
    assert sandbox.user("ana")["custom_attributes"] == {"visits": held}


def counting(value: object) -> dict[str, object]:
    return {"attributes": [{"external_id": "{{ID}}", "visits": value}]}


def test_what_is_said_of_the_person_is_read_anew(syncing, sandbox):
    ana = person("ana", plan="pro")
    older = syncing(("plan",))
    newer = syncing(("plan",), values={"plan": "summer"}, segment=older.segment)
    run = held_up(older, sandbox)
    run_once(newer)
    change(ana, plan="free")
    working.to_the_end(older)

    assert ends(run) == {"ana": "sent"}
    assert sandbox.user("ana")["custom_attributes"] == {"plan": "free"}


def test_one_that_was_written_later_and_failed_does_not_count(syncing, sandbox):
    person("ana")
    older = syncing(("plan",), values={"plan": "spring"})
    newer = syncing(("plan",), values={"plan": "summer"}, segment=older.segment)
    run = held_up(older, sandbox)
    held_up(newer, sandbox)
    working.to_the_end(older)

    assert ends(run) == {"ana": "sent"}
    working.to_the_end(newer)
    assert sandbox.user("ana")["custom_attributes"] == {"plan": "summer"}


def test_a_retry_in_a_new_run_is_as_old_as_the_first(syncing, sandbox):
    person("ana")
    older = syncing(("plan",), values={"plan": "spring"})
    newer = syncing(("plan",), values={"plan": "summer"}, segment=older.segment)
    sandbox.faults([{"kind": "partial_errors", "indexes": None, "type": "No good."}])
    assert run_once(older) == {"ana": "rejected"}
    sandbox.clear_faults()
    run_once(newer)

    (run,) = retry_failed.retry(Delivery.objects.filter(state="rejected")).runs
    working.to_the_end(older)

    assert ends(run) == {"ana": "overtaken"}


def test_a_new_run_is_no_repeat(syncing, sandbox):
    person("ana")
    older = syncing(("plan",), values={"plan": "spring"})
    newer = syncing(("plan",), values={"plan": "summer"}, segment=older.segment)
    run_once(newer)

    assert run_once(older) == {"ana": "sent"}
    assert sandbox.user("ana")["custom_attributes"] == {"plan": "spring"}


def test_while_a_repeat_is_on_the_wire_a_newer_one_waits(syncing, sandbox):
    """Both workers at once: what is accepted last is the newer one."""
    person("ana")
    older = syncing(("plan",), values={"plan": "spring"})
    newer = syncing(("plan",), values={"plan": "summer"}, segment=older.segment)
    run = held_up(older, sandbox)
    sandbox.faults([{"kind": "delay_before", "seconds": 1.5, "times": 1}])
    working.make_due(older)

    with working.in_thread(loop.work):
        until = time.monotonic() + 10
        while not Batch.objects.filter(state="sending", is_repeat=True).exists():
            assert time.monotonic() < until
        assert threading.active_count() > 1
        begin(newer)
        working.to_the_end(newer)

    assert ends(run) == {"ana": "sent"}
    assert sandbox.user("ana")["custom_attributes"] == {"plan": "summer"}
