"""What an answer means: taken, refused, try again, or stop. One table for all callers.

The statuses are Braze's (api/errors) and hold for any API that uses HTTP's own
meanings; what else an API says, its rules tell (`answer_rules`).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import orjson

from externalapi.answer_rules import AnswerRules
from externalapi.messages import Answer
from externalapi.parameters import JSON, as_text
from lemnisk_braze.lib import database_clock

MAX_WAIT = 900.0
_EPOCH_FROM = 1e9
_SECONDS = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,9})?")
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
    """Return what the answer means for everybody in the request, by its rules.

    `now` (epoch seconds) counts only for an answer without a Date header.
    """
    body = _parsed(answer.body)
    message, errors, has_unusable = _said(body, answer.rules)
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
    words = _BLOCKED_WORDS.get(answer.status) or _other_blocked(answer)
    return words.replace("PERMISSION", _permission(answer.rules))


def _permission(rules: AnswerRules) -> str:
    if rules.permission:
        return f"the permission “{rules.permission}”"
    return "the permission that the endpoint needs"


# Each may say PERMISSION, which becomes what the key needs.
_BLOCKED_WORDS = {
    401: (
        "The key was not accepted. Check that it was copied whole, that it belongs to "
        "this instance (base URL), and that it has PERMISSION."
    ),
    403: (
        "The key may not do this. Give it PERMISSION, and check that the path has no "
        "slash at its end."
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
    status, rules = answer.status, answer.rules
    if status in rules.success:
        return _success(answer, body)
    if status in rules.refused:
        return Outcome.REFUSED
    if status in rules.retry:
        return Outcome.NOT_SENT
    if status == 429:
        return Outcome.RATE_LIMITED
    if status == 413 or (status == 400 and _TOO_LONG in message.lower()):
        return Outcome.TOO_BIG
    if status in _BLOCKED or 300 <= status < 400:
        return Outcome.BLOCKED
    if 200 <= status < 300:
        # A success, but not one of those that this API has.
        return Outcome.ACCEPTED_UNVERIFIED
    if status in _AMBIGUOUS or status < 200:
        return Outcome.AMBIGUOUS
    if status in _NOT_SENT or status >= 500:
        return Outcome.NOT_SENT
    return Outcome.REFUSED


def _success(answer: Answer, body: JSON) -> Outcome:
    """Without a condition the status alone is the word of the other side."""
    rules = answer.rules
    if not rules.success_path:
        return Outcome.SENT
    word = _at(body, rules.success_path)
    if answer.truncated or isinstance(word, dict | list) or word is None:
        return Outcome.ACCEPTED_UNVERIFIED
    is_said = not rules.success_values or as_text(word).lower() in rules.success_values
    return Outcome.SENT if is_said else Outcome.ACCEPTED_UNVERIFIED


def _at(body: JSON, path: tuple[str, ...]) -> JSON:
    """Return what stands at the path, None where it leads nowhere."""
    for part in path:
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and part.isdecimal() and int(part) < len(body):
            body = body[int(part)]
        else:
            return None
    return body


def _parsed(body: bytes) -> JSON:
    try:
        parsed: JSON = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return parsed


def _said(body: JSON, rules: AnswerRules) -> tuple[str, tuple[ItemError, ...], bool]:
    """Return the message, the errors that name objects, and whether others do not."""
    if not isinstance(body, dict):
        return "", (), False
    message = body.get("message") or body.get("error") or ""
    listed = _at(body, rules.errors_path) if rules.errors_path else None
    if not listed:
        return _words(message)[:2000], (), False
    entries = listed if isinstance(listed, list) else [listed]
    errors = tuple(error for entry in entries if (error := _item_error(entry, rules)))
    rest = [_words(entry) for entry in entries if _item_error(entry, rules) is None]
    text = "; ".join([_words(message), *rest])
    return text[:2000], errors, bool(rest)


def _item_error(entry: JSON, rules: AnswerRules) -> ItemError | None:
    if not isinstance(entry, dict):
        return None
    array = entry.get(rules.errors_array, rules.only_array)
    index = entry.get(rules.errors_index)
    if not (isinstance(array, str) and array) or type(index) is not int or index < 0:
        return None
    message = entry.get(rules.errors_message) or entry
    return ItemError(array=array, index=index, message=_words(message))


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
    are empty on some answers. Only `Retry-After` says something on a server error.
    """
    for name in answer.rules.wait_headers:
        if answer.status != 429 and name != "retry-after":
            continue
        seconds = seconds_until(answer.headers.get(name, "").strip(), answer, now)
        if seconds is not None:
            return min(max(seconds, 0.0), MAX_WAIT)
    return None


def seconds_until(text: str, answer: Answer, now: float | None) -> float | None:
    if _SECONDS.fullmatch(text):
        value = float(text)
        return value if value < _EPOCH_FROM else value - _sent_at(answer, now)
    moment = _http_date(text)
    return moment.timestamp() - _sent_at(answer, now) if moment else None


def _sent_at(answer: Answer, now: float | None) -> float:
    """The other side's clock, where the answer shows it; else the database's."""
    date = _http_date(answer.headers.get("date", ""))
    if date:
        return date.timestamp()
    return database_clock.reckoned().timestamp() if now is None else now


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        date.timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return date if date.tzinfo else None
