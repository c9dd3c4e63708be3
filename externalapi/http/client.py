"""The guarded way out: a request is sent, waited for or not, with whatever signs it in.

For everybody: the engine has many on the wire (`begin`), the Test API page one (`send`).
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Protocol

from externalapi.http import wire
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
from externalapi.http.multiplexed import MultiplexedConnections, Pending, seconds
from externalapi.http.redaction import redact
from lemnisk_braze.lib.network import lookup

__all__ = [
    "NO_TIMING",
    "AmbiguousError",
    "Answer",
    "BlockedAddressError",
    "GuardedClient",
    "NotSentError",
    "Pending",
    "Request",
    "TransportError",
    "begin",
    "send",
]


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


class GuardedClient:
    """Keep-alive connections that any number of threads may share.

    `resolver` and `ca_file` are for tests with a name server and certificates of
    their own.
    """

    def __init__(
        self, *, resolver: wire.Resolver = lookup.resolve, ca_file: str | None = None
    ) -> None:
        self.connections = MultiplexedConnections(resolver=resolver, ca_file=ca_file)

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

    def begin(self, request: Request, key: str) -> Pending | None:
        """Begin to send; None where a token has to be fetched, which only `send` does.

        Raises TransportError. Does not wait.
        """
        if request.sign_in.token:
            return None
        return self.connections.begin(request, key)

    def _send(self, request: Request, key: str, deadline: float) -> Answer:
        answer = self.connections.begin(request, key, deadline).finish()
        # What signs in is nobody's business beyond here, and some APIs repeat it.
        headers = {name: redact(text, key) for name, text in answer.headers.items()}
        return replace(answer, headers=headers)

    def close(self) -> None:
        self.connections.close()


def send(request: Request, key: str) -> Answer:
    """Send through this process's client; see GuardedClient.send."""
    return _client().send(request, key)


def begin(request: Request, key: str) -> Pending | None:
    """Begin through this process's client; see GuardedClient.begin."""
    return _client().begin(request, key)


@cache
def _client() -> GuardedClient:
    return GuardedClient()


# A forked worker must not share its parent's connections, nor a lock in use.
os.register_at_fork(after_in_child=_client.cache_clear)
