"""Many requests over kept-alive connections, each to an address that was checked.

A new connection is opened, and its first answer waited for, by a thread
(`Pending.finish`). On one that is open already a request is written and its answer is
picked up when it is there (`begin`, `Pending.poll`), so that one thread has all of them
on the wire: sixty threads that take turns at the interpreter take twice the time for the
same.
"""

import ssl
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

import certifi
from django.conf import settings

from externalapi.http import wire
from externalapi.http.answer_parser import MAX_BODY, AnswerParser
from externalapi.http.answer_text import as_utf8
from externalapi.http.messages import (
    AmbiguousError,
    Answer,
    BlockedAddressError,
    NotSentError,
    Request,
    TransportError,
)
from externalapi.http.redaction import redact_bytes
from externalapi.http.ssrf import GuardError, Target, check_headers, check_url
from lemnisk_braze.lib.network import lookup

USER_AGENT = "lemnisk-braze/1"
DEFAULT_PORTS = {"https": 443, "http": 80}
ERRORS = (OSError, ValueError)
NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
# One text for a name that does not exist and for one that leads inside.
UNREACHABLE = (
    "The address cannot be reached from here: its name is unknown, or not on the "
    "public internet. Check the base URL."
)


class MultiplexedConnections:
    """Kept-alive connections by address, which any number of threads may share.

    `resolver` and `ca_file` are for tests with a name server and certificates of
    their own.
    """

    def __init__(
        self, *, resolver: wire.Resolver = lookup.resolve, ca_file: str | None = None
    ) -> None:
        self._resolver = resolver
        self._ca_file = ca_file or str(settings.CA_FILE or certifi.where())
        # Those that no request is on, by address; who takes one takes it out.
        self._idle: dict[tuple[str, str, int], list[wire.Connection]] = {}

    def begin(
        self, request: Request, key: str, deadline: float | None = None
    ) -> "Pending":
        """Write the request with the key where its `sign_in` says, as far as that is at once.

        Does not wait. The rest is for `Pending.finish`, and so are errors, but for a
        BlockedAddressError. The `deadline` is monotonic; without one it is the request's.
        """
        pending = self._prepare(request, key, deadline)
        pending.write()
        return pending

    def _prepare(
        self, request: Request, key: str, deadline: float | None = None
    ) -> "Pending":
        started = time.monotonic()
        try:
            url = request.sign_in.url(request.url, key)
            target = _checked(url, tuple(settings.ALLOWED_LOCAL_ADDRESSES))
            headers = _headers(request, key, target)
        except GuardError as e:
            raise BlockedAddressError(str(e)) from e
        idle = self._idle.setdefault((target.scheme, target.host, target.port), [])
        return Pending(
            request=request,
            key=key,
            idle=idle,
            connection=self._connection(idle, target),
            left=memoryview(_written(request, headers, target)),
            exchange=wire.Exchange(
                started=started,
                deadline=deadline or started + seconds(request),
                is_allowed_local=target.is_allowed_local,
                resolver=self._resolver,
            ),
        )

    def _connection(
        self, idle: list[wire.Connection], target: Target
    ) -> wire.Connection:
        try:
            connection = idle.pop()
        except IndexError:
            ca_file = self._ca_file if target.scheme == "https" else None
            return wire.Connection(host=target.host, port=target.port, ca_file=ca_file)
        connection.refresh()
        return connection

    def close(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().close()


@dataclass(slots=True, kw_only=True, eq=False)
class Pending:
    """A request on its way over a connection, and what is back of its answer.

    `left` of the request is not written yet. Every end gives the connection back.
    """

    request: Request
    key: str = field(repr=False)
    idle: list[wire.Connection]
    # It need not be open yet.
    connection: wire.Connection
    exchange: wire.Exchange
    left: memoryview
    answer: AnswerParser = field(default_factory=AnswerParser)

    def fileno(self) -> int:
        assert self.connection.sock is not None
        return self.connection.sock.fileno()

    @property
    def is_written(self) -> bool:
        return self.exchange.is_written

    @property
    def is_late(self) -> bool:
        """Whether its deadline has passed."""
        return time.monotonic() > self.exchange.deadline

    def write(self) -> None:
        """Write what an open connection takes at once; `finish` meets what is wrong."""
        sock = self.connection.sock
        if sock is None:
            return
        self.exchange.ready_at = time.monotonic()
        sock.settimeout(0)
        with suppress(OSError):
            # Late: the process was stopped meanwhile, and nobody waits for an answer.
            while self.left and not self.is_late:
                self.left = self.left[sock.send(self.left[: wire.CHUNK]) :]
        self.exchange.is_written = not self.left

    def poll(self) -> Answer | None:
        """Return the answer if all of it is here; raises TransportError.

        Does not wait, and takes in all that came: who looks late must not lose what
        came in time.
        """
        try:
            while not self.answer.is_over:
                self._read()
        except NOT_YET:
            return None
        except ERRORS as e:
            return self.end(e)
        return self.end()

    def finish(self) -> Answer:
        """Connect and write what is not yet, and wait; raises TransportError."""
        exchange = self.exchange
        try:
            sock = self.connection.sock or self.connection.open(exchange)
            exchange.ready_at = exchange.ready_at or time.monotonic()
            while self.left:
                # A reader that stalls cannot stretch the deadline, nor a drip of bytes.
                sock.settimeout(exchange.remaining())
                self.left = self.left[sock.send(self.left[: wire.CHUNK]) :]
            exchange.is_written = True
            while not self.answer.is_over:
                sock.settimeout(exchange.remaining())
                self._read()
        except ERRORS as e:
            return self.end(e)
        return self.end()

    def _read(self) -> None:
        assert self.connection.sock is not None
        data = self.connection.sock.recv(wire.CHUNK)
        if data and not self.exchange.answered_at:
            self.exchange.answered_at = time.monotonic()
        self.answer.feed(data)

    def end(self, problem: Exception | None = None) -> Answer:
        """Wait no longer; return what is here of the answer, or raise TransportError."""
        if self.answer.is_whole and self.answer.keeps_connection:
            self.connection.idle_since = time.monotonic()
            self.idle.append(self.connection)
        else:
            self.connection.close()
        if not self.answer.status:
            raise _lost(self.exchange) from problem
        return self._answer()

    def _answer(self) -> Answer:
        headers = self.answer.headers
        text, fits = _decoded(self.answer.body, headers.get("content-encoding", ""))
        text = as_utf8(text[:MAX_BODY], headers.get("content-type", ""))
        timing = self.exchange.timing()
        return Answer(
            status=self.answer.status,
            headers=headers,
            # Masked before anything is read of it, or cut: half a key is not found.
            body=redact_bytes(text, self.key),
            truncated=not (self.answer.is_whole and fits),
            duration_ms=round(timing.total),
            timing=timing,
            rules=self.request.rules,
            items=self.request.items,
        )


def seconds(request: Request) -> float:
    """A connection may be less patient than the settings, never more."""
    longest: float = settings.HTTP_TOTAL_SECONDS
    return min(request.timeout_seconds or longest, longest)


@lru_cache(maxsize=1024)
def _checked(url: str, allowed_local: tuple[str, ...]) -> Target:
    return check_url(url, allowed_local)


def _headers(request: Request, key: str, target: Target) -> Mapping[str, str]:
    headers = request.sign_in.headers(request.headers, key)
    check_headers(headers)
    is_default = target.port == DEFAULT_PORTS[target.scheme]
    host = target.host if is_default else f"{target.host}:{target.port}"
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


def _lost(exchange: wire.Exchange) -> TransportError:
    """The error that an exchange without an answer ended in."""
    timing = exchange.timing()
    duration_ms = round(timing.total)
    if exchange.is_refused:
        # No word and no phase may tell more of the inside than of an unknown name.
        return BlockedAddressError(UNREACHABLE, duration_ms)
    if exchange.is_written:
        return AmbiguousError(
            "The request was sent and the connection ended without an answer.",
            duration_ms,
            timing,
        )
    broken = "The connection was lost before all of the request was sent."
    problem = exchange.problem or (broken if exchange.ready_at else UNREACHABLE)
    return NotSentError(problem, duration_ms, timing)


def _decoded(body: bytes, encoding: str) -> tuple[bytes, bool]:
    """Undo gzip or deflate that we did not ask for, up to 64 KB; whether it fits."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body, True
    decoder = zlib.decompressobj(wbits=47)
    try:
        text = decoder.decompress(body, MAX_BODY + 1)
    except zlib.error:
        return body, False
    return text, decoder.eof and len(text) <= MAX_BODY
