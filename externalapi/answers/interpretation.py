"""What an answer means: taken, refused, try again, or stop. One table for all callers.

The statuses are Braze's (api/errors) and hold for any API that uses HTTP's own
meanings; what else an API says, its rules tell (`answer_rules`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import orjson

from externalapi.answers import notes, object_errors
from externalapi.answers.object_errors import ItemError, at, read_errors
from externalapi.http.answer_rules import AnswerRules
from externalapi.http.messages import Answer
from externalapi.template.parameters import as_text
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.json_types import JSON

__all__ = ["ItemError", "Outcome", "Verdict", "explain", "read", "seconds_until"]

MAX_WAIT = 900.0
MAX_WORDS = 2000
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
class Verdict:
    """`errors` name objects of the request; `message` is all else that was said.

    `has_errors` also where none of them names an object. `doubt` says why nobody can
    tell whether those were taken who are not named; it is empty for a clear answer.
    `note` is what a success says that is odd about it. `wait_seconds` (0 to 900) is the
    other side's wish.
    """

    outcome: Outcome
    errors: tuple[ItemError, ...] = ()
    has_errors: bool = False
    message: str = ""
    doubt: str = ""
    note: str = ""
    wait_seconds: float | None = None


# 408, 425: taken by nobody. 521-523, 525, 526: Cloudflare never reached Braze.
_NOT_SENT = frozenset({408, 425, 500, 503, 521, 522, 523, 525, 526})
# The request may have arrived, only the answer did not.
_AMBIGUOUS = frozenset({502, 504, 520, 524, 527})
# The definition or the key is wrong: every further request would fail alike.
_BLOCKED = frozenset({401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 501, 505})
# They may ask to wait.
_WAITING = (Outcome.RATE_LIMITED, Outcome.NOT_SENT)


def read(answer: Answer, now: float | None = None) -> Verdict:
    """Return what the answer means for everybody in the request, by its rules.

    `now` (epoch seconds) counts only for an answer without a Date header. One with a
    body that nobody can read, as JSON of a thousand levels, means what its status says.
    """
    try:
        return _read(answer, _parsed(answer.body), now)
    except (ValueError, TypeError, RecursionError):
        return _read(answer, None, now)


def _read(answer: Answer, body: JSON, now: float | None) -> Verdict:
    errors = read_errors(body, answer)
    message = _message(body)
    outcome = _outcome(answer, body, message)
    if outcome is Outcome.SENT and errors.nameless:
        outcome = Outcome.ACCEPTED_UNVERIFIED
    is_clear = outcome is Outcome.SENT
    is_in_doubt = outcome is Outcome.ACCEPTED_UNVERIFIED
    note = notes.note(body, answer, errors.named) if is_clear else ""
    return Verdict(
        outcome=outcome,
        errors=errors.named,
        has_errors=bool(errors.named or errors.nameless),
        message=_joined([message, *errors.nameless]),
        doubt=(_joined(errors.nameless) or _doubt(answer)) if is_in_doubt else "",
        note=note[:MAX_WORDS],
        wait_seconds=_wait(answer, now) if outcome in _WAITING else None,
    )


def _joined(sentences: Iterable[str]) -> str:
    return "; ".join(filter(None, sentences))[:MAX_WORDS]


def _message(body: JSON) -> str:
    if not isinstance(body, dict):
        return ""
    return object_errors.words(body.get("message") or body.get("error"))


def _doubt(answer: Answer) -> str:
    """Why a success is none that anybody can be sure of."""
    if answer.truncated:
        return "The answer was cut off before its end."
    if answer.status not in answer.rules.success:
        return f"{answer.status} is not one of the statuses of a success."
    return "The answer does not say that it is a success."


def explain(answer: Answer, verdict: Verdict) -> str:
    """Return in plain words what happened and what to do next."""
    match verdict.outcome:
        case Outcome.SENT if verdict.errors:
            return f"Accepted, but not all of it. {_named(verdict)}"
        case Outcome.SENT:
            done = "Accepted. It can take a moment until the data can be seen."
            return f"{done} {verdict.note}".rstrip()
        case Outcome.ACCEPTED_UNVERIFIED:
            return _unverified(answer, verdict)
        case Outcome.REFUSED if 200 <= answer.status < 300:
            return (
                f"Not taken: the status is {answer.status}, but the answer does not say"
                f" that it is a success. {_named(verdict)}"
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
    return said_first(
        answer, verdict, words.replace("PERMISSION", _permission(answer.rules))
    )


def said_first(answer: Answer, verdict: Verdict, words: str) -> str:
    """Put what the answer itself objects to before what its status usually means."""
    if not verdict.has_errors:
        return words
    return (
        f"Refused with {answer.status}, and the answer is about the data:"
        f" {_named(verdict)} If that is right as it is: {words[:1].lower()}{words[1:]}"
    )


def _unverified(answer: Answer, verdict: Verdict) -> str:
    refused = f"Refused are {_faults(verdict)}. " if verdict.errors else ""
    return (
        f"{refused}The status is {answer.status}, a success, but nobody can tell what"
        f" was taken: {verdict.doubt.rstrip('.')}. Look for the person on the other side."
    )


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
        # A success, but not one of those that this API has; if it says so at all.
        is_denied = bool(rules.success_path) and _said_success(answer, body) is False
        return Outcome.REFUSED if is_denied else Outcome.ACCEPTED_UNVERIFIED
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
    said = _said_success(answer, body)
    if said is None:
        return Outcome.ACCEPTED_UNVERIFIED
    return Outcome.SENT if said else Outcome.REFUSED


def _said_success(answer: Answer, body: JSON) -> bool | None:
    """Whether the words of the answer are a success; None where it has none."""
    rules = answer.rules
    found = at(body, rules.success_path)
    if answer.truncated:
        return None
    # Blank is nothing; any other shape of a message than a success is a refusal.
    if found not in (None, [], {}) and str(found).strip():
        return not rules.success_values or _word(found) in rules.success_values
    if _word(at(body, rules.also_success)):
        return True
    # What has an error to tell and no word of success is none.
    return False if at(body, ("error",)) else None


def _word(found: JSON) -> str:
    if found is None or isinstance(found, dict | list):
        return ""
    return as_text(found).strip().lower()


def _parsed(body: bytes) -> JSON:
    try:
        parsed: JSON = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return parsed


def _named(verdict: Verdict) -> str:
    """Return which objects are at fault and why, and what to do."""
    faults = _faults(verdict) or verdict.message or "No reason was given"
    return f"{faults.rstrip('.')}. Correct this and test again."


def _faults(verdict: Verdict) -> str:
    """Return the first five objects that are at fault, and why."""
    lines = [f"{e.array}[{e.index}]: {e.message}" for e in verdict.errors[:5]]
    more = len(verdict.errors) - len(lines)
    if more > 0:
        lines.append(f"and {more} more")
    return "; ".join(lines)


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
