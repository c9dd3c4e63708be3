"""A connection that fails is left alone for a while, then tried once.

Its state is a Destination's row, shared by all workers. `blocked_until` alone keeps the
claim away, whoever set it: an open circuit breaker, a probe on its way (rate_limit), or a
rate limit.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from engagements.models import Destination
from engagements.outbox.prepared_request import PreparedRequest, Result
from externalapi.answers.interpretation import Outcome
from externalapi.testing.connection_check import learn_it_works
from lemnisk_braze.lib.logs import after_commit, get_logger

logger = get_logger(__name__)

IN_A_ROW = 5
WINDOW = timedelta(seconds=60)
WINDOW_ATTEMPTS = 20
FIRST_OPEN = timedelta(seconds=30)
LONGEST_OPEN = timedelta(minutes=10)
# In seconds.
LOOK_AGAIN = 1.0
# A success is written down this often at most.
FRESH = timedelta(seconds=10)


class Sign(Enum):
    """What an outcome tells about the connection itself."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEITHER = "neither"


# A refusal is an answer too: whoever reads and refuses is there. What is ambiguous
# counts as a failure, so that a storm of lost answers does not put everybody in doubt.
SIGNS = {
    Outcome.SENT: Sign.SUCCESS,
    Outcome.ACCEPTED_UNVERIFIED: Sign.SUCCESS,
    Outcome.REFUSED: Sign.SUCCESS,
    Outcome.TOO_BIG: Sign.SUCCESS,
    Outcome.NOT_SENT: Sign.FAILURE,
    Outcome.AMBIGUOUS: Sign.FAILURE,
    Outcome.RATE_LIMITED: Sign.NEITHER,
    Outcome.BLOCKED: Sign.NEITHER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is remembered of a connection's last answers.

    The window begins with a failure. `times_opened` is 0 while the circuit breaker is closed.
    """

    failures_in_a_row: int = 0
    window_started_at: datetime | None = None
    window_attempts: int = 0
    window_failures: int = 0
    times_opened: int = 0


def judge(
    health: Health, signs: Iterable[Sign], now: datetime
) -> tuple[Health, timedelta | None]:
    """The health after these answers, in order; and how long to open, if at all."""
    telling = [sign for sign in signs if sign is not Sign.NEITHER]
    if not telling:
        return health, None
    if health.times_opened:
        if telling[-1] is Sign.SUCCESS:
            return Health(), None
        return _opened(health)
    health = _counted(health, telling, now)
    return _opened(health) if _trips(health) else (health, None)


def _opened(health: Health) -> tuple[Health, timedelta]:
    wait = min(FIRST_OPEN * 2 ** min(health.times_opened, 10), LONGEST_OPEN)
    return replace(
        Health(failures_in_a_row=health.failures_in_a_row),
        times_opened=health.times_opened + 1,
    ), wait


def _counted(health: Health, signs: Sequence[Sign], now: datetime) -> Health:
    start = health.window_started_at
    if start is not None and start + WINDOW <= now:
        health = Health(failures_in_a_row=health.failures_in_a_row)
    for sign in signs:
        is_failure = sign is Sign.FAILURE
        in_window = health.window_started_at is not None or is_failure
        health = replace(
            health,
            failures_in_a_row=health.failures_in_a_row + 1 if is_failure else 0,
            window_started_at=health.window_started_at or (now if is_failure else None),
            window_attempts=health.window_attempts + in_window,
            window_failures=health.window_failures + is_failure,
        )
    return health


def _trips(health: Health) -> bool:
    is_half = health.window_failures * 2 >= health.window_attempts
    return health.failures_in_a_row >= IN_A_ROW or (
        health.window_attempts >= WINDOW_ATTEMPTS and is_half
    )


# --- After the answers ----------------------------------------------------------------


def note(requests: Iterable[PreparedRequest], results: Sequence[Result]) -> None:
    """Remember what the answers tell about the connections of these requests.

    A probe that never left (its engagement was paused) is forgotten.
    """
    told: dict[int, list[Result]] = {
        prepared.connection_id: [] for prepared in requests
    }
    for result in results:
        told[result.prepared.connection_id].append(result)
    for connection_id, its_results in sorted(told.items()):
        signs = [SIGNS[result.verdict.outcome] for result in its_results]
        if set(signs) == {Sign.SUCCESS} and _has_looked(connection_id):
            continue
        if set(signs) != {Sign.SUCCESS}:
            await_answer(connection_id)
        if set(signs) != {Sign.SUCCESS} or _is_news(connection_id):
            _note(connection_id, signs, _problem(its_results))
        _learn_of_key(its_results)


def _learn_of_key(results: Sequence[Result]) -> None:
    """A key that was refused before, or never checked, works where somebody is taken."""
    if any(result.verdict.outcome is Outcome.BLOCKED for result in results):
        return
    taken = [
        (result.prepared.run, result.asked_at)
        for result in results
        if result.verdict.outcome is Outcome.SENT and result.asked_at
    ]
    for run, asked_at in taken[-1:]:
        learn_it_works(
            run.version.connection, f"A request of “{run.engagement}”", asked_at
        )


# When this worker last looked whether a success is news, by connection (monotonic).
_looked: dict[int, float] = {}


def await_answer(connection_id: int) -> None:
    """A probe is on its way, or something went wrong: the next answer is news."""
    _looked.pop(connection_id, None)


def _has_looked(connection_id: int) -> bool:
    """Whether it is a moment ago; at a hundred answers a second nobody looks at each."""
    now = time.monotonic()
    if now - _looked.get(connection_id, -LOOK_AGAIN) < LOOK_AGAIN:
        return True
    _looked[connection_id] = now
    return False


def _is_news(connection_id: int) -> bool:
    """Whether another success changes anything in the row."""
    return (
        Destination.objects.filter(pk=connection_id)
        .filter(
            Q(is_wary=True)
            | Q(failures_in_a_row__gt=0)
            | Q(failing_since__isnull=False)
            | Q(times_opened__gt=0)
            | Q(window_started_at__isnull=False)
            | Q(probing_until__isnull=False)
            | Q(succeeded_at=None)
            | Q(succeeded_at__lt=Now() - FRESH)
        )
        .exists()
    )


def _problem(results: Sequence[Result]) -> str:
    """The newest words of a connection that did not answer with a success."""
    for result in reversed(results):
        if SIGNS[result.verdict.outcome] is not Sign.SUCCESS:
            words = result.verdict.message
            return f"{result.status or ''} {words}".strip()
    return ""


@transaction.atomic
def _note(connection_id: int, signs: Sequence[Sign], problem: str) -> None:
    row = (
        Destination.objects.select_for_update()
        .annotate(now=Now())
        .filter(pk=connection_id)
        .first()
    )
    if row is None:
        return
    if row.is_open_at(row.now) and not row.is_probed_at(row.now):
        # Answers to what was on the wire when it opened say nothing new.
        return
    health, open_for = judge(_health(row), signs, row.now)
    # Whatever else closes it, the probe does not any more.
    kept = None if row.blocked_until == row.probing_until else row.blocked_until
    changes: dict[str, object] = {**asdict(health), "probing_until": None}
    changes["blocked_until"] = (
        max(kept or row.now, row.now + open_for) if open_for else kept
    )
    if signs:
        changes["is_wary"] = signs[-1] is not Sign.SUCCESS
    if Sign.FAILURE in signs and row.failing_since is None:
        changes["failing_since"] = row.now
    if Sign.SUCCESS in signs:
        changes |= {"succeeded_at": row.now, "failing_since": None}
    if problem:
        changes |= {"last_problem": problem, "last_problem_at": row.now}
    Destination.objects.filter(pk=connection_id).update(**changes)
    if open_for:
        after_commit(
            logger.warning,
            "circuit_breaker.opened",
            connection_id=connection_id,
            seconds=open_for.total_seconds(),
        )
    elif row.times_opened and not health.times_opened:
        after_commit(
            logger.warning, "circuit_breaker.closed", connection_id=connection_id
        )


def _health(row: Destination) -> Health:
    return Health(
        failures_in_a_row=row.failures_in_a_row,
        window_started_at=row.window_started_at,
        window_attempts=row.window_attempts,
        window_failures=row.window_failures,
        times_opened=row.times_opened,
    )


# --- For people -----------------------------------------------------------------------


class State(StrEnum):
    CLOSED = "closed"
    RATE_LIMITED = "rate_limited"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A connection's state for the operator; `until` is None where nothing is waited for.

    `problem` is what it said last that was no success, and when.
    """

    state: State
    until: datetime | None
    failures_in_a_row: int
    problem: str
    problem_at: datetime | None


def read(row: Destination, now: datetime) -> Reading:
    """How a connection does at `now`."""
    is_blocked = row.blocked_until is not None and row.blocked_until > now
    if row.is_open_at(now) and not row.is_probed_at(now):
        state = State.OPEN
    elif row.times_opened:
        state = State.HALF_OPEN
    elif is_blocked and not row.is_probed_at(now):
        state = State.RATE_LIMITED
    else:
        state = State.CLOSED
    return Reading(
        state=state,
        until=row.blocked_until if state in (State.OPEN, State.RATE_LIMITED) else None,
        failures_in_a_row=row.failures_in_a_row,
        problem=row.last_problem,
        problem_at=row.last_problem_at,
    )
