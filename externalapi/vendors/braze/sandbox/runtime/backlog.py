"""Accepted requests that are not applied yet.

"Success" means queued at Braze, not done (api/errors). Here too: in a burst the
answer costs a judgement only, and the people change when it is quiet, when somebody
looks, or when too much is waiting. Whoever looks sees everything.
"""

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from externalapi.vendors.braze.facts.endpoints import TRACK

# As bytes, a waiting request takes a tenth of the memory its parsed objects take.
_MAX_BYTES = 256 * 1024 * 1024
NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Accepted(NamedTuple):
    """One request: when it came, its body, and which of its objects were refused.

    `endpoint` is method and path as Braze's pages write them, `params` what stands in
    the path for a name in braces.
    """

    at: float
    body: bytes
    refused: dict[str, list[int]]
    endpoint: str = TRACK.key
    params: Mapping[str, str] = NO_PARAMS


class Backlog:
    def __init__(self, apply: Callable[[Accepted], None]) -> None:
        self._apply = apply
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
        self._apply(request)

    def apply_all(self) -> None:
        while self._waiting:
            self.apply_one()
