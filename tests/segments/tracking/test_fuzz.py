"""Odd requests to the real web server: no 5xx, and nothing that was taken is lost.

`--fuzz 20000` sends so many, `--fuzz-seed` makes others.
"""

import http.client
import json
import socket
from collections import Counter
from contextlib import closing

import pytest

from lemnisk_braze.local import servers
from lemnisk_braze.local.processes import free_port
from segments.ingest import inbox
from segments.models import Event, RefusedMessage
from segments.tracking import write_keys
from tests.doubles.celery_processes import CeleryProcess
from tests.inbox import waiting
from tests.segments.tracking.odd_requests import BATCHES, DOCUMENT, Maker, Request
from tests.segments.tracking.test_openapi import validator
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# A worker comes by so often.
APPLIED_EVERY = 1_000
SCHEMAS = {
    (path, method, status): validator(found["content"]["application/json"]["schema"])
    for path, methods in DOCUMENT["paths"].items()
    for method, call in methods.items()
    for status, found in call["responses"].items()
}
REFUSED = validator({"$ref": "#/components/schemas/Refused"})
# More than this may be refused before it is read: who still sends finds the door shut.
READ_IN_ANY_CASE = 30_000


class WebServer(CeleryProcess):
    program = ()


@pytest.fixture
def address(transactional_db):
    port = free_port(0)
    with WebServer(*servers.web(port, workers=1)):
        up = f"http://127.0.0.1:{port}/admin/login/"
        wait_until(lambda: servers.answers(up), "the web server")
        yield "127.0.0.1", port


class Wire:
    """A connection that is kept, as a client does; (status, headers, body) of each."""

    def __init__(self, address):
        self.address = address
        self.http = http.client.HTTPConnection(*address, timeout=60)

    def send(self, request):
        if request.is_cut:
            return self._send_cut(request)
        has_length = request.chunks is None
        try:
            self.http.putrequest(request.method, request.path)
            for name, value in request.headers.items():
                self.http.putheader(name, value)
            if has_length:
                self.http.putheader("Content-Length", str(len(request.body)))
            else:
                self.http.putheader("Transfer-Encoding", "chunked")
            try:
                body = request.body if has_length else iter(request.chunks)
                self.http.endheaders(body, encode_chunked=not has_length)
            except OSError:
                pass  # it may have been answered before all of it was read
            with closing(self.http.getresponse()) as response:
                answer = response.status, response.headers, response.read()
            if response.status != 200:
                # It may be closed, since not all of the body was read.
                self.http.close()
            return answer
        except (http.client.HTTPException, OSError):
            self.http.close()
            return None

    def _send_cut(self, request):
        """A body that ends before its length does."""
        head = {
            **request.headers,
            "Content-Length": str(len(request.body) + 9),
            "Host": "localhost",
        }
        lines = [f"{request.method} {request.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        with socket.create_connection(self.address, timeout=60) as wire:
            try:
                wire.sendall(
                    "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body
                )
                wire.shutdown(socket.SHUT_WR)
                while wire.recv(65_536):
                    pass
            except OSError:
                pass
        return None


def check(request, status, headers, body):
    """It is one of the documented answers."""
    path = request.path.partition("?")[0]
    method = request.method.lower()
    assert status < 500, body
    if method == "options" and "Origin" in request.headers:
        assert (status, body) == (204, b"")
        return
    if method == "head":
        assert status == 405
        return
    assert headers["Content-Type"] == "application/json", body
    if method not in DOCUMENT["paths"][path]:
        assert status == 405
        REFUSED.validate(json.loads(body))
    else:
        SCHEMAS[path, method, str(status)].validate(json.loads(body))


def taken(request, body):
    """How many messages the answer of a 200 says were taken."""
    answer = json.loads(body)
    if request.path.partition("?")[0] in BATCHES:
        whole = 0 if "accepted" in answer else len(json.loads(request.plain)["batch"])
        return answer.get("accepted", whole)
    is_erasure = request.method == "DELETE" and b'"properties"' not in request.plain
    return 0 if is_erasure else 1


def test_odd_requests(address, source, write_key, request):
    count = request.config.getoption("--fuzz")
    seed = request.config.getoption("--fuzz-seed")
    maker = Maker(seed, write_key, write_keys.issue_pair(source, "REST"))
    wire = Wire(address)
    statuses, accepted, waited, applied, refused = Counter(), 0, 0, 0, 0
    known: set[str] = set()

    def apply():
        nonlocal waited, applied, refused
        ids = [message.message_id for message in waiting()]
        waited += len(ids)
        known.update(ids)
        done = inbox.apply()
        assert not done.remains
        assert not inbox.is_waiting()
        applied, refused = applied + done.messages, refused + done.errors

    for number in range(count):
        sent = maker.make(number)
        answer = wire.send(sent)
        if answer is None:
            statuses["closed"] += 1
            assert sent.is_cut or len(sent.body) > READ_IN_ANY_CASE, (number, sent)
            continue
        try:
            check(sent, *answer)
            if answer[0] == 200:
                accepted += taken(sent, answer[2])
        except Exception as e:
            raise AssertionError(f"{number}: {sent} → {answer}") from e
        statuses[answer[0]] += 1
        if number % APPLIED_EVERY == APPLIED_EVERY - 1:
            apply()
    apply()
    words = (
        f"{count} requests: {dict(statuses)}; {accepted} messages accepted, {len(known)}"
        f" of them different ones, {applied} applied, {refused} refused while applying"
    )
    print(words)  # noqa: T201
    assert accepted == waited, words
    assert applied + refused == len(known), words
    while_applying = RefusedMessage.objects.filter(stage="applying")
    assert while_applying.count() == refused > 0
    assert Event.objects.exists()
    # It was no trial of the door alone, nor of what goes through it.
    assert statuses[200] > count / 5 < count - statuses[200], words


@pytest.mark.parametrize("path", ["/v1/track", "/admin/login/"])
def test_a_charset_and_an_address_of_very_many_fields(address, path):
    """Django reads the query before anybody could answer for it."""
    request = Request(
        method="POST",
        path=f"{path}?{'a=1&' * 1_100}",
        plain=b"{}",
        headers={"Content-Type": "application/json; charset=utf-8"},
        body=b"{}",
    )
    status, _, _ = Wire(address).send(request)
    assert 400 <= status < 500
