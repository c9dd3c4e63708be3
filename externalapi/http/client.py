"""One request through the guard, waited for: for the Test API page, and for what opens
a connection of the engine's."""

import os
import time
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests.models import PreparedRequest
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError

from externalapi.http import wire
from externalapi.http.answer_text import as_utf8
from externalapi.http.auth import TokenPlan
from externalapi.http.messages import (
    NO_TIMING,
    AmbiguousError,
    Answer,
    BlockedAddressError,
    NotSentError,
    Request,
    TransportError,
)
from externalapi.http.redaction import redact, redact_bytes
from externalapi.http.ssrf import GuardError, check_headers, check_url

__all__ = [
    "NO_TIMING",
    "AmbiguousError",
    "Answer",
    "BlockedAddressError",
    "GuardedClient",
    "NotSentError",
    "Request",
    "TransportError",
    "send",
]

MAX_BODY = 64 * 1024
POOL_SIZE = 100
USER_AGENT = "lemnisk-braze/1"
# One text for a name that does not exist and for one that leads inside.
UNREACHABLE = (
    "The address cannot be reached from here: its name is unknown, or not on the "
    "public internet. Check the base URL."
)


class TokenSource(Protocol):
    """What gives an OAuth 2 connection its token (externalapi.connections.oauth2.token_for)."""

    def __call__(
        self,
        plan: TokenPlan,
        secret: str,
        post: Callable[[Request], Answer],
        stale: str = "",
    ) -> str: ...


# It keeps tokens in the database, of which this module knows nothing: it registers.
_token_sources: list[TokenSource] = []


def fetch_tokens_with(source: TokenSource) -> None:
    _token_sources[:] = [source]


def _token_source() -> TokenSource:
    (source,) = _token_sources
    return source


class _Adapter(HTTPAdapter):
    """requests' adapter without a Session: no redirects, cookies, proxies or netrc."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = dict(wire.POOLS)


class GuardedClient:
    """Keep-alive connections that any number of threads may share.

    `resolver` and `ca_file` are for tests with a name server and certificates of
    their own.
    """

    def __init__(
        self, *, resolver: wire.Resolver = wire.resolve, ca_file: str | None = None
    ) -> None:
        self._resolver = resolver
        self._ca_file = ca_file or trusted()
        self._adapter = _Adapter(pool_connections=POOL_SIZE, pool_maxsize=POOL_SIZE)

    def send(self, request: Request, key: str) -> Answer:
        """Send the request with the key where its `sign_in` says; return the answer.

        Raises TransportError. An empty key signs in nowhere. With OAuth 2 the key
        fetches a token, and a token that the API does not take is fetched once more.
        """
        deadline = time.monotonic() + seconds(request)
        plan = request.sign_in.token
        if plan is None or not key:
            return self._send(request, key, deadline)

        def post(unsigned: Request) -> Answer:
            return self._send(unsigned, "", deadline)

        token = _token_source()(plan, key, post)
        answer = self._send(request, token, deadline)
        if answer.status == 401:
            # It may have been taken back before its time. Nothing was done with it.
            token = _token_source()(plan, key, post, stale=token)
            answer = self._send(request, token, deadline)
        return answer

    def _send(self, request: Request, key: str, deadline: float) -> Answer:
        started = time.monotonic()
        try:
            prepared, exchange = self._prepare(request, key, started, deadline)
        except GuardError as e:
            raise BlockedAddressError(str(e)) from e
        wire.current.exchange = exchange
        try:
            response = self._adapter.send(
                prepared,
                stream=True,
                timeout=(wire.CONNECT_SECONDS, settings.HTTP_TOTAL_SECONDS),
                verify=self._ca_file,
                proxies={},
            )
        except (requests.RequestException, HTTPError, OSError, ValueError) as e:
            raise lost(exchange) from e
        body, is_whole = _read(response)
        timing = exchange.timing()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(
            status=response.status_code,
            # What signs in is nobody's business beyond here, and some APIs repeat it.
            headers={name: redact(text, key) for name, text in headers.items()},
            body=redact_bytes(as_utf8(body, headers.get("content-type", "")), key),
            truncated=not is_whole,
            duration_ms=round(timing.total),
            timing=timing,
            rules=request.rules,
            items=request.items,
        )

    def close(self) -> None:
        self._adapter.close()

    def _prepare(
        self, request: Request, key: str, started: float, deadline: float
    ) -> tuple[PreparedRequest, wire.Exchange]:
        """Fill requests' own class by hand: it must not read the URL once more."""
        url = request.sign_in.url(request.url, key)
        target = check_url(url, settings.ALLOWED_LOCAL_ADDRESSES)
        headers = request.sign_in.headers(request.headers, key)
        check_headers(headers)
        prepared = PreparedRequest()
        prepared.method = request.method
        prepared.url = target.url
        prepared.body = request.body
        prepared.headers = CaseInsensitiveDict(
            {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        )
        prepared.headers["Host"] = request_host(target.host, target.port, target.scheme)
        if request.body is not None:
            prepared.headers["Content-Length"] = str(len(request.body))
        return prepared, wire.Exchange(
            started=started,
            deadline=deadline,
            is_allowed_local=target.is_allowed_local,
            resolver=self._resolver,
        )


def send(request: Request, key: str) -> Answer:
    """Send through this process's client; see GuardedClient.send."""
    return _client().send(request, key)


def trusted() -> str:
    """The PEM file of the authorities that a server's certificate has to come from."""
    return str(settings.CA_FILE or DEFAULT_CA_BUNDLE_PATH)


def request_host(host: str, port: int, scheme: str) -> str:
    """Return the Host header: the port only where it is not the scheme's own."""
    return host if port == {"https": 443, "http": 80}[scheme] else f"{host}:{port}"


@cache
def _client() -> GuardedClient:
    return GuardedClient()


# A forked worker must not share its parent's connections, nor a lock in use.
os.register_at_fork(after_in_child=_client.cache_clear)


def seconds(request: Request) -> float:
    """A connection may be less patient than the settings, never more."""
    longest: float = settings.HTTP_TOTAL_SECONDS
    return min(request.timeout_seconds or longest, longest)


def lost(exchange: wire.Exchange) -> TransportError:
    """Return the error that an exchange without an answer ended in."""
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


def _read(response: requests.Response) -> tuple[bytes, bool]:
    """Return at most 64 KB of the body, decoded, and whether that is all of it."""
    raw = response.raw
    parts: list[bytes] = []
    size = 0
    is_whole = True
    try:
        while size <= MAX_BODY and (part := raw.read(MAX_BODY + 1 - size)):
            parts.append(part)
            size += len(part)
    except (HTTPError, OSError):
        is_whole = False
    if not is_whole or size > MAX_BODY:
        # What is left must not be read by the next request on this connection.
        raw.close()
        is_whole = False
    raw.release_conn()
    body, fits = decoded(b"".join(parts), response.headers.get("Content-Encoding", ""))
    return body[:MAX_BODY], is_whole and fits


def decoded(body: bytes, encoding: str) -> tuple[bytes, bool]:
    """Undo gzip or deflate that we did not ask for, up to the same 64 KB."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body, True
    decoder = zlib.decompressobj(wbits=47)
    try:
        text = decoder.decompress(body, MAX_BODY + 1)
    except zlib.error:
        return body, False
    return text, decoder.eof and len(text) <= MAX_BODY
