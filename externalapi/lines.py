"""The engine's face of the guarded way out: many requests over kept-alive lines.

The same guard, the same connections (wire), the same deadline and errors as
client.send, without what requests does for a single request: it takes three times as
long, which at a thousand requests a second is a processor.
"""

import os
import time
from collections.abc import Mapping
from functools import cache, lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import Any

from django.conf import settings
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from externalapi import client, wire
from externalapi.client import CA_FILE, MAX_BODY, USER_AGENT, decoded, lost
from externalapi.guard import GuardError, Target, check_headers, check_url
from externalapi.messages import Answer, BlockedAddressError, Request

AT_ONCE = 100


class Lines:
    """Kept-alive connections by address, which any number of threads may share.

    `resolver` and `ca_file` are for tests with a name server and certificates of
    their own.
    """

    def __init__(
        self, *, resolver: wire.Resolver = wire.resolve, ca_file: str = CA_FILE
    ) -> None:
        self._resolver = resolver
        self._ca_file = ca_file
        self._pools: dict[tuple[str, str, int], HTTPConnectionPool] = {}

    def send(self, request: Request, key: str) -> Answer:
        """Send the request with the key where its `sign_in` says; return the answer.

        Raises TransportError, as client.send does, which also does the rare case of
        a token that is fetched first.
        """
        if request.sign_in.token:
            return client.send(request, key)
        started = time.monotonic()
        try:
            url = request.sign_in.url(request.url, key)
            target = _checked(url, tuple(settings.ALLOWED_LOCAL_ADDRESSES))
            headers = _headers(request, key, target)
        except GuardError as e:
            raise BlockedAddressError(str(e)) from e
        exchange = wire.current.exchange = wire.Exchange(
            started=started,
            deadline=started + client.seconds(request),
            is_allowed_local=target.is_allowed_local,
            resolver=self._resolver,
        )
        pool = self._pool(target)
        line: Any = None
        is_reusable = False
        try:
            line = pool._get_conn(timeout=0)
            response = _ask(line, request, headers, target)
            body, is_whole = _body(response)
            is_reusable = is_whole and not response.will_close
        except (HTTPError, HTTPException, OSError, ValueError) as e:
            raise lost(exchange) from e
        finally:
            if line is not None:
                if not is_reusable:
                    line.close()
                pool._put_conn(line)
        text, fits = decoded(body, response.getheader("Content-Encoding") or "")
        timing = exchange.timing()
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=text[:MAX_BODY],
            truncated=not (is_whole and fits),
            duration_ms=round(timing.total),
            timing=timing,
            rules=request.rules,
        )

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

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


def send(request: Request, key: str) -> Answer:
    """Send over this process's lines; see Lines.send."""
    return _lines().send(request, key)


@cache
def _lines() -> Lines:
    return Lines()


# A forked worker must not share its parent's connections.
os.register_at_fork(after_in_child=_lines.cache_clear)


@lru_cache(maxsize=1024)
def _checked(url: str, allowed_local: tuple[str, ...]) -> Target:
    return check_url(url, allowed_local)


def _headers(request: Request, key: str, target: Target) -> Mapping[str, str]:
    headers = request.sign_in.headers(request.headers, key)
    check_headers(headers)
    host = client.request_host(target.host, target.port, target.scheme)
    own = {"Host": host, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    return {**own, **headers}


def _ask(
    line: Any, request: Request, headers: Mapping[str, str], target: Target
) -> HTTPResponse:
    """Write the request and read the answer's head, with the standard library's HTTP.

    urllib3's own methods would wrap both once more.
    """
    line.refresh()
    path = target.url.partition("://")[2].partition("/")[2]
    line.putrequest(
        request.method, f"/{path}", skip_host=True, skip_accept_encoding=True
    )
    for name, value in headers.items():
        HTTPConnection.putheader(line, name, value)
    if request.body is not None:
        HTTPConnection.putheader(line, "Content-Length", str(len(request.body)))
    line.endheaders(request.body)
    wire.current.exchange.is_written = True
    response = HTTPConnection.getresponse(line)
    line.idle_since = time.monotonic()
    return response


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
