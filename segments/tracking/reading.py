"""A request of somebody who may send: its key, its plain body, and when it came in.

Refused is as early and as cheaply as it can be done, and nobody's body is looked into
further than for its key.
"""

import base64
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, UnreadablePostError

from lemnisk_braze.lib import database_clock
from segments.models import Source
from segments.tracking import origins, request_body, write_keys
from segments.tracking.errors import RefusedError
from segments.tracking.write_keys import Caller

# Whatever the libraries call it, it is JSON: a browser's beacon may send plain text
# only, and RudderStack's for Node names what it has compressed a form.
CONTENT_TYPES = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "application/gzip",
    "application/x-gzip",
    "",
)
# The headers of Lemnisk's pair of keys.
PAIR = ("x-api-key", "x-api-passkey")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A body, who sent it, and when it came in, by the database's clock."""

    request: HttpRequest
    caller: Caller
    data: bytes
    at: datetime

    @property
    def source(self) -> Source:
        return self.caller.source

    def check_origin(self) -> None:
        """Raise a RefusedError where it is from a website that may not send."""
        origins.check(self.request, self.caller.origins)


def read(request: HttpRequest, limit: int) -> Received:
    """What somebody with a write key sent; a body of at most `limit` bytes.

    The key is the user of basic authentication, or `writeKey` in the address or the body.
    """
    check_head(request, limit)
    key = key_of(request)
    caller = None if key is None else caller_of(key)
    data = plain_body(request, limit)
    if caller is None:
        caller = caller_of(request_body.write_key(data))
    at = database_clock.reckoned()
    return Received(request=request, caller=caller, data=data, at=at)


def read_with_pair(request: HttpRequest, limit: int) -> Received:
    """The same for who sends a key and its passkey in headers, as Lemnisk's calls do."""
    check_head(request, limit)
    key, passkey = (request.headers.get(name, "") for name in PAIR)
    caller = write_keys.caller_of(key, passkey) if passkey else None
    if caller is None:
        raise RefusedError(
            401,
            "unauthorized",
            f"Send {' and '.join(PAIR)} of an active source as headers.",
        )
    data = plain_body(request, limit)
    at = database_clock.reckoned()
    return Received(request=request, caller=caller, data=data, at=at)


def key_of(request: HttpRequest) -> str | None:
    """The write key beside the body, where there is one."""
    key = _basic_auth(request)
    return request.GET.get("writeKey") if key is None else key


def caller_of(key: object) -> Caller:
    """Who speaks with a write key; raises a RefusedError where nobody does."""
    caller = write_keys.caller_of(key)
    if caller is None:
        raise _unauthorized()
    return caller


def check_head(request: HttpRequest, limit: int) -> None:
    if request.content_type not in CONTENT_TYPES:
        raise RefusedError(
            415, "unsupported_type", "Send Content-Type: application/json."
        )
    if _encoding(request) not in ("identity", "gzip"):
        raise RefusedError(415, "unsupported_encoding", "Send plain JSON or gzip.")
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if not (length.isascii() and length.isdecimal()):
        raise RefusedError(400, "bad_length", "Content-Length is not a number.")
    if len(length.lstrip("0")) > len(str(limit)) or int(length) > limit:
        raise request_body.too_large(limit)


def _encoding(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_CONTENT_ENCODING", "identity")).lower()


def plain_body(request: HttpRequest, limit: int) -> bytes:
    if "chunked" in str(request.META.get("HTTP_TRANSFER_ENCODING", "")).lower():
        data = _chunked_body(request, limit)
    else:
        try:
            data = request.body
        except UnreadablePostError as e:
            raise _cut_off() from e
        # Some servers end a body that ended too early as if that were all.
        if len(data) < int(request.META.get("CONTENT_LENGTH") or 0):
            raise _cut_off()
    return (
        data if _encoding(request) == "identity" else request_body.gunzip(data, limit)
    )


def _cut_off() -> RefusedError:
    return RefusedError(400, "cut_off", "The body is cut off.")


def _chunked_body(request: HttpRequest, limit: int) -> bytes:
    """A body without a length: Django reads nothing of it."""
    # A server that knows where the body ends says so.
    if not request.META.get("wsgi.input_terminated"):
        raise RefusedError(411, "length_required", "Send Content-Length.")
    try:
        data: bytes = request.META["wsgi.input"].read(limit + 1)
    except Exception as e:  # noqa: BLE001
        # Each server has its own errors for chunks that are none.
        raise RefusedError(400, "bad_chunk", "The body is not well chunked.") from e
    if len(data) > limit:
        raise request_body.too_large(limit)
    return data


def _basic_auth(request: HttpRequest) -> str | None:
    """The user name of basic authentication; None where there is no such header."""
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        raise _unauthorized()
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        # Not base64, not ASCII, not UTF-8.
        raise _unauthorized() from None
    return decoded.partition(":")[0]


def _unauthorized() -> RefusedError:
    return RefusedError(
        401, "unauthorized", "Send an active source's write key as basic-auth user."
    )
