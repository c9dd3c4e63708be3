"""Cron expressions, for engineers: five fields, as crontab(5) means them.

Read over the wall clock alone: when a reading is, whatever the clocks do, is said by
`slots` for all schedules. Where both a day of the month and a weekday are given, either is
enough.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from cronsim import CronSim, CronSimError

MAX_LENGTH = 100
FIELDS = ("minute", "hour", "day of the month", "month", "weekday")
RANGES = ("0–59", "0–23", "1–31", "1–12 or JAN–DEC", "0–7 or SUN–SAT")
# From here on an expression must come within so many years, or nobody would wait for it.
BEGIN = datetime(2024, 1, 1)
YEARS = 10
MINUTE = timedelta(minutes=1)
# A run takes people in, and the tick comes every quarter of a minute.
LEAST_APART = timedelta(minutes=5)
LOOKED_AT = 300


class CronError(ValueError):
    """An expression that is none; the text says what is wrong, for its field."""


@lru_cache(maxsize=1_000)
def check(text: str) -> None:
    """Raise CronError where it is no expression, never comes, or comes too often."""
    parts = text.split()
    if len(text) > MAX_LENGTH:
        raise CronError(f"Use at most {MAX_LENGTH} characters.")
    if len(parts) != len(FIELDS):
        raise CronError(
            f"Five fields are needed, with spaces between: {', '.join(FIELDS)}."
            f" Here {'is' if len(parts) == 1 else 'are'} {len(parts)}."
        )
    for number, (field, part) in enumerate(zip(FIELDS, parts, strict=True)):
        alone = ["*"] * len(FIELDS)
        alone[number] = part
        try:
            CronSim(" ".join(alone), BEGIN)
        except (CronSimError, ValueError, TypeError, RecursionError, AssertionError):
            raise CronError(
                f"“{part}” is no {field} of a cron expression. It takes"
                f" {RANGES[number]}, *, lists (1,3), ranges (1-5) and steps (*/10)."
            ) from None
    _check_often(text)


def _check_often(text: str) -> None:
    try:
        found = list(islice(after(text, BEGIN - MINUTE), LOOKED_AT))
    except (CronSimError, ValueError, TypeError):
        found = []
    if not found or found[0].year >= BEGIN.year + YEARS:
        raise CronError(f"It does not come once in {YEARS} years.")
    pairs = zip(found, found[1:], strict=False)
    if any(later - one < LEAST_APART for one, later in pairs):
        raise CronError("It comes more often than every five minutes.")


def after(text: str, wall: datetime) -> Iterator[datetime]:
    """The readings after this one, in order; without zones."""
    try:
        yield from CronSim(text, wall)
    except OverflowError:
        return


def until(text: str, wall: datetime) -> Iterator[datetime]:
    """The readings up to this one, the newest first; without zones."""
    try:
        yield from CronSim(
            text, wall.replace(second=0, microsecond=0) + MINUTE, reverse=True
        )
    except OverflowError:
        return
