"""SUITE=people: what comes in, how fast, and what it takes."""

from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from benchmarks import imports, messages, people, realtime, rules
from benchmarks.bench import Bench
from benchmarks.figures import UNITS, Figures
from benchmarks.report import Table, figures_table, percentile
from benchmarks.suite import Options, say
from lemnisk_braze.local.processes import LocalError, free_port
from segments.dictionary import expecting, folding
from segments.ingest import names
from segments.ingest.message import Message
from segments.membership import deleting, refresh
from segments.models import Segment, Source
from segments.tracking import write_keys

# Messages by the ORM, and with segments, take their time.
ORM_MESSAGES = 5_000
SEGMENT_MESSAGES = 10_000
MOST_MESSAGES = 200_000
# Rows of a file: a tenth first, which shows what memory does with ten times as many.
MOST_ROWS = 1_000_000
BULK_ROWS = 50_000
WARM_UP = 500
# What the dictionary does with a chunk is done so often.
TIMES = 40
MOST_KEPT = 20_000
HTTP_RATE = 500
# By the ORM it is a unique key that an event is known by.
MAKE_KEY = "CREATE UNIQUE INDEX by_orm ON segments_event (source_id, message_id)"
DROP_KEY = "DROP INDEX by_orm"
# Each event is also one of the messages that are known.
BYTES_AN_EVENT = """
SELECT sum(bytes) FROM (
    SELECT pg_total_relation_size('segments_event')::float / count(*) AS bytes
    FROM segments_event
    UNION ALL
    SELECT pg_total_relation_size('segments_seen')::float / count(*)
    FROM segments_seen
) each
"""


@dataclass(slots=True, kw_only=True)
class PeopleSuite:
    """All that is measured of people and events coming in."""

    bench: Bench
    options: Options
    keep: Callable[[dict[str, Any]], None]
    source: Source
    write_key: str
    size: int
    segments: list[Segment] = field(default_factory=list)
    measured: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, bench: Bench, options: Options, keep: Callable[[dict[str, Any]], None]
    ) -> "PeopleSuite":
        size = max(options.sizes)
        say(f"Making {size:,} people …")
        people.load(size)
        source = Source(name="Benchmark")
        write_key = write_keys.issue(source)
        return cls(
            bench=bench,
            options=options,
            keep=keep,
            source=source,
            write_key=write_key,
            size=size,
        )

    def run(self) -> None:
        count = min(self.size, MOST_MESSAGES)
        # Everyone's first messages import and connect.
        self._ours("warm-up", min(count, WARM_UP), 0)
        self._orm("warm-up of the ORM", min(count, WARM_UP))
        for number in range(1, self.options.rounds + 1):
            say(f"Round {number} of {self.options.rounds}")
            alone = self._ours(f"alone-{number}", count, 0)
            by_orm = self._orm(f"orm-{number}", min(count, ORM_MESSAGES))
            self._activate(0)
            self._note("people.dictionary_percent", self._dictionary(number, count))
            few = self._ours(f"twelve-{number}", min(count, SEGMENT_MESSAGES), 12)
            many = self._ours(f"hundred-{number}", min(count, SEGMENT_MESSAGES), 100)
            self._note("people.times_orm", alone / by_orm)
            self._note("people.times_orm_12", few / by_orm)
            self._note("people.share_100", many / alone)
            rules.check()
            self._imports(number)
        with connection.cursor() as cursor:
            cursor.execute(BYTES_AN_EVENT)
            self._note("people.bytes_an_event", cursor.fetchone()[0])
        if self.options.seconds:
            self._note("people.http_p99_ms", self._http())

    def figures(self) -> Figures:
        return self.measured

    def tables(self) -> list[Table]:
        return [figures_table("People and events coming in", self.measured)]

    def _note(self, key: str, value: float) -> None:
        self.measured.setdefault(key, []).append(value)
        self.keep({"name": key, "value": value})
        say(f"  {key}: {value:,.2f} {UNITS[key]}")

    def _ours(self, label: str, count: int, active: int) -> float:
        """Messages applied in a second of CPU, with so many active segments."""
        self._activate(active)
        sent = messages.make(label, count, self.size)
        return self._rate(label, sent, lambda: messages.send_in(self.write_key, sent))

    def _dictionary(self, number: int, count: int) -> float:
        """By how much the dictionary makes applying dearer, in percent of its CPU.

        What it does with a chunk is done many times over, and held against applying the
        chunk once: the machine's pace drifts by more than it costs.
        """
        sent = messages.make(f"dictionary-{number}", min(count, MOST_KEPT), self.size)
        messages.send(self.write_key, sent)
        with _caught() as chunks:
            applied = 1 / self._rate("applied", sent, messages.apply)

        def keep() -> None:
            for _ in range(TIMES):
                with transaction.atomic():
                    for chunk in chunks:
                        names.keep(chunk, expecting.check(chunk))
                # As the tick does, for many more at once.
                folding.add()

        kept = 1 / self._rate("names kept", range(len(sent) * TIMES), keep)
        return 100 * kept / (applied - kept)

    def _imports(self, number: int) -> None:
        """A file of new people against the ORM; nobody is in a segment of theirs."""
        self._activate(0)
        most = min(self.size, MOST_ROWS)
        self._import(f"import-tenth-{number}", most // 10)
        before = imports.peak_megabytes()
        ours = self._import(f"import-{number}", most)
        self._note("people.import_peak_growth", imports.peak_megabytes() / before)
        by_orm = self._file(
            f"update-or-create-{number}",
            min(most, ORM_MESSAGES),
            imports.by_update_or_create,
        )
        by_bulk = self._file(
            f"bulk-create-{number}", min(most, BULK_ROWS), imports.by_bulk_create
        )
        self._note("people.import_times_orm", ours / by_orm)
        self._note("people.import_times_bulk", ours / by_bulk)

    def _import(self, label: str, count: int) -> float:
        return self._file(
            label, count, lambda path: imports.by_an_import(self.source, path)
        )

    def _file(self, label: str, count: int, act: Callable[[Path], object]) -> float:
        """Rows of a new file that are people in a second of CPU."""
        path = self.bench.directory / f"{label}.csv"
        imports.write(path, label, count)
        rate = self._rate(label, range(count), lambda: act(path))
        path.unlink()
        return rate

    def _orm(self, label: str, count: int) -> float:
        """The same by hand; nobody evaluates a segment."""
        sent = messages.make(label, count, self.size)
        with _statements(MAKE_KEY, DROP_KEY):
            return self._rate(
                label, sent, partial(messages.by_the_orm, self.source, sent)
            )

    def _rate(self, label: str, sent: Sized, act: Callable[[], object]) -> float:
        with self.bench.meter_here() as meter:
            act()
        cpu = meter.cost.cpu["benchmark"] + meter.cost.cpu["postgres"]
        wall = meter.cost.seconds
        self.keep({"name": label, "messages": len(sent), "cpu": cpu, "seconds": wall})
        say(
            f"  {label}: {len(sent) / wall:,.0f} a second,"
            f" {cpu / len(sent) * 1e6:,.0f} µs of CPU each"
        )
        return len(sent) / cpu

    def _activate(self, count: int) -> None:
        """Let so many segments be active; who is in them is counted.

        Who would have moved while they were not active moves before it is measured.
        """
        if count > len(self.segments):
            Segment.objects.all().delete()
            deleting.clear()
            self.segments = rules.make_segments(count)
        active = [segment.pk for segment in self.segments[:count]]
        Segment.objects.exclude(pk__in=active).update(is_active=False)
        Segment.objects.filter(pk__in=active).update(is_active=True)
        for segment_id in active:
            refresh.refresh(segment_id)

    def _http(self) -> float:
        """The 99th percentile, in ms, of single events at a steady pace."""
        with self.bench.processes() as processes:
            address = realtime.start_web(processes, free_port(18_800))
            # The first requests import and connect.
            for name, seconds in (("warm-up", 1.0), ("http", self.options.seconds)):
                pace = realtime.Pace(
                    address=address,
                    write_key=self.write_key,
                    name=name,
                    rate=HTTP_RATE,
                    seconds=seconds,
                )
                pace.run()
        if lost := len(pace.asked) - len(pace.answered):
            raise LocalError(f"{lost} of {len(pace.asked):,} events were not accepted.")
        took = [(pace.answered[m] - pace.asked[m]) * 1000 for m in pace.answered]
        return percentile(took, 99)


@contextmanager
def _caught() -> Iterator[list[Sequence[Message]]]:
    """The messages that the dictionary is given meanwhile, chunk by chunk."""
    chunks: list[Sequence[Message]] = []
    keep = names.keep

    def catch(applied: Sequence[Message], checked: expecting.Checked) -> None:
        chunks.append(applied)
        keep(applied, checked)

    names.keep = catch
    try:
        yield chunks
    finally:
        names.keep = keep


@contextmanager
def _statements(before: str, after: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(before)
        yield
        cursor.execute(after)
