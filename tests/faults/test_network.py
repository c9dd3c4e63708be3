"""The way to Braze: it falls silent, breaks off, has no name or a wrong certificate."""

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from engagements.delivery import loop, transport
from engagements.models import Attempt, Destination, Engagement
from engagements.throttling import circuit_breaker
from tests import factories
from tests.doubles.raw_server import RawServer, always, response
from tests.doubles.wire import Wire
from tests.faults import invariants, working
from tests.security.test_guard_client import certificate
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

ON_THE_WIRE = transport.AT_ONCE
NAME = "api.partner.com"


@pytest.fixture
def through(braze, sandbox, settings):
    """Let the connection lead through a wire, or to another server."""

    def go(wire):
        settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{wire.port}"]
        braze.base_url = f"http://127.0.0.1:{wire.port}"
        braze.save()
        return wire

    return go


@pytest.fixture
def single(active, braze):
    def make(people: int) -> Engagement:
        version = factories.make_version(connection=braze, batching="one")
        engagement: Engagement = active(people, version=version)
        return engagement

    return make


@pytest.fixture
def name_server(monkeypatch):
    """What the names of the tests resolve to; nobody else is asked."""
    known: dict[str, list[str]] = {}

    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host[0].isdecimal():
            return real(host, port, *args, **kwargs)
        if not known.get(host):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in known[host]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def test_latency_costs_time_and_nothing_else(single, through, sandbox):
    with through(Wire(sandbox.port, latency=0.1)):
        engagement = single(60)
        working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 60}
    assert set(invariants.received(sandbox).values()) == {1}
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_black_hole_puts_few_in_doubt_and_the_rest_follows(single, through, sandbox):
    sandbox.faults([{"kind": "delay_after", "seconds": 0.02, "times": None}])
    with through(Wire(sandbox.port)) as wire:
        engagement = single(400)
        with working.in_thread(lambda: loop.work(timedelta(seconds=9))):
            wait_until(lambda: len(sandbox.requests()) > 50, "the middle of the run")
            wire.cut()
        assert working.due_batches(engagement) > 200
        reading = circuit_breaker.read(Destination.objects.get(), timezone.now())
        assert reading.state in (
            circuit_breaker.State.OPEN,
            circuit_breaker.State.HALF_OPEN,
        )
        wire.mend()
        working.to_the_end(engagement)

    uncertain = working.states(engagement)["uncertain"]
    assert uncertain + working.states(engagement)["sent"] == 400
    # What was on the wire, and what followed the last answer that came through.
    assert uncertain <= 2 * ON_THE_WIRE
    assert set(invariants.received(sandbox).values()) == {1}
    invariants.check(engagement, sandbox, sandbox.key)


def on_the_wire() -> int:
    return Attempt.objects.filter(outcome="unfinished").count()


def test_all_connections_are_reset_in_the_middle(single, through, sandbox):
    sandbox.faults([{"kind": "delay_after", "seconds": 0.2, "times": None}])
    with through(Wire(sandbox.port)) as wire:
        engagement = single(400)
        with working.in_thread(lambda: loop.work(timedelta(seconds=9))):
            wait_until(lambda: on_the_wire() > 10, "the middle of the run")
            wire.reset()
        working.to_the_end(engagement)

    found = working.states(engagement)
    assert found["uncertain"] + found["sent"] == 400
    assert 0 < found["uncertain"] <= ON_THE_WIRE
    assert set(invariants.received(sandbox).values()) == {1}
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize("part", ["first byte", "half", "all but one", "all"])
def test_a_request_that_is_cut_off_on_its_way(active, through, sandbox, part):
    """It left us whole, so nobody on our side can know; the other side may have it."""
    engagement = active(3)
    with through(RawServer(always(response(status="500 Oh")))) as server:
        working.once()
    size = len(server.requests[0])
    n = {"first byte": 1, "half": size // 2, "all but one": size - 1, "all": size}[part]
    working.make_due(engagement)

    with through(Wire(sandbox.port, cut_after=n)):
        working.to_the_end(engagement)

    assert working.states(engagement) == {"uncertain": 3}
    assert set(invariants.received(sandbox).values()) == ({1} if n == size else set())
    invariants.check(engagement, sandbox, sandbox.key)


# --- Names ----------------------------------------------------------------------------


@pytest.fixture
def by_name(braze, sandbox, settings) -> str:
    """Let the connection lead to a name with the sandbox's port.

    Nobody has a kept connection to it yet.
    """
    name = f"api-{braze.pk}.partner.com"
    braze.base_url = f"http://{name}:{sandbox.port}"
    braze.save()
    settings.ALLOWED_LOCAL_ADDRESSES = [f"{name}:{sandbox.port}"]
    return name


def test_a_name_that_is_not_known_is_tried_again(active, sandbox, by_name, name_server):
    engagement = active(3)
    working.once()
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.status) == ("not_sent", None)
    assert "reached" in attempt.message
    assert Destination.objects.get().failures_in_a_row == 1

    name_server[by_name] = ["127.0.0.1"]
    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 3}
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["93.184.215.14", "169.254.169.254"]],
    ids=["inside", "one of two inside"],
)
def test_a_name_that_leads_inside_stops_the_engagement(
    active, sandbox, braze, name_server, monkeypatch, addresses
):
    braze.base_url = f"https://{NAME}"
    braze.save()
    name_server[NAME] = addresses
    dialled = []
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: dialled.append(a))
    engagement = active(3)

    working.once()

    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    assert "cannot be reached from here" in engagement.blocked_reason
    assert (dialled, working.states(engagement)) == ([], {"pending": 3})


def test_a_name_that_moves_inside_later_stops_it_then(
    active, sandbox, by_name, name_server, settings
):
    """Rebinding: it was good a moment ago, and a kept connection does not help it."""
    name_server[by_name] = ["127.0.0.1"]
    engagement = active(3, trigger="on_entry", includes_present=True)
    working.once()
    assert working.states(engagement) == {"sent": 3}

    settings.ALLOWED_LOCAL_ADDRESSES = []
    factories.enter(engagement.segment, factories.make_profile(first_name="Ann"))
    working.once()

    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    assert working.states(engagement) == {"sent": 3, "pending": 1}
    assert len(sandbox.requests()) == 1


# --- Certificates ---------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{}, {"days": -1}, {"name": "other.com"}], ids=str)
def test_a_certificate_that_nobody_vouches_for_is_told_and_nothing_is_sent(
    active, braze, sandbox, settings, name_server, tmp_path, fields
):
    _, context = certificate(tmp_path, **fields)
    name_server[NAME] = ["127.0.0.1"]
    engagement = active(3)
    with RawServer(always(response()), tls=context) as server:
        braze.base_url = f"https://{NAME}:{server.port}"
        braze.save()
        settings.ALLOWED_LOCAL_ADDRESSES = [f"{NAME}:{server.port}"]
        working.once()
        assert (server.connections, server.requests) == (1, [])

    attempt = Attempt.objects.get()
    assert attempt.outcome == "not_sent"
    assert "certificate is not valid" in attempt.message
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.ACTIVE
    # With a good one it goes on.
    braze.base_url = sandbox.url
    braze.save()
    settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{sandbox.port}"]
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 3}
    invariants.check(engagement, sandbox, sandbox.key)
