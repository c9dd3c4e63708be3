"""The tracking API: Segment's HTTP spec in, rows of the inbox out.

Plain views on the hot path: one SELECT for the write key, one INSERT for everything.
CSRF does not apply, since no cookie signs anyone in here.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial, wraps
from typing import Any

import orjson
from django.db import Error, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from lemnisk_braze.lib import database_errors
from lemnisk_braze.lib.database_errors import About
from lemnisk_braze.lib.logs import get_logger
from segments import wakeup
from segments.ingest import inbox
from segments.models import Source
from segments.tracking import refused, request_body, validation, write_keys
from segments.tracking.errors import RefusedError
from segments.tracking.refused import Refusal
from segments.tracking.request_body import Batch
from segments.tracking.validation import Message

logger = get_logger(__name__)

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
# In seconds: what a sender is asked to wait while the database is away.
RETRY_AFTER = 5

# What goes with a status.
HEADERS = {
    401: ("WWW-Authenticate", 'Basic realm="write key"'),
    405: ("Allow", "POST"),
    503: ("Retry-After", str(RETRY_AFTER)),
}

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
            return _json(200, view(request, **kwargs))
        except RefusedError as e:
            return _refusal(e)
        except Error as e:
            if database_errors.about(e) is not About.CONNECTION:
                raise
            logger.warning("database.away", because=e)
            return _refusal(
                RefusedError(503, "unavailable", "Send it again in a moment.")
            )

    return answer


@_answering
def single(request: HttpRequest, kind: str) -> Answer:
    """`POST /v1/identify`, `/v1/track` and so on: one message."""
    limit = request_body.MAX_MESSAGE + request_body.MAX_ENVELOPE
    data, source, received_at = _read(request, limit)
    raw: dict[str, Any] = {}
    try:
        raw = request_body.parse(data)
        message = validation.read(raw, received_at, kind, sent=lambda: data)
        for _, error in _append(source, [(0, message)]):
            raise error
    except RefusedError as e:
        name = refused.message_id(raw)
        refusal = Refusal(error=e, body=data, kind=kind, message_id=name)
        refused.keep(source, [refusal])
        raise
    return {"success": True} | _noticed([(0, message)])


@_answering
def batch(request: HttpRequest) -> Answer:
    """`POST /v1/batch` and `/v1/import`: each refused message is named, the others stay.

    Refused is all of it where nothing could be taken.
    """
    data, source, received_at = _read(request, request_body.MAX_BATCH)
    try:
        found = request_body.parse_batch(data)
        if not found.messages:
            raise validation.bad("batch is a list of messages.")
    except RefusedError as e:
        refused.keep(source, [Refusal(error=e, body=data, kind="batch")])
        raise
    accepted, refusals = _read_messages(found, received_at)
    refusals |= dict(_append(source, accepted))
    if refusals:
        refused.keep(source, list(_as_refusals(found, refusals)))
    if not refusals:
        return {"success": True} | _noticed(accepted)
    taken = [(index, each) for index, each in accepted if index not in refusals]
    answer = {
        "success": bool(taken),
        "accepted": len(taken),
        "refused": [
            {"index": index, "code": e.code, "message": e.message}
            for index, e in sorted(refusals.items())
        ],
    }
    if not taken:
        first = refusals[min(refusals)]
        raise RefusedError(first.status, first.code, first.message, answer)
    return answer | _noticed(taken)


def _read_messages(
    found: Batch, received_at: datetime
) -> tuple[list[tuple[int, Message]], dict[int, RefusedError]]:
    """The messages of a batch, and what is wrong with the others; by their places."""
    accepted: list[tuple[int, Message]] = []
    refusals: dict[int, RefusedError] = {}
    sent_at = validation.sent_at(found.fields)
    for index, item in enumerate(found.messages):
        try:
            if isinstance(item, RefusedError):
                raise item
            sent = partial(found.sent, index)
            message = validation.read(item, received_at, sent_at=sent_at, sent=sent)
            accepted.append((index, message))
        except RefusedError as e:
            refusals[index] = e
    return accepted, refusals


def _as_refusals(
    found: Batch, refusals: Mapping[int, RefusedError]
) -> Iterator[Refusal]:
    for index, error in refusals.items():
        raw = found.messages[index]
        sent_at = found.fields.get("sentAt")
        yield Refusal(
            error=error,
            body=refused.with_sent_at(found.sent(index), raw, sent_at),
            message_id=refused.message_id(raw),
        )


def _noticed(taken: Sequence[tuple[int, Message]]) -> Answer:
    """What the sender should know of messages that were taken in all the same."""
    warnings = [
        {"index": index, "code": notice.code, "message": notice.message}
        for index, message in taken
        for notice in message.notices
    ]
    return {"warnings": warnings} if warnings else {}


@_answering
def metrics(request: HttpRequest) -> Answer:
    """`POST /v1/m`: what Segment's browser library counts of itself; nobody reads it."""
    return {"success": True}


def _append(
    source: Source, accepted: Sequence[tuple[int, Message]]
) -> list[tuple[int, RefusedError]]:
    """Add the messages to the inbox; return those that the database does not take.

    Whatever the checks before it let through: one message never stops the others.
    """
    if not accepted:
        return []
    try:
        inbox.append(source, ((m.message_id, m.kind, m.payload) for _, m in accepted))
    except Error as e:
        if database_errors.about(e) is not About.ROW:
            raise
        if len(accepted) == 1:
            logger.warning("inbox.not_stored", exc_info=e)
            refusal = RefusedError(
                400, "cannot_be_stored", "The database cannot hold this message."
            )
            return [(accepted[0][0], refusal)]
        half = len(accepted) // 2
        return _append(source, accepted[:half]) + _append(source, accepted[half:])
    transaction.on_commit(wakeup.apply_inbox)
    return []


def _read(request: HttpRequest, limit: int) -> tuple[bytes, Source, datetime]:
    """The plain body, its source and when it came in, by the database's clock.

    Refused is as early and as cheaply as it can be done.

    Nobody's body is looked into further than for its key.
    """
    _check_head(request, limit)
    key = _basic_auth(request)
    known = None if key is None else _source(key)
    data = _plain_body(request, limit)
    source, received_at = known or _source(request_body.write_key(data))
    return data, source, received_at


def _check_head(request: HttpRequest, limit: int) -> None:
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
    return request.headers.get("Content-Encoding", "identity").lower()


def _plain_body(request: HttpRequest, limit: int) -> bytes:
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        data = _chunked_body(request, limit)
    else:
        try:
            data = request.body
        except UnreadablePostError as e:
            raise RefusedError(400, "cut_off", "The body is cut off.") from e
    return (
        data if _encoding(request) == "identity" else request_body.gunzip(data, limit)
    )


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
    header = request.headers.get("Authorization")
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


def _source(key: object) -> tuple[Source, datetime]:
    found = write_keys.source_of(key) if isinstance(key, str) else None
    if found is None:
        raise _unauthorized()
    return found


def _unauthorized() -> RefusedError:
    return RefusedError(
        401, "unauthorized", "Send an active source's write key as basic-auth user."
    )


def _refusal(error: RefusedError) -> HttpResponse:
    said = {"success": False, "code": error.code, "message": error.message}
    response = _json(error.status, {**said, **error.more})
    if header := HEADERS.get(error.status):
        response[header[0]] = header[1]
    return response


def _json(status: int, answer: Answer) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(answer), status=status, content_type="application/json"
    )
