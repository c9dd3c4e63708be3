"""The tracking API: Segment's HTTP spec in, rows of the inbox out.

Plain views on the hot path: one SELECT for the write key, one INSERT for everything.
CSRF does not apply, since no cookie signs anyone in here.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import orjson
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from segments import inbox, tasks
from segments.models import Source
from segments.tracking import body, keys, messages
from segments.tracking.errors import RefusedError
from segments.tracking.messages import Message

MAX_BATCH_MESSAGES = 2_500
BATCH_FIELDS = {"batch", "context", "integrations", "sentAt", "timestamp", "writeKey"}

Answer = dict[str, Any]
View = Callable[..., HttpResponse]


def _answering(view: Callable[..., Answer]) -> View:
    """Make a view of a function that returns the answer or raises a RefusedError."""

    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, **kwargs: str) -> HttpResponse:
        try:
            if request.method != "POST":
                raise RefusedError(405, "method_not_allowed", "Use POST.")
            response = _json(200, view(request, **kwargs))
        except RefusedError as e:
            response = _json(
                e.status, {"success": False, "code": e.code, "message": e.message}
            )
            if e.status == 405:
                response["Allow"] = "POST"
            if e.status == 401:
                response["WWW-Authenticate"] = 'Basic realm="write key"'
        return response

    return answer


@_answering
def single(request: HttpRequest, kind: str) -> Answer:
    """`POST /v1/identify` and `/v1/track`: one message."""
    if kind in messages.OTHER_KINDS:
        raise messages.unsupported(kind)
    raw, source = _read(request, body.MAX_MESSAGE + body.MAX_ENVELOPE)
    message = messages.read(raw, datetime.now(UTC), kind)
    _append(source, [message])
    return {"success": True}


@_answering
def batch(request: HttpRequest) -> Answer:
    """`POST /v1/batch`: many messages; each refused one is named, the others stay."""
    raw, source = _read(request, body.MAX_BATCH)
    accepted: list[Message] = []
    refused: list[Answer] = []
    now = datetime.now(UTC)
    for index, item in enumerate(_items(raw)):
        try:
            accepted.append(messages.read(item, now, sent_at=raw.get("sentAt")))
        except RefusedError as e:
            refused.append({"index": index, "code": e.code, "message": e.message})
    _append(source, accepted)
    if not refused:
        return {"success": True}
    return {"success": True, "accepted": len(accepted), "refused": refused}


def _items(raw: dict[str, Any]) -> list[Any]:
    if unknown := sorted(raw.keys() - BATCH_FIELDS):
        raise messages.bad(f"“{unknown[0][:50]}” is not a field of batch.")
    items = raw.get("batch")
    if not isinstance(items, list) or not items:
        raise messages.bad("batch is a list of messages.")
    if len(items) > MAX_BATCH_MESSAGES:
        raise RefusedError(
            413, "too_large", f"Send at most {MAX_BATCH_MESSAGES:,} messages a batch."
        )
    return items


def _append(source: Source, accepted: Sequence[Message]) -> None:
    if accepted:
        inbox.append(source, ((m.message_id, m.kind, m.payload) for m in accepted))
        transaction.on_commit(tasks.wake_inbox)


def _read(request: HttpRequest, limit: int) -> tuple[dict[str, Any], Source]:
    """The body and the source, refusing as early and as cheaply as it can be done."""
    key = _basic_auth(request)
    source = None if key is None else _source(key)
    raw = body.parse(_plain_body(request, limit))
    return raw, source or _source(raw.get("writeKey"))


def _plain_body(request: HttpRequest, limit: int) -> bytes:
    if request.content_type != "application/json":
        raise RefusedError(
            415, "unsupported_type", "Send Content-Type: application/json."
        )
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise RefusedError(415, "unsupported_encoding", "Send plain JSON or gzip.")
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if not (length.isascii() and length.isdecimal()):
        raise RefusedError(400, "bad_length", "Content-Length is not a number.")
    if int(length) > limit:
        raise body.too_large(limit)
    return request.body if encoding == "identity" else body.gunzip(request.body, limit)


def _basic_auth(request: HttpRequest) -> str | None:
    """The user name of basic authentication; None where there is no such header."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        raise _unauthorized()
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _unauthorized() from None
    return decoded.partition(":")[0]


def _source(key: object) -> Source:
    source = keys.source_of(key) if isinstance(key, str) else None
    if source is None:
        raise _unauthorized()
    return source


def _unauthorized() -> RefusedError:
    return RefusedError(
        401, "unauthorized", "Send an active source's write key as basic-auth user."
    )


def _json(status: int, answer: Answer) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(answer), status=status, content_type="application/json"
    )
