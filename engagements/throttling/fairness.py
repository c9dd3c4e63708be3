"""Whose request goes first, and of which versions only few go at first."""

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from engagements.outbox.prepared_request import PreparedRequest, Result
from engagements.throttling.rate_limit import FEW, IDLE
from externalapi.answers.interpretation import Outcome

# Only these say that a version works.
TAKEN = (Outcome.SENT, Outcome.ACCEPTED_UNVERIFIED)


def in_turn(requests: Sequence[PreparedRequest]) -> list[PreparedRequest]:
    """People who just entered first; then every engagement's first request, and so on."""
    counts: Counter[int] = Counter()
    ranks: dict[int, tuple[bool, int, float]] = {}
    for prepared in requests:
        engagement = prepared.run.engagement_id
        rank = (not prepared.run.is_standing, counts[engagement], random.random())
        ranks[prepared.batch_id] = rank
        counts[engagement] += 1
    return sorted(requests, key=lambda prepared: ranks[prepared.batch_id])


# When this process last saw a version answered, by its id (monotonic).
_answered: dict[int, float] = {}


class Trials:
    """Requests on the wire of versions that this process has not seen answered lately.

    A wrong address, a missing permission or what everybody is refused for is its
    version's alone, so that what the connection's other versions do says nothing: it
    costs FEW requests at a time, not a claim's worth.
    """

    def __init__(self) -> None:
        self._out: Counter[int] = Counter()

    def choose(
        self, requests: Iterable[PreparedRequest]
    ) -> tuple[list[PreparedRequest], list[PreparedRequest]]:
        """Those that may go now, and those that wait for the others' answers."""
        going: list[PreparedRequest] = []
        waiting: list[PreparedRequest] = []
        counts = self._out.copy()
        for prepared in requests:
            version = prepared.run.version_id
            may_go = _is_answered(version) or counts[version] < FEW
            counts[version] += 1
            (going if may_go else waiting).append(prepared)
        return going, waiting

    def sent(self, requests: Iterable[PreparedRequest]) -> None:
        self._out.update(prepared.run.version_id for prepared in requests)

    def answered(self, results: Iterable[Result]) -> None:
        for result in results:
            version = result.prepared.run.version_id
            self._out[version] -= 1
            if result.verdict.outcome in TAKEN:
                _answered[version] = time.monotonic()


def _is_answered(version_id: int) -> bool:
    since = time.monotonic() - _answered.get(version_id, float("-inf"))
    return since < IDLE.total_seconds()
