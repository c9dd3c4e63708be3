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
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from externalapi.guard import GuardError, is_denied

CONNECT_SECONDS = 5.0
RESOLVE_SECONDS = 2.0
# A connection that was idle for longer may be closing just now: do not trust it.
IDLE_SECONDS = 30.0
CHUNK = 65_536

Resolver = Callable[[str, int], list[str]]


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request on the wire: its deadline (monotonic) and how far it got."""

    deadline: float
    is_allowed_local: bool
    resolver: Resolver
    is_written: bool = False
    is_refused: bool = False
    # What went wrong with TLS, in words for the user.
    tls_problem: str = ""

    def remaining(self) -> float:
        """Return the seconds left; raises TimeoutError when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


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
    addresses = exchange.resolver(host, port)
    if not addresses:
        raise OSError(f"{host} has no address")
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
        return sock
    raise problem or TimeoutError(f"{host} did not answer in time")


class _DeadlineReader(io.RawIOBase):
    """Reads a socket under one deadline, however slowly the bytes drip."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        self._exchange = current.exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._exchange.remaining())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_DeadlineReader(sock, raw))


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
            raise NewConnectionError(self, str(e)) from e  # type: ignore[arg-type]

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None and time.monotonic() - self.idle_since > IDLE_SECONDS:
            self.close()  # type: ignore[attr-defined]
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
        except ssl.SSLCertVerificationError as e:
            current.exchange.tls_problem = (
                f"The server's certificate is not valid: {e.verify_message}"
            )
            raise
        except ssl.SSLError as e:
            current.exchange.tls_problem = (
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
