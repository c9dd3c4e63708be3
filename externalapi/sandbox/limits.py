"""Braze's rate limits: a burst window of three seconds and a window of a clock hour.

api_limits and post_user_track, "Rate limit". Pure: the time comes in. That the burst
window slides (so that no three seconds ever hold more) and that refused requests do
not count are inferred, and so is the burst limit in the headers of a plan without an
hourly limit.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from externalapi.braze import contract

# A recorded 401 has the three headers, empty.
EMPTY_HEADERS: Mapping[str, str] = dict.fromkeys(contract.RATE_HEADERS, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a contract allows. `reset_in_seconds` is how the newer plans write Reset."""

    burst: int = contract.BURST_REQUESTS
    hourly: int | None = None
    reset_in_seconds: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    is_allowed: bool
    headers: Mapping[str, str]


class Limiter:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._recent: deque[float] = deque()
        self._arrivals: deque[float] = deque()
        self._hour = 0
        self._used = 0
        self.peak = 0  # the most requests in any three seconds, also refused ones

    def admit(self, now: float) -> Admission:
        """Count one request that arrives now, or refuse it."""
        self._forget_before(now)
        self._arrivals.append(now)
        self.peak = max(self.peak, len(self._arrivals))
        wait = self._wait(now)
        if wait is not None:
            return Admission(is_allowed=False, headers=self._refusal(now, wait))
        self._recent.append(now)
        self._used += 1
        return Admission(is_allowed=True, headers=self._headers(now))

    def _forget_before(self, now: float) -> None:
        start = now - contract.BURST_SECONDS
        for times in (self._recent, self._arrivals):
            while times and times[0] <= start:
                times.popleft()
        hour = int(now) // contract.HOUR_SECONDS
        if hour != self._hour:
            self._hour, self._used = hour, 0

    def _wait(self, now: float) -> float | None:
        """Seconds until the next request would be allowed; None when it is now."""
        if self._plan.hourly is not None and self._used >= self._plan.hourly:
            return self._next_hour() - now
        if len(self._recent) >= self._plan.burst:
            return self._recent[0] + contract.BURST_SECONDS - now
        return None

    def _refusal(self, now: float, wait: float) -> Mapping[str, str]:
        """Newer plans leave the three headers out; for the others no page says."""
        retry = {contract.RETRY_AFTER_HEADER: str(max(1, ceil(wait)))}
        return retry if self._plan.reset_in_seconds else self._headers(now) | retry

    def _headers(self, now: float) -> dict[str, str]:
        if self._plan.hourly is not None:
            limit, used, end = self._plan.hourly, self._used, float(self._next_hour())
        else:
            limit, used = self._plan.burst, len(self._recent)
            oldest = self._recent[0] if self._recent else now
            end = oldest + contract.BURST_SECONDS
        reset = end - now if self._plan.reset_in_seconds else end
        return {
            contract.LIMIT_HEADER: str(limit),
            contract.REMAINING_HEADER: str(max(0, limit - used)),
            contract.RESET_HEADER: str(ceil(reset)),
        }

    def _next_hour(self) -> int:
        return (self._hour + 1) * contract.HOUR_SECONDS
