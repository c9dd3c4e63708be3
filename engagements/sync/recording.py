"""What an answer says of the state of those who were in the request."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from engagements.models import Attempt, Batch
from engagements.outbox.known import Mark
from engagements.outbox.prepared_request import Result, Synced
from engagements.sync import shape, state
from engagements.sync.state import Ends
from engagements.variants import plan
from externalapi.answers.interpretation import Outcome

# What says that nobody was taken, unless its status is a success.
UNTAKEN = (
    Outcome.NOT_SENT,
    Outcome.RATE_LIMITED,
    Outcome.REFUSED,
    Outcome.TOO_BIG,
    Outcome.BLOCKED,
)
# Of an attempt the places of those whom the other side did not take.
Rejected = Mapping[uuid.UUID, Collection[int]]
NOBODY: Rejected = MappingProxyType({})


def accepted(
    results: Sequence[Result],
    rejected: Rejected = NOBODY,
    late: Collection[uuid.UUID] = (),
) -> None:
    """Keep what the answers say, in the transaction that writes them down.

    Who was rejected has what they had. Where nobody can say who was taken, all are in
    doubt; of what is lost on its way that is written where the batch is (`doubted`).
    """
    own = [result for result in results if result.prepared.synced]
    taken = [r for r in own if r.verdict.outcome is Outcome.SENT]
    state.accept([_ends(result, rejected) for result in taken], late=late)
    for result in own:
        if _is_doubtful(result):
            _doubt(result.prepared.batch_id, result.prepared.attempt_id)


def late(results: Sequence[Result]) -> set[uuid.UUID]:
    """Of the attempts those that were called ambiguous before their answer came.

    Ask it before the answers are written down.
    """
    ids = [r.prepared.attempt_id for r in results if r.prepared.synced]
    if not ids:
        return set()
    known = Attempt.objects.filter(pk__in=ids, outcome=Attempt.Outcome.AMBIGUOUS)
    return set(known.values_list("pk", flat=True))


def doubted(batch: Batch) -> None:
    """Nobody knows whether the batch's request was taken. Call it under its lock."""
    if batch.run.engagement.compares and batch.lease_token:
        _doubt(batch.pk, batch.lease_token)


def as_json(synced: Synced) -> dict[str, Any]:
    """What the record of an answer needs of it, for a journal."""
    return {
        "epoch": synced.epoch,
        "marks": [
            [place, synced.people[place], *_mark_as_json(mark)]
            for place, mark in synced.marks.items()
        ],
    }


def from_json(kept: Mapping[str, Any]) -> Synced:
    """Raises KeyError, TypeError and ValueError for what is not what it wrote."""
    people, marks = {}, {}
    for place, profile_id, text, points, saved in kept["marks"]:
        people[int(place)] = int(profile_id)
        own = None if text is None else bytes.fromhex(text)
        marks[int(place)] = Mark(own, int(points), int(saved))
    return Synced(epoch=int(kept["epoch"]), people=people, known={}, marks=marks)


def _mark_as_json(mark: Mark) -> tuple[str | None, int, int]:
    return (None if mark.state is None else mark.state.hex()), mark.points, mark.saved


def _ends(result: Result, rejected: Rejected) -> Ends:
    prepared, synced = result.prepared, result.prepared.synced
    assert synced
    refused = rejected.get(prepared.attempt_id, ())
    return Ends(
        batch_id=prepared.batch_id,
        attempt_id=prepared.attempt_id,
        engagement_id=prepared.run.engagement_id,
        epoch=synced.epoch,
        people=[
            (place, synced.people[place], synced.marks[place])
            for place in prepared.places
            if place in synced.marks and place not in refused
        ],
        are_new=synced.is_new,
    )


def _is_doubtful(result: Result) -> bool:
    outcome = result.verdict.outcome
    if outcome is Outcome.ACCEPTED_UNVERIFIED:
        return True
    is_success = result.status is not None and 200 <= result.status < 300
    return outcome in UNTAKEN and is_success


def _doubt(batch_id: int, attempt_id: uuid.UUID) -> None:
    batch = Batch.objects.select_related(
        "run__engagement", "run__version__external_api", "run__version__connection"
    ).get(pk=batch_id)
    unknown = shape.NOT_KNOWN
    with suppress(ValueError):
        each = plan.of(batch.run).each(batch.run.values)
        unknown = shape.read(batch.run.version, *each).unknown
    state.doubt(batch_id, attempt_id, unknown)
