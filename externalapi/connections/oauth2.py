"""OAuth 2 client credentials (RFC 6749, 4.4): a token is fetched with the connection's
key, kept encrypted on the connection's row, and used until shortly before it expires.
"""

import base64
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote_plus, urlencode

import orjson
from django.db import Error, connection

from externalapi.connections.encryption import open_token, seal_token
from externalapi.http.auth import NO_SIGN_IN, TokenPlan
from externalapi.http.client import fetch_tokens_with
from externalapi.http.messages import (
    Answer,
    BlockedAddressError,
    NotSentError,
    Request,
    TransportError,
)
from externalapi.models import Connection
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)

# Used a little less long than it lives: it must not expire on its way.
MARGIN = timedelta(seconds=30)
# The RFC lets a server say nothing of the time; then it is asked again soon.
UNSAID_SECONDS = 300
MAX_TOKEN = 8_000

Post = Callable[[Request], Answer]


class TokenRefusedError(BlockedAddressError):
    """The token URL refuses to sign the connection in: only a person can help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    text: str
    expires_at: datetime

    @property
    def is_fresh(self) -> bool:
        return database_clock.reckoned() < self.expires_at - MARGIN


_held: dict[TokenPlan, Token] = {}
_locks: dict[TokenPlan, threading.Lock] = {}


def token_for(plan: TokenPlan, secret: str, post: Post, stale: str = "") -> str:
    """Return a token that is good for some seconds more, and is not `stale`.

    `post` sends a request unsigned. One thread of a process fetches, the others wait
    for it; the row passes the token on to the other processes. Raises TransportError:
    nothing was sent to the API.
    """
    if held := _good(_held.get(plan), stale):
        return held.text
    with _locks.setdefault(plan, threading.Lock()):
        held = _good(_held.get(plan), stale) or _good(_stored(plan), stale)
        if held is None:
            held = _fetch(plan, secret, post)
            _store(plan, held)
        _held[plan] = held
    return held.text


def connect() -> None:
    """Give the client its tokens."""
    fetch_tokens_with(token_for)
    # A forked worker must not have a lock that is in use.
    os.register_at_fork(after_in_child=forget)


def forget() -> None:
    """Let this process look at the row again: for tests, and for a forked worker."""
    _held.clear()
    _locks.clear()


def _good(token: Token | None, stale: str) -> Token | None:
    return token if token and token.text != stale and token.is_fresh else None


def _stored(plan: TokenPlan) -> Token | None:
    with _database():
        row = Connection.objects.filter(pk=plan.connection_id)
        sealed, expires_at = row.values_list(
            "token_encrypted", "token_expires_at"
        ).first() or ("", None)
    text = open_token(plan, sealed)
    return Token(text=text, expires_at=expires_at) if text and expires_at else None


def _store(plan: TokenPlan, token: Token) -> None:
    """A key that was changed meanwhile keeps its row clear of the old one's token."""
    with _database():
        Connection.objects.filter(
            pk=plan.connection_id, key_version=plan.key_version
        ).update(
            token_encrypted=seal_token(plan, token.text),
            token_expires_at=token.expires_at,
        )


@contextmanager
def _database() -> Iterator[None]:
    """A sender thread has no database connection: what it opens here, it closes.

    Whatever the database's error is, nothing was sent yet.
    """
    was_open = connection.connection is not None
    try:
        yield
    except Error as e:
        if about(e) is not About.CONNECTION:
            logger.exception("token.mistake")
        raise NotSentError("The access token could not be looked up.") from e
    finally:
        if not was_open:
            connection.close()


def _fetch(plan: TokenPlan, secret: str, post: Post) -> Token:
    """Ask with HTTP Basic, which every server knows; then in the form, as some want."""
    form = {"grant_type": "client_credentials"}
    if plan.scope:
        form["scope"] = plan.scope
    pair = f"{quote_plus(plan.client_id)}:{quote_plus(secret)}".encode()
    basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    answer = _ask(plan, post, form, basic)
    if answer.status in (400, 401):
        form |= {"client_id": plan.client_id, "client_secret": secret}
        answer = _ask(plan, post, form, {})
    return _read(answer)


def _ask(
    plan: TokenPlan, post: Post, form: Mapping[str, str], headers: Mapping[str, str]
) -> Answer:
    request = Request(
        method="POST",
        url=plan.url,
        headers={
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            **headers,
        },
        body=urlencode(form).encode(),
        sign_in=NO_SIGN_IN,
    )
    try:
        return post(request)
    except BlockedAddressError as e:
        raise TokenRefusedError(f"The token URL cannot be used. {e}") from e
    except TransportError as e:
        # Whatever became of it, the API itself has not been asked yet.
        raise NotSentError(f"No access token could be fetched. {e}") from e


def _read(answer: Answer) -> Token:
    if answer.status == 429 or answer.status >= 500:
        raise NotSentError(
            f"No access token could be fetched: the token URL answers {answer.status}."
        )
    said = _parsed(answer.body)
    if not 200 <= answer.status < 300:
        raise TokenRefusedError(
            f"The token URL answers {answer.status}{_reason(said)}. Check the token "
            "URL, the client ID and its secret in the connection."
        )
    text = said.get("access_token")
    if not isinstance(text, str) or not _is_sendable(text):
        raise TokenRefusedError(
            "The token URL answers without an access token. Check the token URL in the "
            "connection."
        )
    return Token(
        text=text,
        expires_at=database_clock.reckoned() + _lifetime(said.get("expires_in")),
    )


def _parsed(body: bytes) -> dict[str, object]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _reason(said: Mapping[str, object]) -> str:
    """The RFC's error code; its description may repeat what was sent."""
    code = said.get("error")
    is_code = isinstance(code, str) and code.isascii() and code.isprintable()
    return f" ({code[:40]})" if is_code and isinstance(code, str) else ""


def _is_sendable(text: str) -> bool:
    return 0 < len(text) <= MAX_TOKEN and text.isascii() and text.isprintable()


def _lifetime(seconds: object) -> timedelta:
    """Some servers write the number as a text; a day is the longest we believe."""
    text = str(seconds).strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        return timedelta(seconds=UNSAID_SECONDS)
    return min(timedelta(seconds=int(text)), timedelta(days=1))
