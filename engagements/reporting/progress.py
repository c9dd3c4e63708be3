"""How far runs are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count

from engagements.models import Batch, Delivery, Run, Tally
from engagements.reporting.reports import FAILED, WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: deliveries in all, those with an end, each state's number."""

    total: int
    finished: int
    counts: Mapping[str, int]

    @property
    def percent(self) -> int:
        return self.finished * 100 // self.total if self.total else 0

    @property
    def problems(self) -> int:
        return sum(self.counts.get(s, 0) for s in ("rejected", "dead", "uncertain"))


def of(
    runs: Iterable[Run], tallies: Mapping[int, Tally] | None = None
) -> dict[int, Progress]:
    """The progress of each run, by its id; their `tallies` may be known."""
    ids = [run.pk for run in runs]
    if tallies is None:
        tallies = Batch.objects.filter(run__in=ids).tallies()
    counts: dict[int, dict[str, int]] = {pk: {} for pk in ids}
    for run_id in counts.keys() & tallies.keys():
        counts[run_id] = {
            WAITING: tallies[run_id].waiting,
            Delivery.State.SENT: tallies[run_id].sent,
            Delivery.State.SKIPPED: tallies[run_id].skips.total(),
        }
    others = (
        Delivery.objects.filter(run__in=ids, state__in=FAILED)
        .order_by()
        .values_list("run", "state")
        .annotate(n=Count("*"))
    )
    for run_id, state, count in others:
        counts[run_id][state] = count
    return {pk: _progress(states) for pk, states in counts.items()}


def _progress(counts: Mapping[str, int]) -> Progress:
    total = sum(counts.values())
    return Progress(
        total=total,
        finished=total - counts.get(WAITING, 0),
        counts=counts,
    )
