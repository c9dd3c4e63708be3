"""All guards, in the order in which they are asked.

The first that stops somebody says why. Frequency caps come last: whoever is sent something
takes room under them (caps.reserve).
"""

from engagements.guards import (
    caps,
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

# When; how often is asked last, by those who take room under a cap.
WHEN: tuple[Guard, ...] = (quiet_hours.GUARD,)
ORDER = (*WHO, *WHEN)
HOW_OFTEN: tuple[Guard, ...] = (caps.GUARD,)


def stopped(asked: Asked) -> dict[int, Verdict]:
    """Who of the people is stopped, and by what."""
    found: dict[int, Verdict] = {}
    order = ORDER if asked.run else (*ORDER, *HOW_OFTEN)
    for guard in order:
        if asked.people and guard.is_set(asked):
            found = {**guard.ask(asked), **found}
    return found
