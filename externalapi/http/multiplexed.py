"""The engine's face of the guarded way out: many requests over kept-alive connections.

The same guard, the same connections (wire), the same deadline and errors as
client.send, without what requests does for a single request: it takes three times as
long, which at a thousand requests a second is a processor.

A new connection is opened, and its first answer waited for, by a thread
(`Pending.finish`). On one that is open already a request is written and its answer is
picked up when it is there (`begin`, `Pending.poll`), so that one thread has all of them
on the wire: sixty threads that take turns at the interpreter take twice the time for the
same.
"""

import os
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

from django.conf import settings
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from externalapi.http import client, wire
from externalapi.http.answer_text import as_utf8
from externalapi.http.client import MAX_BODY, USER_AGENT, decoded, lost
from externalapi.http.messages import (
    Answer,
    BlockedAddressError,
    Request,
    TransportError,
)
from externalapi.http.redaction import redact_bytes
from externalapi.http.ssrf import GuardError, Target, check_headers, check_url

AT_ONCE = 100
ERRORS = (HTTPError, HTTPException, OSError, ValueError)
NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

# What nearly every answer is: a head as it should be, and a body of known length.
_PLAIN = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [^\r\n]*)?\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n]*\r\n)*)\r\n"
)
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,6})\r\n")


class MultiplexedConnections:
    """Kept-alive connections by address, which any number of threads may share.

    `resolver` and `ca_file` are for tests with a name server and certificates of
    their own.
    """

    def __init__(
        self, *, resolver: wire.Resolver = wire.resolve, ca_file: str | None = None
    ) -> None:
        self._resolver = resolver
        self._ca_file = ca_file or client.trusted()
        self._pools: dict[tuple[str, str, int], HTTPConnectionPool] = {}

    def send(self, request: Request, key: str) -> Answer:
        """Send the request with the key where its `sign_in` says; return the answer.

        Raises TransportError, as client.send does, which also does the rare case of
        a token that is fetched first.
        """
        if request.sign_in.token:
            return client.send(request, key)
        return self._prepare(request, key).finish()

    def begin(self, request: Request, key: str) -> "Pending | None":
        """Write the request where a connection is open; None where `send` fetches a token.

        Raises TransportError. Does not wait: what is not written, or has no connection yet,
        is for `Pending.finish`.
        """
        if request.sign_in.token:
            return None
        pending = self._prepare(request, key)
        if pending.connection.sock is not None:
            pending.write()
        return pending

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _prepare(self, request: Request, key: str) -> "Pending":
        started = time.monotonic()
        try:
            url = request.sign_in.url(request.url, key)
            target = _checked(url, tuple(settings.ALLOWED_LOCAL_ADDRESSES))
            headers = _headers(request, key, target)
        except GuardError as e:
            raise BlockedAddressError(str(e)) from e
        pool = self._pool(target)
        connection: Any = pool._get_conn(timeout=0)
        connection.refresh()
        return Pending(
            request=request,
            key=key,
            pool=pool,
            connection=connection,
            left=memoryview(_written(request, headers, target)),
            exchange=wire.Exchange(
                started=started,
                deadline=started + client.seconds(request),
                is_allowed_local=target.is_allowed_local,
                resolver=self._resolver,
            ),
        )

    def _pool(self, target: Target) -> HTTPConnectionPool:
        address = (target.scheme, target.host, target.port)
        if address not in self._pools:
            options: dict[str, Any] = {
                "ca_certs": self._ca_file,
                "cert_reqs": "CERT_REQUIRED",
            }
            self._pools[address] = wire.POOLS[target.scheme](
                target.host,
                target.port,
                maxsize=AT_ONCE,
                **(options if target.scheme == "https" else {}),
            )
        return self._pools[address]


@dataclass(slots=True, kw_only=True, eq=False)
class Pending:
    """A request on its way over a connection, and what is back of its answer.

    `left` of the request is not written yet. Every end gives the connection back.
    """

    request: Request
    key: str = field(repr=False)
    pool: HTTPConnectionPool
    # One of the pool's; it need not be open yet.
    connection: Any
    exchange: wire.Exchange
    left: memoryview
    # What is here of the answer is not a plain, whole one: `finish` knows what it is.
    is_odd: bool = False

    def fileno(self) -> int:
        return int(self.connection.sock.fileno())

    @property
    def is_written(self) -> bool:
        return self.exchange.is_written

    @property
    def is_late(self) -> bool:
        """Whether its deadline has passed."""
        return time.monotonic() > self.exchange.deadline

    def write(self) -> None:
        """Write what the connection takes at once; raises TransportError."""
        sock = self.connection.sock
        self.exchange.ready_at = time.monotonic()
        if self.is_late:
            # The process was stopped meanwhile: nobody waits for an answer any more.
            raise self.give_up()
        try:
            sock.settimeout(0)
            while self.left:
                self.left = self.left[sock.send(self.left[: wire.CHUNK]) :]
        except NOT_YET:
            return
        except ERRORS as e:
            raise self.give_up() from e
        self.exchange.is_written = True

    def poll(self) -> Answer | None:
        """Return the answer if all of it is here and plain; raises TransportError.

        Does not wait. What came of any other answer stays here for `finish`: all of it,
        for who looks late must not lose what came in time.
        """
        exchange = self.exchange
        while len(exchange.early) <= 2 * MAX_BODY:
            try:
                more = self.connection.sock.recv(wire.CHUNK)
            except NOT_YET:
                break
            except ERRORS as e:
                raise self.give_up() from e
            exchange.answered_at = exchange.answered_at or time.monotonic()
            exchange.early += more
            if found := _plain(exchange.early, self.request.method):
                status, headers, body = found
                self._give_back(is_reusable=True)
                return self._answer(status, headers, body, is_whole=True)
            if not more:
                break
        self.is_odd = bool(exchange.answered_at)
        return None

    def finish(self) -> Answer:
        """Wait for the answer, whatever it is like; raises TransportError."""
        exchange = wire.current.exchange = self.exchange
        is_reusable = False
        try:
            if not exchange.is_written:
                self.connection.send(self.left)
                exchange.is_written = True
            method = self.request.method
            response = self.connection.response_class(
                self.connection.sock, method=method
            )
            # It holds the socket open until it is closed itself.
            with response:
                response.begin()
                body, is_whole = _body(response)
            is_reusable = is_whole and not (response.will_close or exchange.early)
        except ERRORS as e:
            raise lost(exchange) from e
        finally:
            self._give_back(is_reusable=is_reusable)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return self._answer(response.status, headers, body, is_whole=is_whole)

    def give_up(self) -> TransportError:
        """End it without an answer, and return the error that this is."""
        self._give_back(is_reusable=False)
        return lost(self.exchange)

    def _give_back(self, *, is_reusable: bool) -> None:
        self.connection.idle_since = time.monotonic()
        if not is_reusable:
            self.connection.close()
        self.pool._put_conn(self.connection)

    def _answer(
        self, status: int, headers: Mapping[str, str], body: bytes, *, is_whole: bool
    ) -> Answer:
        text, fits = decoded(body, headers.get("content-encoding") or "")
        text = as_utf8(text[:MAX_BODY], headers.get("content-type") or "")
        timing = self.exchange.timing()
        return Answer(
            status=status,
            headers=headers,
            # Masked before anything is read of it, or cut: half a key is not found.
            body=redact_bytes(text, self.key),
            truncated=not (is_whole and fits),
            duration_ms=round(timing.total),
            timing=timing,
            rules=self.request.rules,
            items=self.request.items,
        )


def send(request: Request, key: str) -> Answer:
    """Send over this process's connections; see MultiplexedConnections.send."""
    return _connections().send(request, key)


def begin(request: Request, key: str) -> Pending | None:
    """Begin on one of this process's connections; see MultiplexedConnections.begin."""
    return _connections().begin(request, key)


@cache
def _connections() -> MultiplexedConnections:
    return MultiplexedConnections()


# A forked worker must not share its parent's connections.
os.register_at_fork(after_in_child=_connections.cache_clear)


@lru_cache(maxsize=1024)
def _checked(url: str, allowed_local: tuple[str, ...]) -> Target:
    return check_url(url, allowed_local)


def _headers(request: Request, key: str, target: Target) -> Mapping[str, str]:
    headers = request.sign_in.headers(request.headers, key)
    check_headers(headers)
    host = client.request_host(target.host, target.port, target.scheme)
    own = {"Host": host, "Accept-Encoding": "identity"}
    if not any(name.lower() == "user-agent" for name in headers):
        own["User-Agent"] = USER_AGENT
    if request.body is not None:
        own["Content-Length"] = str(len(request.body))
    return {**own, **headers}


def _written(request: Request, headers: Mapping[str, str], target: Target) -> bytes:
    """The request as it goes over the connection; its parts were checked by the guard."""
    path = target.url.partition("://")[2].partition("/")[2]
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{request.method} /{path} HTTP/1.1\r\n{fields}\r\n"
    return head.encode("ascii") + (request.body or b"")


def _plain(data: bytes, method: str) -> tuple[int, Mapping[str, str], bytes] | None:
    """Status, headers and body of an answer that is whole, and keeps its connection.

    None for every other: http.client knows them all.
    """
    found = _PLAIN.match(data)
    if found is None or method == "HEAD":
        return None
    lines = found[2].decode("latin-1").split("\r\n")[:-1]
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" \t")
    status = int(found[1])
    is_kept = headers.get("connection", "keep-alive").lower() == "keep-alive"
    if len(headers) < len(lines) or not is_kept or status in wire.BODYLESS:
        return None
    body = _whole(data[found.end() :], headers)
    return None if body is None else (status, headers, body)


def _whole(data: bytes, headers: Mapping[str, str]) -> bytes | None:
    """The body, where just all of it is here; None where that is not plain to see."""
    if len(data) > MAX_BODY:
        return None
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is None:
        return data if length == str(len(data)) else None
    if coding.lower() != "chunked" or length is not None:
        return None
    parts: list[bytes] = []
    while chunk := _CHUNK.match(data):
        size = int(chunk[1], 16)
        rest = data[chunk.end() :]
        if rest[size : size + 2] != b"\r\n":
            return None
        if size == 0:
            return b"".join(parts) if rest == b"\r\n" else None
        parts.append(rest[:size])
        data = rest[size + 2 :]
    return None


def _body(response: HTTPResponse) -> tuple[bytes, bool]:
    """At most 64 KB of the body, and whether that is all of it."""
    try:
        body = response.read(MAX_BODY + 1)
        is_whole = response.isclosed() or not response.read(1)
    except IncompleteRead as e:
        return e.partial, False
    except (HTTPException, OSError):
        return b"", False
    # Where it ends before it should, http.client says so only by what it still expects.
    return body, is_whole and not response.length
