"""All guards, in the order in which they are asked.

The first that stops somebody says why. Whoever is sent something all the same is
counted and limited behind them: a guard of caps has its place in front of the quiet
hours.
"""

from engagements.guards import (
    consent,
    exclusion,
    holdout,
    left_segment,
    quiet_hours,
    suppression,
)
from engagements.guards.asking import Asked, Guard, Verdict

# Whom an engagement sends to at all.
WHO: tuple[Guard, ...] = (
    suppression.GUARD,
    consent.GUARD,
    exclusion.GUARD,
    left_segment.GUARD,
    holdout.GLOBAL,
    holdout.GUARD,
)

# When, and how often: a guard of frequency caps has its place in front of quiet hours.
WHEN: tuple[Guard, ...] = (quiet_hours.GUARD,)
ORDER = (*WHO, *WHEN)


def stopped(asked: Asked) -> dict[int, Verdict]:
    """Who of the people is stopped, and by what."""
    found: dict[int, Verdict] = {}
    for guard in ORDER:
        if asked.people and guard.is_set(asked):
            found = {**guard.ask(asked), **found}
    return found
