"""The other side: a server that takes everything, answers like Braze, and counts.

`python -m benchmarks.sink --port PORT --certificate FILE` listens on loopback, over
HTTPS, as Braze does; without a certificate over plain HTTP. POST /users/track is what
is measured; GET /counts, GET /seen and POST /reset (a JSON object of options) are for
the benchmark. It costs as little as an asyncio server can, so that what is measured is
the sender: objects are counted by their external IDs, and not parsed.
"""

import argparse
import asyncio
import re
import ssl
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests

from externalapi.vendors.braze.sandbox.runtime.rate_limits import Limiter, Plan

KEY = "benchmark-key-0000"
CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
MARKER = re.compile(rb'"marker": ?"([^"]+)"')
SUCCESS = b'{"message":"success","attributes_processed":%d}'
REFUSAL = b'{"message":"Rate limit exceeded"}'
REASONS = {200: b"OK", 201: b"Created", 429: b"Too Many Requests"}


@dataclass(slots=True)
class Sink:
    """What arrived since the last reset; `burst` requests in 3 s are let through."""

    latency: float = 0.0
    limiter: Limiter | None = None
    requests: int = 0
    # Those that had a request for the first time since the reset, and ever.
    connections: int = 0
    objects: int = 0
    size: int = 0
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    sample: bytes = b""
    # (marker of an event, when its answer was written)
    seen: list[tuple[str, float]] = field(default_factory=list)

    def reset(self, latency_ms: float = 0, burst: int = 0) -> None:
        limiter = Limiter(Plan(burst=burst)) if burst else None
        self.__init__(latency=latency_ms / 1000, limiter=limiter)  # type: ignore[misc]

    def take(self, body: bytes) -> tuple[int, bytes, bytes]:
        """Count a request; return the status, more headers, and the answer's body."""
        headers = b""
        if self.limiter:
            admission = self.limiter.admit(time.time())
            lines = (f"{n}: {v}\r\n" for n, v in admission.headers.items())
            headers = "".join(lines).encode()
            if not admission.is_allowed:
                self.refused += 1
                return 429, headers, REFUSAL
        objects = body.count(b'"external_id"')
        self.requests += 1
        self.objects += objects
        self.size += len(body)
        self.first = self.first or time.monotonic()
        self.last = time.monotonic()
        self.sample = self.sample or body
        return 201, headers, SUCCESS % objects

    def counts(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "connections": self.connections,
            "objects": self.objects,
            "size": self.size,
            "refused": self.refused,
            "seconds": self.last - self.first,
            "peak": self.limiter.peak if self.limiter else 0,
            "sample": self.sample.decode(),
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request after the other."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.buffer = b""
        self.is_new = True
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end]
        length = CONTENT_LENGTH.search(head)
        size = end + 4 + (int(length[1]) if length else 0)
        if len(self.buffer) >= size:
            body, self.buffer = self.buffer[end + 4 : size], self.buffer[size:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST /users/track"):
            self.sink.connections += self.is_new
            self.is_new = False
            status, headers, answer = self.sink.take(body)
            if self.sink.latency:
                loop = asyncio.get_running_loop()
                wait = self.sink.latency
                loop.call_later(wait, self._write, status, headers, answer, body)
            else:
                self._write(status, headers, answer, body)
        else:
            self._write(200, b"", self._control(head, body), b"")

    def _control(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST /reset"):
            self.sink.reset(**orjson.loads(body))
        if head.startswith(b"GET /seen"):
            return orjson.dumps(self.sink.seen)
        return orjson.dumps(self.sink.counts())

    def _write(self, status: int, headers: bytes, answer: bytes, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n%s"
            b"Content-Length: %d\r\n\r\n%s"
            % (status, REASONS[status], headers, len(answer), answer)
        )
        if status == 201 and b'"marker"' in body:
            now = time.monotonic()
            found = MARKER.findall(body)
            self.sink.seen += [(marker.decode(), now) for marker in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkClient:
    """How the benchmark talks to the sink."""

    url: str
    # The authority of the sink's certificate, for this run alone.
    ca_file: str

    def is_up(self) -> bool:
        try:
            self.counts()
        except OSError:
            return False
        return True

    def counts(self) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("GET", "/counts")
        return found

    def seen(self) -> dict[str, float]:
        """Marker → when its answer was written, on this machine's monotonic clock."""
        first: dict[str, float] = {}
        for marker, at in self._ask("GET", "/seen"):
            first.setdefault(marker, at)
        return first

    def reset(self, *, latency_ms: float = 0, burst: int = 0) -> None:
        """Forget what arrived; answer after `latency_ms`, at most `burst` in 3 s."""
        self._ask("POST", "/reset", {"latency_ms": latency_ms, "burst": burst})

    def _ask(self, method: str, path: str, options: object = None) -> Any:
        data = None if options is None else orjson.dumps(options)
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method, self.url + path, data=data, verify=self.ca_file, timeout=30
            )
        answer.raise_for_status()
        return orjson.loads(answer.content)


async def serve(port: int, certificate: str | None) -> None:
    sink = Sink()
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(sink), "127.0.0.1", port, ssl=context
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", help="a PEM file with its key")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.certificate))


if __name__ == "__main__":
    main()
