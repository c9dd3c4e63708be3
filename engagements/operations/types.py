"""What an operator sees of delivery: plain values, for the page and for commands."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from engagements.throttling import circuit_breaker
from segments.ingest.health import Intake


class Cause(StrEnum):
    """What keeps an engagement's people from being sent any faster."""

    NOTHING = "nothing to do"
    ON_ITS_WAY = "on its way"
    PAUSED = "paused"
    STOPPED = "stopped by an error"
    ASKED_TO_WAIT = "asked to wait"
    BREAKER_OPEN = "breaker open"
    RATE_PLAN = "rate plan used up"
    RETRYING = "waiting to try again"
    NO_WORKER = "no worker"
    DATABASE = "database"
    WORKERS_BUSY = "all workers busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The limiting factor in words, and how it is known."""

    cause: Cause
    text: str
    evidence: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What an engagement has not sent yet. `due`: batches that a worker may take now."""

    engagement_id: int
    name: str
    state: str
    is_held: bool
    blocked_reason: str
    connection_ids: tuple[int, ...]
    people: int
    batches: int
    due: int
    # Put back for want of a permit: pending, and not before a moment to come.
    held_back: int
    in_hand: int
    retries: int
    oldest_at: datetime
    due_since: datetime | None
    next_at: datetime | None
    retry_at: datetime | None
    last_retry_at: datetime | None
    is_collecting: bool
    limit: Limit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What was sent in the last `seconds`, and that by second."""

    seconds: int
    people: int
    requests: int

    @property
    def people_a_second(self) -> float:
        return self.people / self.seconds

    @property
    def requests_a_second(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A connection's rate plan, what of it is used, and whether the way is open."""

    connection_id: int
    name: str
    burst_limit: int
    burst_seconds: int
    hour_limit: int | None
    hour_used: int
    requests_a_second: float
    breaker: circuit_breaker.Reading

    @property
    def allowed_a_second(self) -> float:
        return self.burst_limit / self.burst_seconds

    @property
    def percent(self) -> int:
        """How much of the burst plan the last 10 seconds used."""
        return round(self.requests_a_second * 100 / self.allowed_a_second)

    @property
    def hour_percent(self) -> int | None:
        return None if not self.hour_limit else self.hour_used * 100 // self.hour_limit

    @property
    def is_hour_used_up(self) -> bool:
        return self.hour_limit is not None and self.hour_used >= self.hour_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Batches in one process's hands; no name before they are about to be sent."""

    worker: str
    batches: int
    people: int
    since: datetime
    until: datetime
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """A worker's processes, as far as they have looked for work lately."""

    node: str
    processes: int
    seen_at: datetime
    is_at_work: bool
    drain_asked_at: datetime | None
    # The mistake that it met lately and left lying; empty where there was none.
    problem: str = ""
    # How far its clock is ahead of the database's, in seconds.
    clock_ahead: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreSeen:
    """A piece of the tick's work that did not come to its end the last time."""

    name: str
    problem: str
    trying_for: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """An engagement's people about whom somebody has to decide."""

    engagement_id: int
    name: str
    batches: int
    people: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """How the database feels: sessions of all programs on it."""

    sessions: int
    most_sessions: int
    waiting_for_locks: int
    longest_wait: timedelta

    @property
    def is_strained(self) -> bool:
        is_full = self.sessions >= 0.9 * self.most_sessions
        return is_full or self.waiting_for_locks > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that an operator has to look at now.

    `is_everybodys`: delivery as a whole does not work, not one connection or engagement.
    """

    name: str
    text: str
    advice: str
    is_everybodys: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All of it at one moment of the database's clock."""

    read_at: datetime
    tick_at: datetime | None
    backlogs: tuple[Backlog, ...]
    rates: tuple[Rate, ...]
    plans: tuple[Plan, ...]
    leases: tuple[Lease, ...]
    workers: tuple[WorkerSeen, ...]
    chores: tuple[ChoreSeen, ...]
    doubts: tuple[Doubt, ...]
    database: Database
    intake: Intake
    held_engagements: int
    limit: Limit
    alarms: tuple[Alarm, ...] = ()

    @property
    def tick_age(self) -> timedelta | None:
        return self.read_at - self.tick_at if self.tick_at else None

    @property
    def clock_ahead(self) -> float | None:
        """Of the workers' clocks the one that is off most; None: no worker was seen."""
        found = [worker.clock_ahead for worker in self.workers]
        return max(found, key=abs, default=None)

    @property
    def people(self) -> int:
        return sum(backlog.people for backlog in self.backlogs)

    @property
    def batches(self) -> int:
        return sum(backlog.batches for backlog in self.backlogs)

    @property
    def uncertain(self) -> int:
        return sum(doubt.people for doubt in self.doubts)

    @property
    def retries(self) -> int:
        return sum(backlog.retries for backlog in self.backlogs)
