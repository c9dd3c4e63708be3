"""Letters on the wire: many at once, in threads that do nothing else."""

import queue
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from engagements.letters import Letter, Result
from externalapi import client, lines

# Requests that one worker has on the wire together: what a crash of it can put in doubt.
AT_ONCE = 64
# Answers that come within this time are written down together, if so many come.
GATHER = 0.008
GATHERED = 24


class Senders:
    """Threads that send; no database in them. Leaving the block waits for all."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sender")
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    @property
    def room(self) -> int:
        """How many more may be posted now."""
        return AT_ONCE - self.in_flight

    def post(self, letters: Sequence[Letter]) -> None:
        self.in_flight += len(letters)
        for letter in letters:
            self._pool.submit(self._send, letter)

    def results(self, wait: float) -> list[Result]:
        """The answers that are in; where none is, the first within `wait` seconds.

        Those that follow at once come along: one transaction writes them all down.
        """
        found: list[Result] = []
        until = time.monotonic() + wait
        while len(found) < min(self.in_flight, GATHERED):
            try:
                left = until - time.monotonic()
                found.append(self._results.get(left > 0, max(left, 0) or None))
            except queue.Empty:
                break
            if len(found) == 1:
                until = min(until, time.monotonic() + GATHER)
        while len(found) < self.in_flight and not self._results.empty():
            found.append(self._results.get())
        self.in_flight -= len(found)
        return found

    def _send(self, letter: Letter) -> None:
        self._results.put(send(letter))


def send(letter: Letter) -> Result:
    """Put one letter on the wire and return what came back."""
    assert letter.request is not None
    try:
        answer = lines.send(letter.request, letter.key)
    except client.TransportError as e:
        return Result.of_error(letter, e)
    return Result.of_answer(letter, answer)
