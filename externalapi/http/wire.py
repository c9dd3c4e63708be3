"""Connections that dial only checked addresses, and one request on one of them: its
deadline, and how far it got.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from externalapi.http.ssrf import GuardError
from lemnisk_braze.lib.network.addresses import is_denied

CONNECT_SECONDS = 5.0
# A connection that was idle for longer may be closing just now: do not trust it.
IDLE_SECONDS = 30.0
CHUNK = 65_536
# In bytes. What is in it counts as written, though it may never have left: the system's
# own would take in a whole batch, and each that breaks off would be in doubt.
SEND_BUFFER = 262_144

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


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """A connection to one host and port, that is kept from one request to the next.

    `ca_file` names whom the host's certificate has to come from; none is plain http,
    which only leads to an address that the settings name.
    """

    host: str
    port: int
    ca_file: str | None
    sock: socket.socket | None = None
    idle_since: float = 0.0

    def open(self, exchange: Exchange) -> socket.socket:
        """Connect for this exchange; raises OSError or GuardError, and notes why."""
        host = self.host.strip("[]")
        try:
            sock = dial(host, self.port, exchange)
        except (OSError, GuardError) as e:
            exchange.is_refused = isinstance(e, GuardError)
            if exchange.resolved_at and not exchange.is_refused:
                exchange.problem = _unanswered(host, self.port, e)
            raise
        if self.ca_file:
            try:
                # Its name and its certificate are the original host's.
                context = _context(self.ca_file, Path(self.ca_file).stat().st_mtime_ns)
                sock = context.wrap_socket(sock, server_hostname=host)
            except OSError as e:
                sock.close()
                exchange.problem = _insecure(e)
                raise
            exchange.secured_at = time.monotonic()
        self.sock = sock
        return sock

    def refresh(self) -> None:
        """Close what was idle for too long, or has something to say that nobody asked."""
        if self.sock is None:
            return
        is_old = time.monotonic() - self.idle_since > IDLE_SECONDS
        if is_old or _has_unread(self.sock):
            self.close()

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def __del__(self) -> None:
        self.close()


# Reading a usual list of authorities takes tens of milliseconds; the file may change.
@lru_cache(maxsize=8)
def _context(ca_file: str, _changed_at: int) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    return context


def _insecure(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The server's certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"A secure connection could not be made: {error.reason or error}"
    return ""


def _has_unread(sock: socket.socket) -> bool:
    """Whether something came, the connection's end for one, that belongs to no request."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
