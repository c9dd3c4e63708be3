"""Whose letter goes first, and of which versions only few go at first."""

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from engagements.letters import Letter, Result
from engagements.pacing import FEW, IDLE
from externalapi.answers import Outcome

# Only these say that a version works.
TAKEN = (Outcome.SENT, Outcome.ACCEPTED_UNVERIFIED)


def in_turn(letters: Sequence[Letter]) -> list[Letter]:
    """People who just entered first; then every engagement's first letter, and so on."""
    counts: Counter[int] = Counter()
    ranks: dict[int, tuple[bool, int, float]] = {}
    for letter in letters:
        engagement = letter.run.engagement_id
        rank = (not letter.run.is_standing, counts[engagement], random.random())
        ranks[letter.batch_id] = rank
        counts[engagement] += 1
    return sorted(letters, key=lambda letter: ranks[letter.batch_id])


# When this process last saw a version answered, by its id (monotonic).
_answered: dict[int, float] = {}


class Trials:
    """Letters on the wire of versions that this process has not seen answered lately.

    A wrong address, a missing permission or what everybody is refused for is its
    version's alone, so that what the connection's other versions do says nothing: it
    costs FEW requests at a time, not a handful.
    """

    def __init__(self) -> None:
        self._out: Counter[int] = Counter()

    def choose(self, letters: Iterable[Letter]) -> tuple[list[Letter], list[Letter]]:
        """Those that may go now, and those that wait for the others' answers."""
        going: list[Letter] = []
        waiting: list[Letter] = []
        counts = self._out.copy()
        for letter in letters:
            version = letter.run.version_id
            may_go = _is_answered(version) or counts[version] < FEW
            counts[version] += 1
            (going if may_go else waiting).append(letter)
        return going, waiting

    def sent(self, letters: Iterable[Letter]) -> None:
        self._out.update(letter.run.version_id for letter in letters)

    def answered(self, results: Iterable[Result]) -> None:
        for result in results:
            version = result.letter.run.version_id
            self._out[version] -= 1
            if result.verdict.outcome in TAKEN:
                _answered[version] = time.monotonic()


def _is_answered(version_id: int) -> bool:
    since = time.monotonic() - _answered.get(version_id, float("-inf"))
    return since < IDLE.total_seconds()
