"""What a worker has on the wire always comes to an end."""

import logging
import uuid
from datetime import UTC, datetime

import pytest

from engagements.delivery.transport import Transport
from engagements.models import Run
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest
from externalapi.answers.interpretation import Outcome
from externalapi.http.auth import SignIn
from externalapi.http.messages import Request
from lemnisk_braze.lib import database_clock
from tests.doubles.raw_server import RawServer, always, response

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def prepared(url, **fields):
    claim = Claim(1, 1, uuid.uuid4(), [1], [], [], [], "", False, False, NOW)
    fields = {"method": "POST", "url": url, "headers": {}, "body": b"{}"} | fields
    return PreparedRequest(
        attempt_id=uuid.uuid4(),
        claim=claim,
        run=Run(),
        key="the-key",
        places=[0],
        skipped={},
        request=Request(**fields),
    )


@pytest.fixture(autouse=True)
def _has_heard_the_time():
    """As a worker has by then: nobody here asks the database."""
    database_clock.heard(datetime.now(UTC))


@pytest.fixture
def url(settings):
    with RawServer(always(response())) as server:
        settings.ALLOWED_LOCAL_ADDRESSES = [server.address]
        yield f"http://{server.address}/users/track"


def outcomes(transport):
    found = []
    while transport.in_flight:
        found += transport.results(0.02)
    return [result.verdict.outcome for result in found]


def test_requests_go_over_the_connections_that_are_open(url):
    with Transport() as transport:
        for _ in range(3):
            transport.post([prepared(url) for _ in range(5)])
            assert transport.in_flight == 5
            assert outcomes(transport) == [Outcome.SENT] * 5


class BrokenSignIn(SignIn):
    """Not even a mistake of ours may keep a worker waiting."""

    def url(self, url, key):
        raise ZeroDivisionError


def test_a_mistake_of_ours_is_an_answer_too(url, caplog):
    with Transport() as transport, caplog.at_level(logging.ERROR):
        transport.post([prepared(url, sign_in=BrokenSignIn()), prepared(url)])
        assert sorted(outcomes(transport)) == [Outcome.AMBIGUOUS, Outcome.SENT]
    assert "attempt.failed" in caplog.text
    assert "the-key" not in caplog.text


def test_a_silent_server_is_waited_for_until_the_deadline(settings):
    settings.HTTP_TOTAL_SECONDS = 0.3

    def once(connection, server):
        """Answers the first request of each connection and no other."""
        server.read_request(connection)
        connection.sendall(response())
        server.read_request(connection)
        server.released.wait(10)

    with RawServer(once) as server, Transport() as transport:
        settings.ALLOWED_LOCAL_ADDRESSES = [server.address]
        url = f"http://{server.address}/users/track"
        # The second goes over the first one's connection; over one that is late, nobody's.
        for expected in (Outcome.SENT, Outcome.AMBIGUOUS, Outcome.SENT):
            transport.post([prepared(url)])
            assert outcomes(transport) == [expected]
