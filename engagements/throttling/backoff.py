"""When a batch that was not taken is tried again."""

from datetime import timedelta

SCHEDULE = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        5,
        15,
        60,
        300,
        900,
        1_800,
        3_600,
        3_600,
        7_200,
        7_200,
        14_400,
        14_400,
    )
)
MAX_AGE = timedelta(hours=24)
# A server's own hint ("come back in …") wins when it is longer, up to this.
MAX_HINT = timedelta(minutes=15)
JITTER = 0.2


def wait(attempt_count: int, chance: float, hint: timedelta | None = None) -> timedelta:
    """How long to wait after `attempt_count` attempts (1 and up).

    `chance` is a random number in [0, 1): it spreads the wait by ±20 %.
    """
    step = SCHEDULE[min(max(attempt_count, 1), len(SCHEDULE)) - 1]
    spread = step * (1 - JITTER + 2 * JITTER * chance)
    return max(spread, min(hint or timedelta(0), MAX_HINT))


def is_used_up(attempt_count: int, age: timedelta) -> bool:
    """Whether a batch has had all the attempts, or all the time, that it gets."""
    return attempt_count > len(SCHEDULE) or age > MAX_AGE
