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
    *,
    are_counted: bool = False,
    is_anybody_gone: bool | None = None,
) -> None:
    """Keep what the answers say, in the transaction that writes them down.

    Their data points stand with the batches already where they `are_counted`;
    `is_anybody_gone` from these, where that is known.

    Who was rejected has what they had. Where nobody can say who was taken, all are in
    doubt; of what is lost on its way that is written where the batch is (`doubted`).
    """
    own = [result for result in results if result.prepared.synced]
    taken = [r for r in own if r.verdict.outcome is Outcome.SENT]
    ends = [_ends(result, rejected) for result in taken]
    state.accept(ends, late=late, is_anybody_gone=is_anybody_gone)
    if not are_counted:
        own_points = [_points([mark for _, _, mark in one.people]) for one in ends]
        state.add_points(
            [(one.batch_id, *its) for one, its in zip(ends, own_points, strict=True)]
        )
    for result in own:
        if _is_doubtful(result):
            _doubt(result.prepared.batch_id, result.prepared.attempt_id)


def points(result: Result) -> tuple[int, int]:
    """The data points of a request that is accepted whole, and those that it saves."""
    prepared, synced = result.prepared, result.prepared.synced
    if synced is None:
        return 0, 0
    return _points([synced.marks[at] for at in prepared.places if at in synced.marks])


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
    """What the record of an answer needs of it, for a journal: a list for each column."""
    columns = list(zip(*synced.marks.values(), strict=True)) or [(), (), ()]
    states, points, saved = columns
    return {
        "epoch": synced.epoch,
        "places": list(synced.marks),
        "people": [synced.people[place] for place in synced.marks],
        # As one text, which is quicker than one for each.
        "states": b"".join(filter(None, states)).hex(),
        "sizes": [None if own is None else len(own) for own in states],
        "points": points,
        "saved": saved,
    }


def from_json(kept: Mapping[str, Any]) -> Synced:
    """Raises KeyError, TypeError and ValueError for what is not what it wrote."""
    people, marks = {}, {}
    for place, profile_id, own, points, saved in _rows(kept):
        people[int(place)] = int(profile_id)
        marks[int(place)] = Mark(own, int(points), int(saved))
    return Synced(epoch=int(kept["epoch"]), people=people, known={}, marks=marks)


def _rows(kept: Mapping[str, Any]) -> list[Any]:
    if "marks" in kept:
        # An older version has left it behind: a row for each person.
        return [
            (place, id, None if text is None else bytes.fromhex(text), points, saved)
            for place, id, text, points, saved in kept["marks"]
        ]
    together, at, states = bytes.fromhex(kept["states"]), 0, list[bytes | None]()
    for size in kept["sizes"]:
        states.append(None if size is None else together[at : at + size])
        at += size or 0
    rest = kept["points"], kept["saved"]
    return list(zip(kept["places"], kept["people"], states, *rest, strict=True))


def _ends(result: Result, rejected: Rejected) -> Ends:
    prepared, synced = result.prepared, result.prepared.synced
    assert synced
    refused = rejected.get(prepared.attempt_id, ())
    people, marks = synced.people, synced.marks
    places = prepared.places
    if not refused and list(people) == list(marks) == list(places):
        # Nearly always: all of them, and in one order.
        own = list(zip(places, people.values(), marks.values(), strict=True))
    else:
        places = [at for at in places if at in marks and at not in refused]
        own = [(place, people[place], marks[place]) for place in places]
    return Ends(
        batch_id=prepared.batch_id,
        attempt_id=prepared.attempt_id,
        engagement_id=prepared.run.engagement_id,
        epoch=synced.epoch,
        people=own,
        are_new=synced.is_new,
    )


def _points(marks: Sequence[Mark]) -> tuple[int, int]:
    _, sent, saved = zip(*marks, strict=True) if marks else ((), (), ())
    return sum(sent), sum(saved)


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
