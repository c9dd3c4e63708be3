"""SUITE=pages: what a person at the admin waits for, with everything full."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks import lists, messages, people, rules
from benchmarks.bench import Bench
from benchmarks.figures import UNITS, Figures
from benchmarks.report import Table, figures_table, percentile
from benchmarks.suite import Options, say
from segments.models import Source


@dataclass(slots=True, kw_only=True)
class PagesSuite:
    """Every list of the admin, and the search for a person."""

    bench: Bench
    options: Options
    keep: Callable[[dict[str, Any]], None]
    size: int
    measured: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, bench: Bench, options: Options, keep: Callable[[dict[str, Any]], None]
    ) -> "PagesSuite":
        size = max(options.sizes)
        say(f"Making {size:,} people, {size * 10:,} events and what they got …")
        people.load(size)
        lists.load_visitors()
        source = Source.objects.create(name="Benchmark")
        with lists.indexes_later("segments_event"):
            people.load_events(source, messages.NAMES, size)
        lists.load_deliveries(bench.sink.url)
        rules.make_segments(1)
        return cls(bench=bench, options=options, keep=keep, size=size)

    def run(self) -> None:
        for _ in range(self.options.rounds):
            took = lists.pages(self._times)
            self._note("pages.p95_ms", took)
        for _ in range(self.options.rounds):
            took = lists.deliveries(self._times)
            self._note("pages.deliveries_p95_ms", took)
            slowest = max(median(times) for times in took.values())
            self._keep("pages.deliveries_slowest_ms", slowest, took)
        for _ in range(self.options.rounds):
            took = lists.searches(self.size, self._times)
            self._note("people.search_ms", took)

    def figures(self) -> Figures:
        return self.measured

    @property
    def _times(self) -> int:
        """With no seconds to measure in, it is only to be seen that each answers."""
        return lists.TIMES if self.options.seconds else 0

    def tables(self) -> list[Table]:
        return [figures_table("Pages", self.measured)]

    def _note(self, key: str, took: dict[str, list[float]]) -> None:
        """The 95th percentile of all that was asked, each as often as the others."""
        value = percentile([ms for times in took.values() for ms in times], 95)
        self._keep(key, value, took)

    def _keep(self, key: str, value: float, took: dict[str, list[float]]) -> None:
        self.measured.setdefault(key, []).append(value)
        slowest = {what: max(times) for what, times in took.items()}
        self.keep({"name": key, "value": value, "slowest": slowest})
        say(f"  {key}: {value:,.2f} {UNITS[key]}")
