"""What the sandbox was sent: one compact record for each request, and counts."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from externalapi.vendors.braze.facts.contract import INVALID_API_KEY
from externalapi.vendors.braze.sandbox.rules.verdicts import Arrays, JsonObject

# Whole requests are kept for the page that shows them, and no more than it shows.
KEEP_WHOLE = 100
_MAX_TEXT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRequest:
    """What was sent and what was answered, each cut off where it is very long.

    `key` is the masked one; the answer to an unknown key repeats it, masked as well.
    `page` is the endpoint's in Braze's documentation.
    """

    page: str
    key: str
    body: bytes
    answer: bytes
    is_cut: bool


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
    page: str
    key: str
    answer: bytes


class Traffic:
    def __init__(self, keep: int) -> None:
        # Bounded, so that a long run fills no memory; the counts below are complete.
        self._records: deque[JsonObject] = deque(maxlen=keep)
        self._whole: deque[WholeRequest] = deque(maxlen=KEEP_WHOLE)
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
        self._whole.append(_whole_request(request))
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

    def one(self, n: int) -> tuple[JsonObject, WholeRequest] | None:
        """The n-th request, if it is among the newest."""
        back = n - self.received - 1
        kept = min(len(self._whole), len(self._records))
        return (self._records[back], self._whole[back]) if -kept <= back < 0 else None

    def latest(self, count: int) -> Iterator[JsonObject]:
        return islice(reversed(self._records), count)


def external_ids(arrays: Arrays) -> dict[str, list[object]]:
    """Position by position; null where an object names its person otherwise.

    An object for several people, as those of subscriptions are, has a list of them.
    """
    return {name: [*map(_external_id, items)] for name, items in arrays.items()}


def _external_id(item: object) -> object:
    if not isinstance(item, dict):
        return None
    found = item.get("external_id")
    # Nearly always it is that one, and a request has many objects.
    return found or item.get("external_user_id") or item.get("external_ids")


def masked(key: str) -> str:
    """A key that can be told from others, and not be used."""
    return f"…{key[-4:]}" if len(key) > 8 else "…" if key else "none"


def _whole_request(request: Received) -> WholeRequest:
    answer = request.answer
    if request.key and request.status == INVALID_API_KEY.status:
        answer = answer.replace(request.key.encode(), masked(request.key).encode())
    return WholeRequest(
        page=request.page,
        key=masked(request.key),
        body=request.body[:_MAX_TEXT_BYTES],
        answer=answer[:_MAX_TEXT_BYTES],
        is_cut=max(len(request.body), len(answer)) > _MAX_TEXT_BYTES,
    )
