"""Where a person went: which batch holds them, and which requests carried them."""

from collections.abc import Iterable
from dataclasses import dataclass

from engagements.models import Attempt, Batch, Delivery
from segments.models import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPerson:
    """Somebody in a batch, and what became of them, if there is an end."""

    profile: Profile
    delivery: Delivery | None


def people_of(batch: Batch, limit: int) -> list[BatchPerson]:
    """The first people of a batch, in order of place."""
    ids = batch.profile_ids[:limit]
    profiles = Profile.objects.in_bulk(ids)
    found = Delivery.objects.filter(run=batch.run_id, profile__in=ids)
    deliveries = {batch.place_of(delivery): delivery for delivery in found}
    return [
        BatchPerson(profile=profiles[id], delivery=deliveries.get(place))
        for place, id in enumerate(ids)
        if id in profiles
    ]


def attempts_of(delivery: Delivery) -> list[Attempt]:
    """The requests that carried this person, oldest first.

    A batch that was split left its attempts with its parents.
    """
    lineage: list[Batch] = []
    batch: Batch | None = delivery.batch
    while batch is not None:
        lineage.append(batch)
        batch = batch.parent
    places = {batch.pk: batch.place_of(delivery) for batch in lineage}
    attempts = Attempt.objects.filter(batch__in=lineage).order_by("started_at")
    return [a for a in attempts if places[a.batch_id] not in (None, *a.left_out)]


def last_answers(deliveries: Iterable[Delivery]) -> dict[int, Attempt]:
    """The newest attempt that carried each delivery, by the delivery's id."""
    by_batch: dict[int, list[Delivery]] = {}
    for delivery in deliveries:
        by_batch.setdefault(delivery.batch_id, []).append(delivery)
    found: dict[int, Attempt] = {}
    attempts = Attempt.objects.filter(batch__in=by_batch).select_related("batch")
    for attempt in attempts.order_by("started_at"):
        for delivery in by_batch[attempt.batch_id]:
            if attempt.batch.place_of(delivery) not in (None, *attempt.left_out):
                found[delivery.pk] = attempt
    return found


def waiting_for(profile: Profile) -> list[Batch]:
    """The open batches that will take this person along, next first."""
    batches = Batch.objects.open().filter(profile_ids__contains=[profile.pk])
    return [
        batch
        for batch in batches.select_related("run__engagement").order_by(
            "next_attempt_at"
        )
        if batch.profile_ids.index(profile.pk) not in batch.left_out
    ]
