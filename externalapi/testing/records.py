"""What is kept of a test: the request as it was sent and its answer, the key masked."""

import json
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from externalapi.answers import interpretation
from externalapi.answers.rate_limit_headers import Budget, read_budget
from externalapi.http.auth import Auth
from externalapi.http.client import (
    AmbiguousError,
    Answer,
    BlockedAddressError,
    Request,
    TransportError,
)
from externalapi.http.redaction import mask, redact
from externalapi.models import ExternalAPIVersion
from externalapi.testing import explanations
from lemnisk_braze.lib import database_clock

MAX_ANSWER = 64 * 1024
# A whole request, so that it can be sent again by hand and compared.
MAX_REQUEST = 256 * 1024
# Not an Outcome: no request could be made of the values.
NOT_BUILT = "not_built"


def sent(request: Request, key: str) -> dict[str, Any]:
    """Return the request as it goes out; where the key is, is its `mask`."""
    body = (request.body or b"").decode(errors="replace")
    shown = mask(key) if key else ""
    headers = request.sign_in.headers(request.headers, shown)
    return {
        "method": request.method,
        "url": redact(request.sign_in.url(request.url, shown), key),
        "headers": {name: redact(value, key) for name, value in headers.items()},
        "body": _storable(body, key, MAX_REQUEST),
        "size": len(request.body or b""),
        "is_cut": len(body) > MAX_REQUEST,
        "mask": shown,
        "username": request.sign_in.username if _is_basic(request) else "",
    }


def answered(
    version: ExternalAPIVersion,
    request: Request,
    answer: Answer,
    verdict: interpretation.Verdict,
    key: str,
) -> dict[str, Any]:
    """Return the answer with what it means."""
    found = explanations.faults(version, request, verdict)
    return {
        "status": answer.status,
        "phrase": _phrase(answer.status),
        "headers": {
            name: _storable(value, key) for name, value in answer.headers.items()
        },
        "body": _storable(answer.body.decode(errors="replace"), key),
        "size": len(answer.body),
        "truncated": answer.truncated,
        "duration_ms": answer.duration_ms,
        "timing": asdict(answer.timing),
        "budget": _kept(read_budget(answer, database_clock.reckoned())),
        "outcome": str(verdict.outcome),
        "has_errors": bool(verdict.errors),
        "explanation": _storable(explanations.explain(version, answer, verdict), key),
        "faults": [_fault(fault, key) for fault in found],
    }


def unanswered(error: TransportError) -> dict[str, Any]:
    """Return what is known where no answer came."""
    outcome = interpretation.Outcome.NOT_SENT
    what = "Nothing was sent."
    if isinstance(error, BlockedAddressError):
        outcome = interpretation.Outcome.BLOCKED
    elif isinstance(error, AmbiguousError):
        outcome = interpretation.Outcome.AMBIGUOUS
        what = "It may have been taken: look for the person before you test again."
    return {
        "duration_ms": error.duration_ms,
        "timing": asdict(error.timing),
        "outcome": str(outcome),
        "explanation": f"{error} {what}",
    }


def not_built(error: Exception) -> dict[str, Any]:
    """Return what is kept where the values made no request."""
    message = str(error).rstrip(".")
    return {
        "duration_ms": 0,
        "outcome": NOT_BUILT,
        "explanation": f"No request can be made: {message}. Nothing was sent.",
    }


def pretty(text: str) -> str:
    """Return JSON indented, and anything else as it is."""
    try:
        indented = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    # Half of a character stays the escape that it was: no page can show it.
    return indented.encode(errors="backslashreplace").decode()


def _is_basic(request: Request) -> bool:
    return request.sign_in.auth is Auth.BASIC


def _fault(fault: explanations.Fault, key: str) -> dict[str, Any]:
    return {
        "where": _storable(fault.where, key),
        "value": _storable(fault.value, key),
        "parameters": list(fault.parameters),
        "message": _storable(fault.message, key),
    }


def _kept(budget: Budget | None) -> dict[str, Any] | None:
    if budget is None:
        return None
    reset_at = budget.reset_at.isoformat() if budget.reset_at else None
    return {
        "limit": budget.limit,
        "remaining": budget.remaining,
        "reset_at": reset_at,
    }


def _storable(text: str, key: str, most: int = MAX_ANSWER) -> str:
    """Mask the key and leave out what PostgreSQL cannot hold."""
    text = redact(text, key).replace("\0", "�")
    return text.encode(errors="replace").decode()[:most]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
