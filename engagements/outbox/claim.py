"""A batch that a worker holds, as a value."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import NamedTuple


class Claim(NamedTuple):
    """A batch that this worker holds until its lease runs out.

    The lists are the batch's own, and `now` is what its requests say it is: the time of
    this claim, until one was written. While a run's `stamp` is the same, so is what its
    requests say. A worker that held it before went away without a word where it
    `is_suspect`; then it was claimed alone. By this worker's own clock the lease lasts
    `until` then at least.
    """

    batch_id: int
    run_id: int
    token: uuid.UUID
    profile_ids: Sequence[int]
    event_ids: Sequence[int | None]
    transition_ids: Sequence[int]
    left_out: Sequence[int]
    stamp: str
    is_suspect: bool
    is_standing: bool
    now: datetime
    # Whether a request of it was written before: then `now` is of that time.
    is_written: bool = False
    until: float = float("inf")

    def without(self, places: Collection[int]) -> "Claim":
        """The claim with these places (from 0) left out, too."""
        if not places:
            return self
        return self._replace(left_out=sorted({*self.left_out, *places}))

    def by_place(self) -> Iterator[tuple[int, int, int]]:
        """Who is not left out: the place, the person and their entry; 0 for none."""
        out = set(self.left_out)
        entries = self.transition_ids or repeat(0)
        each = enumerate(zip(self.profile_ids, entries, strict=False))
        return ((at, id, entry or 0) for at, (id, entry) in each if at not in out)
