"""Named rate plans, which a connection's form fills its limits with."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from externalapi.vendors.braze.facts.contract import (
    BURST_REQUESTS,
    BURST_SECONDS,
    HOURLY_REQUESTS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePlan:
    """Requests in each window of so many seconds; `per_hour` None: no hourly limit."""

    per_burst: int = BURST_REQUESTS
    burst_seconds: int = BURST_SECONDS
    per_hour: int | None = None

    def fields(self) -> dict[str, int | None]:
        """Return the plan as the fields of a connection that hold it."""
        return {
            "requests_per_burst": self.per_burst,
            "burst_seconds": self.burst_seconds,
            "requests_per_hour": self.per_hour,
        }


# Braze's page api/api_limits; the last one is what it said of older contracts.
RATE_PLANS: Mapping[str, RatePlan] = MappingProxyType(
    {
        "braze_track": RatePlan(),
        "braze_others": RatePlan(per_hour=HOURLY_REQUESTS),
        "braze_older": RatePlan(per_burst=50_000, burst_seconds=60),
    }
)
RATE_PLAN_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "braze_track": "Braze Track Users: 3,000 in 3 seconds",
        "braze_others": "Braze's other endpoints: 250,000 an hour as well",
        "braze_older": "Braze older contracts: 50,000 a minute",
    }
)


def rate_plan_code(values: Mapping[str, object]) -> str | None:
    """Return the code of the plan that a connection's fields hold, None for another."""
    for code, plan in RATE_PLANS.items():
        if all(values.get(name) == value for name, value in plan.fields().items()):
            return code
    return None
