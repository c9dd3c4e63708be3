"""Figures: medians and spreads, as a table on the terminal and as a document."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from statistics import median
from typing import Any, Self, TypeVar

from benchmarks.figures import UNITS, Figures
from benchmarks.machine import Machine
from benchmarks.meter import Cost

CONTESTANTS = """\
Who takes part, in turns, with the same payload (ten placeholders, about 230 bytes):

- **engine**: this application. An engagement on a schedule is activated, and a Celery
  worker and beat do the rest, with leases, an intent on disk before each request, the
  rate plan, retries and a record of every person.
- **engine, Braze's limit**: the same with Braze's own rate plan (3,000 requests in 3
  seconds, so 75,000 people a second) and a round trip of 50 ms; the other side counts
  the requests and answers 429 above the limit.
- **naive**: one Celery task a person: a query, the template parsed, `requests.post`, a
  row.
- **careful**: one Celery task for 75 people: one query, a template parsed once, one
  Session, one `bulk_create`. It keeps none of the engine's promises.
- **requests.Session**: bodies made beforehand, posted in a loop: the client's ceiling."""
PARTS = ("workers", "postgres", "sink", "benchmark")
STAGES = (
    "expand",
    "claim",
    "read people",
    "render and pack",
    "pace",
    "intend",
    "send",
    "record",
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One contestant once."""

    name: str
    people: int
    workers: int
    seconds: float
    requests: int
    # Connections that were opened meanwhile.
    connections: int
    bytes_a_person: float
    refused: int
    peak: int
    # CPU seconds by part of the machine.
    cpu: Mapping[str, float] = field(default_factory=dict)
    peak_pss_mb: float = 0
    peak_rss_mb: float = 0
    # How many cores somebody else had meanwhile; the broker is in it.
    elsewhere: float = 0

    @classmethod
    def of(
        cls,
        *,
        name: str,
        people: int,
        workers: int,
        seconds: float,
        counts: Mapping[str, Any],
        cost: Cost | None = None,
    ) -> Self:
        return cls(
            name=name,
            people=people,
            workers=workers,
            seconds=seconds,
            requests=counts["requests"],
            connections=counts["connections"],
            bytes_a_person=counts["size"] / max(counts["objects"], 1),
            refused=counts["refused"],
            peak=counts["peak"],
            cpu=cost.cpu if cost else {},
            peak_pss_mb=cost.peak_pss_mb if cost else 0,
            peak_rss_mb=cost.peak_rss_mb if cost else 0,
            elsewhere=cost.cpu["others"] / cost.seconds if cost else 0,
        )

    @property
    def rate(self) -> float:
        return self.people / self.seconds

    def line(self) -> str:
        return (
            f"{self.name}, {self.people:,} people, {self.workers} worker processes:"
            f" {self.rate:,.0f} people a second"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Events at a pace: milliseconds to the sink's answer; `lost` never came."""

    rate: int
    with_bulk: bool
    # From when the event was applied, from the tracking API's answer, and from the
    # request to it.
    after_applied: Sequence[float]
    after_answer: Sequence[float]
    after_request: Sequence[float]
    lost: int

    def line(self) -> str:
        return "real time, " + ", ".join(self.cells())

    def cells(self) -> list[str]:
        bulk = "a bulk run going on" if self.with_bulk else "nothing else"
        return [
            f"{self.rate} a second",
            bulk,
            _percentiles(self.after_applied),
            _percentiles(self.after_answer),
            _percentiles(self.after_request),
            f"{self.lost} of {self.lost + len(self.after_answer):,}",
        ]

    def to_dict(self) -> dict[str, object]:
        kept = {
            "after_applied": [percentile(self.after_applied, p) for p in (50, 95, 99)],
            "after_answer": [percentile(self.after_answer, p) for p in (50, 95, 99)],
            "after_request": [percentile(self.after_request, p) for p in (50, 95, 99)],
        }
        return {"name": "real time", **asdict(self), **kept}


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of all are not above; 0 where there is none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)]


def _percentiles(values: Sequence[float]) -> str:
    p50, p99 = percentile(values, 50), percentile(values, 99)
    return f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms"


@dataclass(slots=True, kw_only=True)
class Stages:
    """Seconds by stage, for so many people."""

    people: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def time(self, stage: str, act: Callable[[], T]) -> T:
        started = time.perf_counter()
        result = act()
        self.seconds[stage] += time.perf_counter() - started
        return result

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The engine against a peer, measured after one another, pair by pair."""

    peer: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        widths = [
            max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)
        ]
        lines = [_padded(row, widths) for row in (self.head, *self.rows)]
        lines.insert(1, "  ".join("─" * width for width in widths))
        return "\n".join([f"\n{self.title}", *lines])

    def markdown(self) -> str:
        lines = [_piped(self.head), _piped(["---"] * len(self.head))]
        lines += [_piped(row) for row in self.rows]
        return "\n".join([f"## {self.title}", "", self.note, "", *lines, ""])


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()


def _piped(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and in brackets the least and the most."""
    middle, least, most = median(values), min(values), max(values)
    if least == most:
        return f"{middle:,.{digits}f}"
    return f"{middle:,.{digits}f} [{least:,.{digits}f}–{most:,.{digits}f}]"


def tables(
    measurements: Sequence[Measurement],
    ratios: Sequence[Ratio],
    latencies: Sequence[Latencies],
    stages: Sequence[Stages],
) -> list[Table]:
    made = [_throughput(measurements), _costs(measurements)]
    if ratios:
        made.append(_ratios(ratios))
    if stages:
        made.append(_stages(stages))
    if latencies:
        made.append(_real_time(latencies))
    return made


Group = tuple[tuple[str, int, int], list[Measurement]]


def _groups(measurements: Iterable[Measurement]) -> list[Group]:
    groups: dict[tuple[str, int, int], list[Measurement]] = {}
    for m in measurements:
        groups.setdefault((m.name, m.people, m.workers), []).append(m)
    return list(groups.items())


def _key(name: str, people: int, workers: int) -> list[str]:
    return [name, f"{people:,}", str(workers)]


def _throughput(measurements: Sequence[Measurement]) -> Table:
    return Table(
        title="People a second, end to end",
        note="The engine: from Activate until the run has ended, every person claimed,"
        " intended, sent, answered and recorded. The tasks: from the first publish until"
        " the last row. Median [least–most] of the rounds. Every round is checked: each"
        " person arrived once, and as they should. Connections: those opened meanwhile. The"
        " engine keeps its own and has most of them from the warm-up, the careful task and"
        " the loop keep one a process, `requests.post` opens one for each person.",
        head=[
            "what",
            "people",
            "processes",
            "people a second",
            "seconds",
            "requests",
            "connections",
            "429s",
        ],
        rows=[
            [
                *_key(*key),
                spread([m.rate for m in group]),
                spread([m.seconds for m in group], 2),
                spread([m.requests for m in group]),
                spread([m.connections for m in group]),
                f"{sum(m.refused for m in group)}",
            ]
            for key, group in _groups(measurements)
        ],
    )


def _costs(measurements: Sequence[Measurement]) -> Table:
    measured = [m for m in measurements if m.cpu]
    return Table(
        title="What 100,000 people cost",
        note="CPU seconds for 100,000 people by part,"
        " medians; the peak memory of the largest worker process, PSS and RSS; and how many cores were busy with anything else meanwhile, the broker among it.",
        head=[
            "what",
            "people",
            "processes",
            *PARTS,
            "PSS MB",
            "RSS MB",
            "cores elsewhere",
        ],
        rows=[
            [
                *_key(*key),
                *[
                    f"{median(m.cpu.get(p, 0) / m.people for m in group) * 1e5:,.2f}"
                    for p in PARTS
                ],
                f"{max(m.peak_pss_mb for m in group):,.0f}",
                f"{max(m.peak_rss_mb for m in group):,.0f}",
                f"{max(median(m.elsewhere for m in group), 0):.1f}",
            ]
            for key, group in _groups(measured)
        ],
    )


def _stages(measured: Sequence[Stages]) -> Table:
    return Table(
        title="Where the time goes",
        note="The worker's stages one after the other, in one process and with nothing"
        " beside them (the worker overlaps them); sending is a claim of requests at once."
        f" {measured[0].people:,} people, microseconds a person.",
        head=["stage", "microseconds a person", "share"],
        rows=[
            [
                stage,
                spread([s.seconds[stage] / s.people * 1e6 for s in measured], 2),
                f"{median(s.seconds[stage] / s.total for s in measured):.0%}",
            ]
            for stage in STAGES
        ],
    )


def _ratios(ratios: Sequence[Ratio]) -> Table:
    return Table(
        title="How many times faster than tasks written by hand",
        note="The engine's people a second divided by the task's of the same round, with"
        " as many worker processes, the same payload and the same other side.",
        head=["against", "times", "rounds"],
        rows=[[r.peer, spread(r.values, 2), str(len(r.values))] for r in ratios],
    )


def _real_time(latencies: Sequence[Latencies]) -> Table:
    return Table(
        title="Real time",
        note="Each event is one HTTP request to the tracking API, of a person who enters"
        " a segment by it; measured until the other side has answered our request.",
        head=[
            "events",
            "meanwhile",
            "from applied",
            "from the API's answer",
            "from the event",
            "lost",
        ],
        rows=[one.cells() for one in latencies],
    )


def figures_table(title: str, figures: Figures) -> Table:
    return Table(
        title=title,
        note="Median [least–most] of the rounds.",
        head=["what", "measured", "unit", "rounds"],
        rows=[
            [key, spread(values, 2), UNITS[key], str(len(values))]
            for key, values in figures.items()
        ],
    )


def document(
    command: str, machine: Machine, made: Sequence[Table], *, is_plain: bool
) -> str:
    """docs/performance.md, whole."""
    wire = "Plain HTTP" if is_plain else "TLS with a certificate made for the run"
    lines = [
        "# Performance",
        "",
        f"Measured on {date.today():%d %B %Y} with `{command}`; anyone can do it again"
        " on a bare checkout. Everything runs on this one machine, over loopback:"
        " PostgreSQL, the broker, the workers, and the other side, a server that answers"
        f" as Braze does. {wire} and no network is in the figures, so only ratios of one"
        " run travel to another machine.",
        "",
        *[f"- {line}" for line in machine.lines()],
        "",
        CONTESTANTS,
        "",
    ]
    if warning := machine.warning():
        lines += [f"> {warning}", ""]
    return "\n".join([*lines, *[table.markdown() for table in made]]).rstrip() + "\n"
