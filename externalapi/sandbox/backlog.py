"""Accepted requests that are not applied yet.

"Success" means queued at Braze, not done (api/errors). Here too: in a burst the
answer costs a judgement only, and the people change when it is quiet, when somebody
looks, or when too much is waiting. Whoever looks sees everything.
"""

from collections import deque
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from externalapi.sandbox.judge import Arrays, arrays_of
from externalapi.sandbox.store import Store

# As bytes, a waiting request takes a tenth of the memory its parsed objects take.
_MAX_BYTES = 256 * 1024 * 1024


class Accepted(NamedTuple):
    """One request: when it came, its body, and which of its objects were refused."""

    at: float
    body: bytes
    refused: dict[str, list[int]]

    def arrays(self) -> Arrays:
        """The accepted objects."""
        arrays = arrays_of(orjson.loads(self.body))
        for name, indexes in self.refused.items():
            gone = set(indexes)
            arrays[name] = [
                item for index, item in enumerate(arrays[name]) if index not in gone
            ]
        return arrays


class Backlog:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Accepted] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: Accepted) -> None:
        self._waiting.append(request)
        self._bytes += len(request.body)
        while self._bytes > _MAX_BYTES:
            self.apply_one()

    def apply_one(self) -> None:
        request = self._waiting.popleft()
        self._bytes -= len(request.body)
        at = datetime.fromtimestamp(request.at, UTC)
        self._store.apply(request.arrays(), at)

    def apply_all(self) -> None:
        while self._waiting:
            self.apply_one()
