"""What is known of a person whom an engagement compares, and what will be."""

from collections.abc import Iterable
from itertools import repeat
from typing import NamedTuple


class Known(NamedTuple):
    """A person's state (engagements.sync.state); uncertain, only its names count.

    `written_by`: the transaction that wrote it, which is another after each change.
    """

    state: bytes
    is_certain: bool
    written_by: int = 0


class Mark(NamedTuple):
    """What is so when a person is accepted, and their data points.

    A state of None: nothing is kept of them.
    """

    state: bytes | None
    points: int = 0
    saved: int = 0

    @classmethod
    def each(cls, states: Iterable[bytes], points: Iterable[int]) -> list["Mark"]:
        """Those of many people who save nothing, in a loop that is not Python's."""
        rows = zip(states, points, repeat(0), strict=False)
        return list(map(tuple.__new__, repeat(cls), rows))
