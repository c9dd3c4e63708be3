"""What an answer means: taken, refused, try again, or stop. One table for all callers.

The statuses and bodies are Braze's (api/errors; post_user_track, "Errors") and hold
for any API that uses HTTP's own meanings.
"""

import re
import time
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import orjson

from externalapi.client import Answer
from externalapi.parameters import JSON

MAX_WAIT = 900.0
_EPOCH_FROM = 1e9
_SECONDS = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,9})?")
_WAIT_HEADERS = ("retry-after", "x-ratelimit-retry-after", "x-ratelimit-reset")
_SUCCESS_MESSAGES = frozenset({"success", "queued"})
_TOO_LONG = "max input length exceeded"


class Outcome(StrEnum):
    SENT = "sent"
    ACCEPTED_UNVERIFIED = "accepted_unverified"
    NOT_SENT = "not_sent"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    TOO_BIG = "too_big"
    BLOCKED = "blocked"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemError:
    """The other side's own words about one object of the request."""

    array: str
    index: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`errors` name objects; `wait_seconds` (0 to 900) is the other side's wish."""

    outcome: Outcome
    errors: tuple[ItemError, ...] = ()
    message: str = ""
    wait_seconds: float | None = None


# 408, 425: taken by nobody. 521-523, 525, 526: Cloudflare never reached Braze.
_NOT_SENT = frozenset({408, 425, 500, 503, 521, 522, 523, 525, 526})
# The request may have arrived, only the answer did not.
_AMBIGUOUS = frozenset({502, 504, 520, 524, 527})
# The definition or the key is wrong: every further request would fail alike.
_BLOCKED = frozenset({401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 501, 505})


def read(answer: Answer, now: float | None = None) -> Verdict:
    """Return what the answer means for everybody in the request.

    `now` (epoch seconds) counts only for an answer without a Date header.
    """
    body = _parsed(answer.body)
    message, errors, has_unusable = _said(body)
    outcome = _outcome(answer, body, message)
    if outcome is Outcome.SENT and has_unusable:
        outcome = Outcome.ACCEPTED_UNVERIFIED
    wait = None
    if outcome in (Outcome.RATE_LIMITED, Outcome.NOT_SENT):
        wait = _wait(answer, now)
    return Verdict(outcome=outcome, errors=errors, message=message, wait_seconds=wait)


def explain(answer: Answer, verdict: Verdict) -> str:
    """Return in plain words what happened and what to do next."""
    match verdict.outcome:
        case Outcome.SENT if verdict.errors:
            return f"Accepted, but not all of it. {_named(verdict)}"
        case Outcome.SENT:
            return "Accepted. It can take a moment until the data can be seen."
        case Outcome.ACCEPTED_UNVERIFIED:
            return (
                "The answer says success but cannot be read as expected, so nobody "
                "can tell what was taken. Look for the person on the other side."
            )
        case Outcome.REFUSED:
            return f"Refused, and nothing of it was taken. {_named(verdict)}"
        case Outcome.TOO_BIG:
            return "The request is too large. Shorten the body or send fewer objects."
        case Outcome.RATE_LIMITED:
            return f"Too many requests just now. {_try_again(verdict)}"
        case Outcome.AMBIGUOUS:
            return (
                "Something on the way gave up waiting, so nobody knows whether the "
                "request was taken. Look for the person before you send it again."
            )
        case Outcome.NOT_SENT:
            return f"The other side has a problem of its own. {_try_again(verdict)}"
    return _BLOCKED_WORDS.get(answer.status) or _other_blocked(answer)


_BLOCKED_WORDS = {
    401: (
        "The key was not accepted. Check that it was copied whole, that it belongs to "
        "this instance (base URL), and that it has the permission that the endpoint "
        "needs, for Track Users “users.track”."
    ),
    403: (
        "The key may not do this. Give it the permission that the endpoint needs, for "
        "Track Users “users.track”, and check that the path has no slash at its end."
    ),
    404: (
        "There is nothing at this address. Check the path, and that the base URL is "
        "the REST endpoint of your instance."
    ),
    405: "This path does not take this method. Check the method.",
    415: "The content type is not accepted. Remove the Content-Type header.",
}


def _other_blocked(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return (
            "The answer sends us to another address, and redirects are not followed. "
            "Put the final address into the connection."
        )
    return f"The request was not accepted ({answer.status}). Check the definition."


def _outcome(answer: Answer, body: JSON, message: str) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return _success(answer, body)
    if status == 429:
        return Outcome.RATE_LIMITED
    if status == 413 or (status == 400 and _TOO_LONG in message.lower()):
        return Outcome.TOO_BIG
    if status in _BLOCKED or 300 <= status < 400:
        return Outcome.BLOCKED
    if status in _AMBIGUOUS or status < 200:
        return Outcome.AMBIGUOUS
    if status in _NOT_SENT or status >= 500:
        return Outcome.NOT_SENT
    return Outcome.REFUSED


def _success(answer: Answer, body: JSON) -> Outcome:
    if answer.truncated or not isinstance(body, dict):
        return Outcome.ACCEPTED_UNVERIFIED
    message = body.get("message")
    if isinstance(message, str) and message.lower() in _SUCCESS_MESSAGES:
        return Outcome.SENT
    return Outcome.ACCEPTED_UNVERIFIED


def _parsed(body: bytes) -> JSON:
    try:
        parsed: JSON = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return parsed


def _said(body: JSON) -> tuple[str, tuple[ItemError, ...], bool]:
    """Return the message, the errors that name objects, and whether others do not."""
    if not isinstance(body, dict):
        return "", (), False
    message = body.get("message") or body.get("error") or ""
    listed = body.get("errors")
    entries = listed if isinstance(listed, list) else [listed] if listed else []
    errors = tuple(error for entry in entries if (error := _item_error(entry)))
    rest = [_words(entry) for entry in entries if _item_error(entry) is None]
    text = "; ".join([_words(message), *rest]) if rest else _words(message)
    return text[:2000], errors, bool(rest)


def _item_error(entry: JSON) -> ItemError | None:
    if not isinstance(entry, dict):
        return None
    array, index = entry.get("input_array"), entry.get("index")
    if not isinstance(array, str) or type(index) is not int or index < 0:
        return None
    return ItemError(array=array, index=index, message=_words(entry))


def _words(entry: JSON) -> str:
    if isinstance(entry, dict):
        entry = entry.get("type") or entry.get("message") or entry
    return entry if isinstance(entry, str) else orjson.dumps(entry).decode()


def _named(verdict: Verdict) -> str:
    """Return which objects are at fault and why, the first five of them."""
    lines = [f"{e.array}[{e.index}]: {e.message}" for e in verdict.errors[:5]]
    more = len(verdict.errors) - len(lines)
    if more > 0:
        lines.append(f"and {more} more")
    if not lines:
        lines = [verdict.message or "No reason was given"]
    return f"{'; '.join(lines).rstrip('.')}. Correct this and test again."


def _try_again(verdict: Verdict) -> str:
    if verdict.wait_seconds:
        return f"Try again in {verdict.wait_seconds:.0f} seconds."
    return "Try again in a moment."


def _wait(answer: Answer, now: float | None) -> float | None:
    """Return the seconds that the answer asks us to wait, at most 15 minutes.

    A header may hold seconds, the epoch second of a moment or an HTTP date; Braze's
    are empty on some answers. `X-RateLimit-Reset` says nothing on a server error.
    """
    hints = _WAIT_HEADERS if answer.status == 429 else _WAIT_HEADERS[:1]
    for name in hints:
        seconds = _seconds(answer.headers.get(name, "").strip(), answer, now)
        if seconds is not None:
            return min(max(seconds, 0.0), MAX_WAIT)
    return None


def _seconds(text: str, answer: Answer, now: float | None) -> float | None:
    if _SECONDS.fullmatch(text):
        value = float(text)
        return value if value < _EPOCH_FROM else value - _sent_at(answer, now)
    moment = _http_date(text)
    return moment.timestamp() - _sent_at(answer, now) if moment else None


def _sent_at(answer: Answer, now: float | None) -> float:
    """The other side's clock, where the answer shows it: ours may differ."""
    date = _http_date(answer.headers.get("date", ""))
    if date:
        return date.timestamp()
    return time.time() if now is None else now


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        date.timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return date if date.tzinfo else None
