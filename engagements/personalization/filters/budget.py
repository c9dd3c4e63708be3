"""How much work one person's value may be.

A unit is a character that a filter reads or makes; an item of a list is five. A step is a
question of a tag, or a turn of its loop. Whatever the chain of filters and the depth of
loops, both sums are bounded, and so are the time and the memory. The same
budget holds when a value is saved, in the preview and in sending.
"""

import time
from typing import Any

from engagements.personalization.filters.errors import FilterError

MAX_FILTERS = 50
MAX_TEXT = 100_000
MAX_STEPS = 10_000
UNITS = 2_000_000
ITEM = 5
# Of processor time, which a machine that stands still does not use up. It is looked at
# where a filter had more to do than FEW units.
SECONDS = 0.5
FEW = 10_000


class Budget:
    """What is left for one person's value."""

    __slots__ = ("left", "steps", "until")

    def __init__(self) -> None:
        self.left = UNITS
        self.steps = MAX_STEPS
        self.until = 0.0

    def spend(self, value: object) -> None:
        """Count a value that a filter reads; raises FilterError when it is enough."""
        units = weight(value, self.left)
        self.left -= units
        if self.left < 0 or (units > FEW and self._is_late()):
            raise FilterError("this is too much work for one value; use fewer filters")

    def step(self) -> None:
        """Count a question, or a turn of a loop; raises FilterError when it is enough."""
        self.steps -= 1
        if self.steps < 0:
            raise FilterError(f"these tags take more than {MAX_STEPS:,} steps")

    def made(self, value: object) -> None:
        """Count what a filter made; raises FilterError where it is too long."""
        if isinstance(value, str):
            check_length(len(value))
        self.spend(value)

    def _is_late(self) -> bool:
        now = time.thread_time()
        self.until = self.until or now + SECONDS
        return now > self.until


def check_length(length: int) -> None:
    """Raise FilterError for a text that would be longer than any may be."""
    if length > MAX_TEXT:
        raise FilterError(f"the text is longer than {MAX_TEXT:,} characters")


def weight(value: Any, most: int) -> int:
    """The units of a value; a little more than `most` stands for everything above."""
    if isinstance(value, str):
        return len(value) + 1
    if not isinstance(value, list | dict):
        return 1
    units = 1 + ITEM * len(value)
    if isinstance(value, dict):
        units += sum(map(len, value))
        value = value.values()
    for item in value:
        if units > most:
            break
        if isinstance(item, str):
            units += len(item)
        elif isinstance(item, list | dict):
            units += weight(item, most - units)
    return units
