"""Braze's rate limits: those of a contract for /users/track, fixed ones for the rest.

api_limits and post_user_track, "Rate limit". Pure: the time comes in. That the burst
window slides (so that no three seconds ever hold more) and that refused requests do
not count are inferred, and so is the burst limit in the headers of a plan without an
hourly limit. The windows of the other endpoints start again on the clock.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.facts.endpoints import (
    AUDIENCE_LIMIT,
    BROADCAST_LIMIT,
    TRACK_LIMIT,
    Limit,
)

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


class Window:
    """So many requests a minute (or hour, or second) of the clock."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._number = 0
        self._used = 0

    def has_room(self, now: float) -> bool:
        self._turn(now)
        return self._used < self._limit.requests

    def count(self, now: float) -> None:
        self._turn(now)
        self._used += 1

    def headers(self, now: float) -> dict[str, str]:
        self._turn(now)
        return {
            contract.LIMIT_HEADER: str(self._limit.requests),
            contract.REMAINING_HEADER: str(self._limit.requests - self._used),
            contract.RESET_HEADER: str(self._end()),
        }

    def refusal(self, now: float) -> dict[str, str]:
        """With the header of a 429 that only the page of /users/track describes."""
        wait = str(max(1, ceil(self._end() - now)))
        return self.headers(now) | {contract.RETRY_AFTER_HEADER: wait}

    def _turn(self, now: float) -> None:
        number = int(now) // self._limit.seconds
        if number != self._number:
            self._number, self._used = number, 0

    def _end(self) -> int:
        return (self._number + 1) * self._limit.seconds


class Limits:
    """All limits of a workspace; `changed` has other numbers for some, by name."""

    def __init__(self, plan: Plan, changed: Mapping[str, int]) -> None:
        self.track = Limiter(plan)
        self._changed = changed
        # A window for each limit, and for each audience of a broadcast.
        self._windows: dict[str, Window] = {}

    def admit(self, limit: Limit, now: float) -> Admission:
        """Count one request that arrives now, or refuse it."""
        if limit is TRACK_LIMIT:
            return self.track.admit(now)
        return _admitted([self._window(limit, limit.name)], now)

    def admit_broadcast(self, audience: str, now: float) -> Admission:
        """A send to a whole audience: one limit for all, a narrower one for each."""
        windows = [
            self._window(AUDIENCE_LIMIT, f"{AUDIENCE_LIMIT.name} {audience}"),
            self._window(BROADCAST_LIMIT, BROADCAST_LIMIT.name),
        ]
        return _admitted(windows, now)

    def _window(self, limit: Limit, name: str) -> Window:
        window = self._windows.get(name)
        if window is None:
            requests = self._changed.get(limit.name, limit.requests)
            window = Window(replace(limit, requests=requests))
            self._windows[name] = window
        return window


def _admitted(windows: list[Window], now: float) -> Admission:
    """Let in if all have room; the headers are those of the first without, or last."""
    for window in windows:
        if not window.has_room(now):
            return Admission(is_allowed=False, headers=window.refusal(now))
    for window in windows:
        window.count(now)
    return Admission(is_allowed=True, headers=windows[-1].headers(now))
