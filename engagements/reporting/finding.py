"""Deliveries, found where they lie in the table.

A list of them is read in order of id, newest or oldest first. What lies between two ids
is read by the key; all that is older or newer is passed over otherwise, row by row.
"""

from datetime import UTC, datetime, timedelta

from django.db.models import Min, QuerySet

from engagements.models import OF_LINES, Batch, Delivery, Run

# Of so many batches the people are looked up; what more of them have is found soon.
FEW = 300
# No statement writes deliveries for so long.
LONGEST = timedelta(hours=1)
# There is no time so long after a later one.
LATEST = datetime.max.replace(tzinfo=UTC) - LONGEST


def of_runs(deliveries: QuerySet[Delivery], runs: QuerySet[Run]) -> QuerySet[Delivery]:
    """Those of the deliveries that are of these runs."""
    found = list(runs)
    # By their ids: joined, each row that is passed over is looked up among them.
    deliveries = deliveries.filter(run__in=[run.pk for run in found])
    if after := _known([run.deliveries_after for run in found]):
        deliveries = deliveries.filter(pk__gt=min(after))
    if before := _known([run.deliveries_before for run in found]):
        deliveries = deliveries.filter(pk__lt=max(before))
    if found and all(run.is_standing or run.trigger for run in found):
        deliveries = deliveries.filter(OF_LINES)
    return deliveries


def skipped_for(
    code: str, deliveries: QuerySet[Delivery], runs: QuerySet[Run]
) -> QuerySet[Delivery]:
    """Those of the runs' skipped deliveries whose reason begins with a code."""
    batches = Batch.objects.filter(run__in=list(runs.values_list("pk", flat=True)))
    skipping = batches.filter(skip_counts__has_key=code)
    few = list(skipping.values_list("pk", "profile_ids")[: FEW + 1])
    if len(few) <= FEW:
        people = {person for _, own in few for person in own}
        ids = [pk for pk, _ in few]
        deliveries = deliveries.filter(batch__in=ids, profile__in=people)
    return deliveries.filter(reason__startswith=code)


def written_before(at: datetime, deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """The deliveries without some that were not there yet at that time.

    Those of a run that began later have later ids than all that was there.
    """
    if at > LATEST:
        return deliveries
    later = Run.objects.filter(started_at__gte=at + LONGEST)
    first = later.aggregate(first=Min("deliveries_after"))["first"]
    return deliveries if first is None else deliveries.filter(pk__lte=first)


def _known(keys: list[int | None]) -> list[int]:
    """The keys; none where one of them is not known."""
    known = [key for key in keys if key is not None]
    return known if len(known) == len(keys) else []
