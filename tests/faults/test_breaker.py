"""A connection that fails is left alone, tried with one request, and recovers."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.utils import timezone

from engagements.delivery import loop, transport
from engagements.delivery.claims import claim
from engagements.models import Batch, Destination
from engagements.throttling import circuit_breaker, rate_limit
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db(transaction=True)

ON_THE_WIRE = transport.AT_ONCE
# Longer than a busy machine takes for a piece of work.
LATER = {"Retry-After": "300"}


@pytest.fixture
def engagement(active, braze):
    """400 requests' worth."""
    return active(400, version=factories.make_version(connection=braze, batching="one"))


def storm(code: int = 500) -> dict[str, object]:
    return {"kind": "status", "status": code, "times": None}


def reading() -> circuit_breaker.Reading:
    return circuit_breaker.read(Destination.objects.get(), timezone.now())


def time_passes() -> None:
    """The circuit breaker's time is over, and everybody's turn has come."""
    past = timezone.now() - timedelta(seconds=1)
    Destination.objects.filter(blocked_until__gt=past).update(blocked_until=past)
    Batch.objects.filter(state__in=Batch.DUE).update(next_attempt_at=past)


def until_it_opens() -> None:
    for _ in range(20):
        working.once()
        if reading().state is circuit_breaker.State.OPEN:
            return
    raise AssertionError(f"it never opened: {reading()}")


@pytest.mark.parametrize("code", [500, 503, 502])
def test_a_storm_from_the_start_opens_it_within_20_requests(engagement, sandbox, code):
    sandbox.faults([storm(code)])

    until_it_opens()

    assert len(sandbox.requests()) <= 20
    found = reading()
    assert found.state is circuit_breaker.State.OPEN
    assert found.until - timezone.now() <= timedelta(seconds=30)
    assert found.failures_in_a_row >= 5
    assert found.problem.startswith(str(code))


def test_a_storm_in_the_middle_costs_what_was_on_the_wire(engagement, sandbox):
    sandbox.faults([{"kind": "pass", "times": 100}, storm()])

    until_it_opens()

    assert 100 < len(sandbox.requests()) <= 100 + ON_THE_WIRE + 20


def test_it_is_probed_with_one_request_and_recovers_by_itself(engagement, sandbox):
    sandbox.faults([storm()])
    until_it_opens()
    seen = len(sandbox.requests())

    waits = []
    for probe in range(1, 4):
        time_passes()
        with ExitStack() as threads:
            for _ in range(4):
                threads.enter_context(working.in_thread(working.once))
        assert len(sandbox.requests()) == seen + probe
        waits.append((reading().until - timezone.now()).total_seconds())
    assert waits == pytest.approx([60, 120, 240], abs=5)

    sandbox.clear_faults()
    time_passes()
    working.once()
    assert reading().state is circuit_breaker.State.CLOSED
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 400}
    invariants.check(engagement, sandbox, sandbox.key)


def test_while_it_is_open_nothing_is_taken_and_nobody_is_called(engagement, sandbox):
    sandbox.faults([storm()])
    until_it_opens()
    seen = len(sandbox.requests())
    calls = []

    assert loop.work(call_for_help=lambda: calls.append(1)) is False

    assert calls == []
    assert len(sandbox.requests()) == seen
    assert claim(10) == []


def test_rate_limits_do_not_open_it(engagement, sandbox):
    sandbox.faults([{"kind": "status", "status": 429, "times": 8, "headers": LATER}])
    for _ in range(4):
        working.once()
        assert reading().state is circuit_breaker.State.RATE_LIMITED
        working.make_due(engagement)

    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 400}
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_limited_connection_is_met_with_one_request(engagement, sandbox):
    """Not with a whole claim at the end of each wait."""
    sandbox.faults([{"kind": "status", "status": 429, "times": None}])
    working.once()
    seen = len(sandbox.requests())
    assert seen <= rate_limit.FEW
    for probe in range(1, 4):
        time_passes()
        working.once()
        assert len(sandbox.requests()) == seen + probe


def test_a_probe_that_was_lost_is_replaced(engagement, sandbox, settings):
    """Its worker died: after the request's own time another one is let through."""
    rate_limit.take(engagement.version.connection_id, 1)
    assert claim(1) == []
    working.once()
    assert sandbox.requests() == []

    time_passes()
    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 400}
    invariants.check(engagement, sandbox, sandbox.key)


def test_who_comes_during_a_probe_waits_for_its_answer_and_not_for_the_clock(braze):
    assert rate_limit.take(braze.pk, 10).granted == rate_limit.FEW
    late = rate_limit.take(braze.pk, 10)
    assert (late.granted, late.wait) == (0, timedelta(0))
