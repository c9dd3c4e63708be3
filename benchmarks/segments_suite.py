"""SUITE=segments: who is in them, worked out for everybody and for who changed."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from benchmarks import entries, messages, people, rules
from benchmarks.bench import Bench
from benchmarks.figures import UNITS, Figures
from benchmarks.meter import on_cpu
from benchmarks.report import Table, figures_table, percentile
from benchmarks.suite import Options, say
from lemnisk_braze.local.processes import LocalError
from segments.membership import deleting, evaluation, refresh
from segments.models import Profile, Segment, Source
from segments.tracking import write_keys

CHANGED = 1_000
# Rounds of them that are thrown away at most, behind a checkpoint.
MOST_THROWN_AWAY = 20
# In seconds: whatever is left behind is cleared away.
LONG = 600
# A segment of 87 % of everybody.
BROAD = {"attribute": "score", "is": "less", "value": 870}
CHANGE = """
UPDATE segments_profile SET attributes = attributes || jsonb_build_object(
    'score', (random() * 999)::int, 'city', (%s::text[])[1 + (random() * 3)::int])
WHERE id = ANY(%s)
"""
WHAT_CHANGES = {"score", "city"}
# What a careful engineer writes to compare a segment with its rule.
BY_HAND = """
SELECT count(*) FILTER (WHERE m.profile_id IS NULL OR x.id IS NULL), count(x.id)
FROM (SELECT p.id FROM segments_profile p
      WHERE p.merged_into_id IS NULL AND ({sql})) x
FULL JOIN (SELECT profile_id FROM segments_membership WHERE segment_id = %s) m
    ON m.profile_id = x.id
"""
# What loading and filling leave to be done is not the cost of who changes later.
SETTLE = (
    "VACUUM ANALYZE segments_profile, segments_membership, segments_transition",
    "CHECKPOINT",
)
# The session, and where the database's log ends; and how many bytes were added to it.
BEFORE = "SELECT pg_backend_pid(), pg_current_wal_insert_lsn()::text"
WRITTEN = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s::text::pg_lsn)"
PLAIN = "INSERT INTO plain SELECT * FROM segments_membership WHERE segment_id = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a changed person took: wall and CPU in microseconds, entries and exits.

    `wal`: bytes of the database's log, whoever wrote them meanwhile.
    """

    us: float
    cpu_us: float
    moves: float
    wal: float


@dataclass(slots=True, kw_only=True)
class SegmentsSuite:
    """All that is measured of segments."""

    bench: Bench
    options: Options
    keep: Callable[[dict[str, Any]], None]
    source: Source
    write_key: str
    measured: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, bench: Bench, options: Options, keep: Callable[[dict[str, Any]], None]
    ) -> "SegmentsSuite":
        source = Source(name="Benchmark")
        write_key = write_keys.issue(source)
        return cls(
            bench=bench,
            options=options,
            keep=keep,
            source=source,
            write_key=write_key,
        )

    def run(self) -> None:
        """Size after size; only the largest is what the figures are of."""
        sizes = sorted(self.options.sizes)
        changed: dict[int, list[Changed]] = {}
        made = 0
        for size in sizes:
            say(f"Making {size:,} people and {size * 10:,} events …")
            people.load(size, first=made + 1)
            people.load_events(self.source, messages.NAMES, size, first=made + 1)
            made = size
            _delete_segments()
            segments = rules.make_segments(len(rules.PAIRS))
            changed[size] = self._changed_in_rounds()
        self._note_changed("12", changed[made])
        if tenths := changed.get(made // 10):
            pairs = list(zip(changed[made], tenths, strict=True))
            self._note("segments.growth", *(a.us / b.us for a, b in pairs))
            self._note("segments.growth_cpu", *(a.cpu_us / b.cpu_us for a, b in pairs))
        for _ in range(self.options.rounds):
            self._note("segments.refresh_times_sql", self._refresh(segments))
            self._note("segments.fill_times_insert", self._fill())
            self._note("segments.ingest_wait_ms", self._ingest_wait(made))
        if self.options.seconds:
            _settle()
            with entries.started(self.bench, self.write_key) as pace:
                self._entries("entry", pace.alone("entry", self.options.seconds))
                self._entries_beside_a_fill("entry_filling", pace)
        _delete_segments()
        rules.make_segments(100)
        if self.options.seconds:
            _settle()
            with entries.started(self.bench, self.write_key) as pace:
                self._entries_beside_a_fill("entry_filling_100", pace)
            _delete_segments(name="Submitted a form")
        self._note_changed("100", self._changed_in_rounds())
        rules.check()

    def figures(self) -> Figures:
        return self.measured

    def tables(self) -> list[Table]:
        return [figures_table("Segments", self.measured)]

    def _note(self, key: str, *values: float) -> None:
        for value in values:
            self.measured.setdefault(key, []).append(value)
            self.keep({"name": key, "value": value})
            say(f"  {key}: {value:,.2f} {UNITS[key]}")

    def _entries_beside_a_fill(self, key: str, pace: entries.Entries) -> None:
        took = pace.beside_a_fill(key, self.options.seconds, BROAD)
        _delete_segments(name=f"Fill beside {key}")
        self._entries(key, took)

    def _entries(self, key: str, took: Sequence[float]) -> None:
        self._note(f"segments.{key}_p50_ms", percentile(took, 50))
        self._note(f"segments.{key}_p99_ms", percentile(took, 99))

    def _note_changed(self, segments: str, rounds: Sequence[Changed]) -> None:
        self._note(f"segments.changed_us_{segments}", *(one.us for one in rounds))
        cpu = (one.cpu_us for one in rounds)
        self._note(f"segments.changed_cpu_us_{segments}", *cpu)
        self._note(f"segments.changed_moves_{segments}", *(one.moves for one in rounds))
        self._note(f"segments.changed_wal_{segments}", *(one.wal for one in rounds))

    def _changed_in_rounds(self) -> list[Changed]:
        """One after the other, when the database is done with what was loaded.

        Behind a checkpoint the first who changes a page writes it whole into the log,
        which a lane does once for each page until the next. So rounds are thrown away
        until one writes no less than the one before it, MOST_THROWN_AWAY at most.
        """
        _settle()
        before = math.inf
        for _ in range(MOST_THROWN_AWAY):
            wal = self._changed().wal
            if wal >= before:
                break
            before = wal
        return [self._changed() for _ in range(self.options.rounds)]

    def _changed(self) -> Changed:
        """A person of whom two attributes changed, asked for all segments."""
        ids = list(Profile.objects.order_by("?").values_list("pk", flat=True)[:CHANGED])
        with connection.cursor() as cursor:
            cursor.execute(CHANGE, [list(people.CITIES), ids])
            cursor.execute(BEFORE)
            backend, log_at = cursor.fetchone()
        cpu = time.process_time() + on_cpu(backend)
        started = time.perf_counter()
        # As the inbox does, whose transaction they are evaluated in.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            change = evaluation.evaluate(
                (), attributes=dict.fromkeys(ids, WHAT_CHANGES)
            )
        took = time.perf_counter() - started
        cpu = time.process_time() + on_cpu(backend) - cpu
        with connection.cursor() as cursor:
            cursor.execute(WRITTEN, [log_at])
            (wal,) = cursor.fetchone()
        return Changed(
            us=took / len(ids) * 1e6,
            cpu_us=cpu / len(ids) * 1e6,
            moves=(change.entered + change.left) / len(ids),
            wal=float(wal) / len(ids),
        )

    def _refresh(self, segments: Sequence[Segment]) -> float:
        """CPU of counting the twelve anew, against the same in SQL written by hand."""
        with self.bench.meter_here() as ours:
            for segment in segments:
                refresh.refresh(segment.pk)
        with (
            self.bench.meter_here() as by_hand,
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            # With PostgreSQL's own 4 MB it goes through all events once a person.
            cursor.execute("SET LOCAL work_mem = '128MB'")
            for pair, segment in zip(rules.PAIRS, segments, strict=True):
                cursor.execute(BY_HAND.format(sql=pair.sql), [segment.pk])
                differing, found = cursor.fetchone()
                # The clock has moved on a little.
                if differing > 5 + found / 1_000:
                    raise LocalError(f"{segment.rule} is not what {pair.sql} finds.")
        return _cpu(ours.cost.cpu) / _cpu(by_hand.cost.cpu)

    def _fill(self) -> float:
        """Time of a broad segment's first count, against a plain INSERT of its rows."""
        segment = Segment.objects.create(name="Broad", rule=BROAD)
        started = time.perf_counter()
        refresh.refresh(segment.pk)
        filling = time.perf_counter() - started
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE plain (LIKE segments_membership INCLUDING ALL)"
            )
            started = time.perf_counter()
            cursor.execute(PLAIN, [segment.pk])
            inserting = time.perf_counter() - started
            cursor.execute("DROP TABLE plain")
        _delete_segments(name="Broad")
        return filling / inserting

    def _ingest_wait(self, size: int) -> float:
        """The longest, in ms, that one message takes while a broad segment comes and goes."""
        segment = Segment.objects.create(name="Broad", rule=BROAD)
        name = f"wait-{segment.pk}"
        thread = threading.Thread(target=_fill_and_delete, args=(segment.pk,))
        thread.start()
        longest, number = 0.0, 0
        while thread.is_alive():
            started = time.perf_counter()
            label = f"{name}-{number}"
            messages.send_in(self.write_key, messages.make(label, 1, size))
            longest = max(longest, time.perf_counter() - started)
            number += 1
        thread.join()
        return longest * 1000


def _settle() -> None:
    """Let the database be done with what was loaded, filled and deleted.

    Right behind that it is vacuumed, and its pages are written, beside what is measured:
    a site has that after a first fill of most of its people, and not otherwise.
    """
    with people.as_long_as_it_takes() as cursor:
        for statement in SETTLE:
            cursor.execute(statement)


def _delete_segments(**which: str) -> None:
    """Delete all segments, or some, with all that they leave behind."""
    Segment.objects.filter(**which).delete()
    deleting.clear(LONG)


def _fill_and_delete(segment_id: int) -> None:
    try:
        refresh.refresh(segment_id)
        _delete_segments(pk=str(segment_id))
    finally:
        connection.close()


def _cpu(spent: Any) -> float:
    return float(spent["benchmark"] + spent["postgres"])
