"""What the sandbox was sent: one compact record for each request, and counts."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from externalapi.sandbox.verdicts import Arrays, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request. `status` is None when the sandbox hung up instead of answering."""

    at: float
    method: str
    path: str
    status: int | None
    body: bytes
    arrays: Arrays
    accepted: int
    refused: dict[str, list[int]]
    reasons: list[str]  # why the request or objects of it were refused
    fault: str | None


class Traffic:
    def __init__(self, keep: int) -> None:
        # Bounded, so that a long run fills no memory; the counts below are complete.
        self._records: deque[JsonObject] = deque(maxlen=keep)
        self._digests: set[bytes] = set()
        self.received = 0
        self.objects = 0
        self.accepted = 0
        self.repeated = 0  # accepted requests whose body was accepted before
        self.by_status: Counter[str] = Counter()

    def add(self, request: Received) -> None:
        digest = sha256(request.body)
        objects = sum(map(len, request.arrays.values()))
        self.received += 1
        self.objects += objects
        self.accepted += request.accepted
        self.by_status[str(request.status or "no answer")] += 1
        if request.accepted:
            self.repeated += digest.digest() in self._digests
            self._digests.add(digest.digest())
        self._records.append(
            {
                "n": self.received,
                "at": request.at,
                "method": request.method,
                "path": request.path,
                "status": request.status,
                "objects": objects,
                "accepted": request.accepted,
                "refused": request.refused,
                "reasons": request.reasons,
                "bytes": len(request.body),
                "sha256": digest.hexdigest(),
                "fault": request.fault,
                "external_ids": external_ids(request.arrays),
            }
        )

    def since(self, n: int) -> list[JsonObject]:
        """The kept records after the n-th request, in order of arrival."""
        first = self.received - len(self._records)
        return list(islice(self._records, max(0, n - first), None))

    def latest(self, count: int) -> Iterator[JsonObject]:
        return islice(reversed(self._records), count)


def external_ids(arrays: Arrays) -> dict[str, list[object]]:
    """Position by position; null where an object names its person otherwise."""
    return {name: [*map(_external_id, items)] for name, items in arrays.items()}


def _external_id(item: object) -> object:
    if isinstance(item, dict):
        return item.get("external_id", item.get("external_user_id"))
    return None
