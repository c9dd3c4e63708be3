"""What an answer's headers say about the requests that are left (Braze: api/api_limits).

Pure. Other APIs use the same names without the `x-`, as the IETF's draft does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from externalapi.answers.interpretation import seconds_until
from externalapi.http.client import Answer

_PREFIXES = ("x-ratelimit-", "ratelimit-", "x-rate-limit-")
# A header that says more is not about a window of requests.
_LONGEST = timedelta(days=31).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Requests in the window and those left; `reset_at` is when all are back, in UTC."""

    limit: int | None
    remaining: int
    reset_at: datetime | None


def read_budget(answer: Answer, now: datetime) -> Budget | None:
    """Return what is left, None where the answer does not say it.

    Braze's headers are empty on some answers, and absent on a 429 of newer plans.
    """
    for prefix in _PREFIXES:
        remaining = _count(answer, f"{prefix}remaining")
        if remaining is not None:
            return Budget(
                limit=_count(answer, f"{prefix}limit"),
                remaining=remaining,
                reset_at=_reset_at(answer, f"{prefix}reset", now),
            )
    return None


def _count(answer: Answer, name: str) -> int | None:
    text = answer.headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _reset_at(answer: Answer, name: str, now: datetime) -> datetime | None:
    text = answer.headers.get(name, "").strip()
    seconds = seconds_until(text, answer, now.timestamp())
    if seconds is None or not 0 <= seconds < _LONGEST:
        return None
    return (now + timedelta(seconds=seconds)).astimezone(UTC)
