"""Connections that dial only checked addresses, keep one deadline, and know how far
a request got. What `client` builds on; urllib3 does the rest.
"""

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from externalapi.http.ssrf import GuardError, is_denied

CONNECT_SECONDS = 5.0
RESOLVE_SECONDS = 2.0
# A connection that was idle for longer may be closing just now: do not trust it.
IDLE_SECONDS = 30.0
CHUNK = 65_536
# In bytes. What is in it counts as written, though it may never have left: the system's
# own would take in a whole batch, and each that breaks off would be in doubt.
SEND_BUFFER = 262_144
# In bytes, with its head: beyond it nothing more is read of an answer.
MAX_ANSWER = 1_000_000
SWITCHED = HTTPStatus.SWITCHING_PROTOCOLS
BODYLESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})

Resolver = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Where the time of one request went: phases one after the other, in milliseconds.

    A phase that did not happen, or did not end, is None: on a connection that was kept
    from an earlier request dns, connect and tls, on plain http tls. `first_byte` is
    the time from a ready connection to the answer's first byte.
    """

    is_reused: bool = False
    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    total: float = 0.0


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request on the wire: its deadline (monotonic) and how far it got, and when.

    The moments are monotonic seconds; 0 is not yet.
    """

    started: float
    deadline: float
    is_allowed_local: bool
    resolver: Resolver
    is_written: bool = False
    is_refused: bool = False
    # What came of the answer and was read by somebody else: the reader begins with it.
    early: bytes = b""
    # What went wrong before the request was written, in words for the user.
    problem: str = ""
    dialled_at: float = 0.0
    resolved_at: float = 0.0
    connected_at: float = 0.0
    secured_at: float = 0.0
    ready_at: float = 0.0
    answered_at: float = 0.0

    def remaining(self) -> float:
        """Return the seconds left; raises TimeoutError when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def timing(self) -> Timing:
        """Return how long each phase took until now."""
        return Timing(
            is_reused=bool(self.ready_at) and not self.dialled_at,
            dns=_ms(self.dialled_at, self.resolved_at),
            connect=_ms(self.resolved_at, self.connected_at),
            tls=_ms(self.connected_at, self.secured_at),
            first_byte=_ms(self.ready_at, self.answered_at),
            total=_ms(self.started, time.monotonic()) or 0.0,
        )


def _ms(start: float, end: float) -> float | None:
    # To the microsecond: an answer over loopback takes less than a tenth of a millisecond.
    return round((end - start) * 1000, 3) if start and end else None


class _Current(threading.local):
    exchange: Exchange


# urllib3 picks the connection itself, in the thread that sends: this is the way in.
current = _Current()


def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of a host; raises OSError when there is none in 2 s.

    getaddrinfo cannot be told to stop, so a thread that hangs is left behind.
    """
    found: list[str] = []
    problem: list[OSError] = []

    def look_up() -> None:
        try:
            for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append(str(address[0]))
        except OSError as e:
            problem.append(e)

    thread = threading.Thread(target=look_up, daemon=True, name="resolve")
    thread.start()
    thread.join(RESOLVE_SECONDS)
    if thread.is_alive():
        raise TimeoutError(f"{host} did not resolve in {RESOLVE_SECONDS:g} s")
    if problem:
        raise problem[0]
    return list(dict.fromkeys(found))


def dial(host: str, port: int, exchange: Exchange) -> socket.socket:
    """Connect to an address of the host that was checked a moment before.

    Raises GuardError when one of its addresses is denied, OSError when none answers.
    """
    exchange.dialled_at = time.monotonic()
    addresses = exchange.resolver(host, port)
    if not addresses:
        raise OSError(f"{host} has no address")
    exchange.resolved_at = time.monotonic()
    if not exchange.is_allowed_local and any(is_denied(ip) for ip in addresses):
        raise GuardError("This address is not on the public internet.")
    until = time.monotonic() + min(CONNECT_SECONDS, exchange.remaining())
    problem: OSError | None = None
    for address in addresses:
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            sock = socket.create_connection((address, port), timeout=left)
        except OSError as e:
            problem = e
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        exchange.connected_at = time.monotonic()
        return sock
    raise problem or TimeoutError(f"{host} did not answer in time")


def _unanswered(host: str, port: int, error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        reason = f"it refuses connections on port {port}"
    elif isinstance(error, TimeoutError):
        reason = f"it did not answer on port {port} in {CONNECT_SECONDS:g} seconds"
    else:
        reason = f"no connection to port {port} could be made"
    return f"{host} cannot be reached: {reason}. Check the base URL."


class _DeadlineReader(io.RawIOBase):
    """Reads a socket under one deadline, however slowly the bytes drip."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        self._exchange = current.exchange
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if early := self._exchange.early:
            count = min(len(early), len(buffer))
            buffer[:count] = early[:count]
            self._exchange.early = early[count:]
            return count
        if self._count > MAX_ANSWER:
            raise OSError("the answer does not end")
        self._sock.settimeout(self._exchange.remaining())
        count = self._raw.readinto(buffer)
        self._count += count or 0
        if count and not self._exchange.answered_at:
            self._exchange.answered_at = time.monotonic()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_DeadlineReader(sock, raw))

    def begin(self) -> None:
        super().begin()
        while SWITCHED < self.status < HTTPStatus.OK:
            # http.client knows of 100 alone, and takes a hint for the answer.
            self.headers = None  # type: ignore[assignment]
            super().begin()
        if self.status == SWITCHED or self._has_unread_body():
            self.will_close = True

    def _has_unread_body(self) -> bool:
        """Whether an answer that can have no body says that it has one."""
        if self.status not in BODYLESS:
            return False
        length = self.headers.get("Content-Length", "0")
        return length != "0" or "Transfer-Encoding" in self.headers


class _Guarded:
    """What both kinds of connections do differently from urllib3's."""

    sock: Any
    _dns_host: str
    host: str
    port: int
    idle_since: float = 0.0

    def _new_conn(self) -> socket.socket:
        exchange = current.exchange
        try:
            return dial(self._dns_host.strip("[]"), self.port, exchange)
        except (OSError, GuardError) as e:
            exchange.is_refused = isinstance(e, GuardError)
            if exchange.resolved_at and not exchange.is_refused:
                exchange.problem = _unanswered(self._dns_host, self.port, e)
            raise NewConnectionError(self, str(e)) from e  # type: ignore[arg-type]

    def refresh(self) -> None:
        """Close a connection that was idle for too long, or has unread bytes in TLS."""
        if self.sock is None:
            return
        is_old = time.monotonic() - self.idle_since > IDLE_SECONDS
        if is_old or getattr(self.sock, "pending", int)():
            self.close()  # type: ignore[attr-defined]

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.refresh()
        super().request(*args, **kwargs)  # type: ignore[misc]
        current.exchange.is_written = True

    def getresponse(self) -> Any:
        response = super().getresponse()  # type: ignore[misc]
        self.idle_since = time.monotonic()
        return response

    def send(self, data: Any) -> None:
        """Write under the deadline: a reader that stalls cannot stretch it."""
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        exchange = current.exchange
        exchange.ready_at = exchange.ready_at or time.monotonic()
        view = memoryview(data)
        while view:
            self.sock.settimeout(exchange.remaining())
            view = view[self.sock.send(view[:CHUNK]) :]


class GuardedHTTPConnection(_Guarded, HTTPConnection):
    """Plain http: only ever to an address that the settings name."""

    response_class = _DeadlineResponse


class GuardedHTTPSConnection(_Guarded, HTTPSConnection):
    """TLS: the name and the certificate checked are the original host's."""

    response_class = _DeadlineResponse

    def connect(self) -> None:
        try:
            super().connect()
            current.exchange.secured_at = time.monotonic()
        except ssl.SSLCertVerificationError as e:
            current.exchange.problem = (
                f"The server's certificate is not valid: {e.verify_message}"
            )
            raise
        except ssl.SSLError as e:
            current.exchange.problem = (
                f"A secure connection could not be made: {e.reason or e}"
            )
            raise


class GuardedHTTPPool(HTTPConnectionPool):
    ConnectionCls = GuardedHTTPConnection


class GuardedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = GuardedHTTPSConnection


POOLS: Mapping[str, type[HTTPConnectionPool]] = {
    "http": GuardedHTTPPool,
    "https": GuardedHTTPSPool,
}
