"""A test as the pages show it: its badge, where the time went, and what to copy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from externalapi.http.auth import Auth
from externalapi.models import ConfigurationTest
from externalapi.testing import explanations, records
from externalapi.testing.curl_command import curl_command

# What a stored outcome looks like on the page.
TONES = {
    "sent": "success",
    "accepted_unverified": "warning",
    "rate_limited": "warning",
    "ambiguous": "warning",
}
PHASES = (
    ("dns", "Name lookup (DNS)"),
    ("connect", "Connecting"),
    ("tls", "Secure connection (TLS)"),
    ("first_byte", "Waiting for the first byte"),
)
# The bar is drawn on so many units.
BAR = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One part of the bar: `x` and `width` of its 1,000 units."""

    name: str
    label: str
    ms: float
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLeft:
    limit: int | None
    remaining: int
    reset_at: datetime | None
    # From the answer to the reset.
    wait: timedelta | None

    @property
    def tone(self) -> str:
        is_low = self.limit is not None and self.remaining * 10 < self.limit
        return "warning" if is_low or not self.remaining else "info"


class ShownTest:
    """What the templates ask of a test."""

    # pytest collects classes by this name.
    __test__ = False

    def __init__(self, test: ConfigurationTest) -> None:
        self.test = test
        self.response: dict[str, Any] = test.response
        self.request: dict[str, Any] = test.request

    @property
    def tone(self) -> str:
        if not self.response:
            return "neutral"
        if self.test.is_success:
            return "success"
        if self._is_partly_refused:
            return "warning"
        return TONES.get(self.response.get("outcome", ""), "danger")

    @property
    def badge(self) -> str:
        if status := self.response.get("status"):
            partly = ", partly refused" if self._is_partly_refused else ""
            return f"{status} {self.response['phrase']}".strip() + partly
        if not self.response:
            return "Not finished"
        is_built = self.response["outcome"] != records.NOT_BUILT
        return "No answer" if is_built else "No request"

    @property
    def inputs(self) -> str:
        """The values in one line, in the order of the form; empty ones are left out."""
        values = self.test.values
        order = [str(item["name"]) for item in self.test.version.parameters]
        names = [*(n for n in order if n in values), *(values.keys() - set(order))]
        return ", ".join(f"{name} = {values[name]}" for name in names if values[name])

    @property
    def body(self) -> str:
        return records.pretty(self.response.get("body", ""))

    @property
    def request_body(self) -> str:
        return records.pretty(self.request.get("body", ""))

    @property
    def variable(self) -> str:
        """The name of the shell's variable for what signs in."""
        if self.test.version.connection.sign_in.auth is Auth.OAUTH2:
            return "ACCESS_TOKEN"
        is_braze = explanations.search_users_url(self.test.version.connection)
        return "BRAZE_KEY" if is_braze else "API_KEY"

    @property
    def curl(self) -> str:
        return curl_command(self.request, self.variable)

    @property
    def is_reused(self) -> bool:
        return bool(self._timing.get("is_reused"))

    @property
    def phases(self) -> list[Phase]:
        return list(_phases(self._timing))

    @property
    def budget(self) -> BudgetLeft | None:
        kept = self.response.get("budget")
        if not kept:
            return None
        reset = kept.get("reset_at")
        reset_at = datetime.fromisoformat(reset) if reset else None
        return BudgetLeft(
            limit=kept.get("limit"),
            remaining=kept["remaining"],
            reset_at=reset_at,
            wait=self._after_answer(reset_at) if reset_at else None,
        )

    def _after_answer(self, moment: datetime) -> timedelta:
        took = timedelta(milliseconds=self.response.get("duration_ms", 0))
        return max(moment - self.test.at - took, timedelta(0))

    @property
    def _is_partly_refused(self) -> bool:
        is_taken = self.response.get("outcome") in ("sent", "accepted_unverified")
        return is_taken and bool(self.response.get("has_errors"))

    @property
    def _timing(self) -> Mapping[str, Any]:
        return self.response.get("timing") or {}


def _phases(timing: Mapping[str, Any]) -> Iterator[Phase]:
    """The phases that happened, and at the end what is left of the whole time."""
    total = timing.get("total") or 0.0
    spent = 0.0
    for name, label in PHASES:
        if (ms := timing.get(name)) is not None:
            yield _phase(name, label, ms, spent, total)
            spent += ms
    if spent and total > spent:
        yield _phase("rest", "Preparing and reading", total - spent, spent, total)


def _phase(name: str, label: str, ms: float, start: float, total: float) -> Phase:
    scale = BAR / total if total else 0.0
    return Phase(
        name=name,
        label=label,
        ms=round(ms, 1),
        x=round(start * scale, 1),
        width=round(ms * scale, 1),
    )
