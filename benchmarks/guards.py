"""What guards and deltas cost: a run with them right after one without, pair by pair.

Caps, holdout and deltas, each alone and all together. Deltas once where Braze has
accepted nothing yet, so that all of it is new, and in the steady state: nobody has
changed, or a tenth has. Caps are those of a site that is in use: everybody was sent
something before, and a tenth can be sent no more. Counted are all people of the run, also
those who are not sent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection

from benchmarks import engine, people
from benchmarks.bench import database_now
from benchmarks.engine import Engine
from benchmarks.report import Measurement, Table, spread
from engagements.guards import plenty
from engagements.models import Delivery, FrequencyCap, GlobalHoldout, Run
from lemnisk_braze.local.processes import LocalError
from segments.models import Segment

PLAIN = "plain"
# In percent, of all Engagements and of this one.
HOLDOUT = 5
# A week.
MOST = 5
TENTH = 10
# Two things that everybody was sent, of which the first counts no more, and a tenth as
# many as may be, all by something else.
SENT_LATELY = f"""
    TRUNCATE engagements_sentlately;
    INSERT INTO engagements_sentlately (profile_id, sends, last_at)
    SELECT id, CASE WHEN (id / %(tenth)s) %% %(tenth)s = 0
        THEN (SELECT array_agg(ARRAY[n.now - at * 3600000, 0, 0, 0, 0, at]
            ORDER BY at DESC) FROM generate_series(1, %(most)s) at)
        ELSE ARRAY[[n.now - 864000000, 0, 0, 0, 0, 1],
            [n.now - 259200000, 0, 0, 0, 0, 2]] END, {plenty.LAST}
    FROM segments_profile CROSS JOIN (
        SELECT (extract(epoch FROM now()) * 1000)::bigint AS now
    ) n WHERE id <= %(size)s ORDER BY id
"""
# Everybody as a run in which all is new was accepted.
KEEP = """
    DROP TABLE IF EXISTS benchmark_accepted;
    CREATE TABLE benchmark_accepted AS SELECT profile_id, state FROM engagements_accepted
"""
# That is what there is; of a tenth the first attribute was another.
ACCEPTED = """
    INSERT INTO engagements_accepted (engagement_id, profile_id, epoch, state)
    SELECT %(engagement)s, profile_id, 0,
        CASE WHEN %(tenth)s > 0 AND profile_id %% greatest(%(tenth)s, 1) = 0
        THEN set_byte(set_byte(state, 0, get_byte(state, 0) # 1), 12,
            get_byte(state, 12) # 1)
        ELSE state END
    FROM benchmark_accepted ORDER BY profile_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What an engagement has on, and under which key its share of the speed stands.

    `changed`: one of how many people has changed since they were accepted; 0: nobody.
    None: nothing was accepted yet.
    """

    name: str
    key: str
    caps: bool = False
    holdout: bool = False
    deltas: bool = False
    changed: int | None = None


KINDS = (
    Kind(name="caps", key="delivery.share_caps", caps=True),
    Kind(name="holdout", key="delivery.share_holdout", holdout=True),
    Kind(name="deltas, all new", key="delivery.share_deltas", deltas=True),
    Kind(
        name="deltas, a tenth changed",
        key="delivery.share_deltas_10",
        deltas=True,
        changed=TENTH,
    ),
    Kind(
        name="deltas, nothing changed",
        key="delivery.share_deltas_0",
        deltas=True,
        changed=0,
    ),
    *(
        Kind(
            name=f"caps, holdout and deltas, {words}",
            key=f"delivery.share_with_guards{suffix}",
            caps=True,
            holdout=True,
            deltas=True,
            changed=changed,
        )
        for words, suffix, changed in (
            ("all new", "", None),
            ("a tenth changed", "_10", TENTH),
            ("nothing changed", "_0", 0),
        )
    ),
)


@dataclass(slots=True, kw_only=True)
class Shares:
    """Of each kind: its speed and its CPU time, as shares of those beside it without."""

    speed: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    rate: dict[str, list[float]] = field(default_factory=dict)

    def note(self, kind: Kind, ours: Measurement, plain: Measurement) -> None:
        self.speed.setdefault(kind.key, []).append(ours.rate / plain.rate)
        self.cpu.setdefault(kind.key, []).append(_cpu(plain) / _cpu(ours))
        self.rate.setdefault(kind.key, []).append(ours.rate)

    def table(self) -> Table:
        return Table(
            title="With caps, holdout and deltas",
            note=f"A cap of {MOST} a week that a tenth has reached, {HOLDOUT} % held out of"
            f" all Engagements and {HOLDOUT} % of this one, deltas of nine attributes."
            " The speed as a share of a run without right before it, and the CPU time of"
            " workers and PostgreSQL the other way round. Median [least–most] of the"
            " rounds.",
            head=["with", "share of the speed", "by CPU time", "people a second"],
            rows=[
                [
                    kind.name,
                    spread(self.speed[kind.key], 2),
                    spread(self.cpu[kind.key], 2),
                    spread(self.rate[kind.key]),
                ]
                for kind in KINDS
                if kind.key in self.speed
            ],
        )


def measure(running: Engine, segment: Segment, shares: Shares) -> Iterator[Measurement]:
    """Each kind once, right after a run without; raise LocalError if it is not so."""
    _forget()
    for kind in KINDS:
        plain = running.measure(segment, name=PLAIN)
        ours = _with(running, segment, kind)
        shares.note(kind, ours, plain)
        yield plain
        yield ours


def _with(running: Engine, segment: Segment, kind: Kind) -> Measurement:
    engine.forget_engagements()
    _execute("TRUNCATE engagements_accepted")
    engagement = engine.make_engagement(
        segment,
        running.version,
        sends_deltas=kind.deltas,
        holdout_share=HOLDOUT if kind.holdout else 0,
    )
    if kind.changed is not None:
        asked = {"engagement": engagement.pk, "tenth": kind.changed}
        _execute(ACCEPTED, asked)
    if kind.caps:
        _execute(SENT_LATELY, {"size": segment.size, "tenth": TENTH, "most": MOST})
        FrequencyCap.objects.create(name="Benchmark", most=MOST, period="week")
    if kind.holdout:
        GlobalHoldout.objects.create(share=HOLDOUT, salt="benchmark")
    for table in ("accepted", "sentlately"):
        _execute(f"VACUUM ANALYZE engagements_{table}")
    running.bench.sink.reset()
    try:
        with running.bench.meter(running.child) as meter:
            started = database_now()
            run = engine.activate(engagement)
            ended = running.wait_for(run, segment.size)
        counts = running.bench.sink.counts()
        _check(run, segment, kind, counts)
        if kind.deltas and kind.changed is None and not kind.caps:
            _execute(KEEP)
    finally:
        _forget()
    return Measurement.of(
        name=kind.name,
        people=segment.size,
        workers=running.workers,
        seconds=(ended - started).total_seconds(),
        cost=meter.cost,
        counts=counts,
    )


def _forget() -> None:
    FrequencyCap.objects.all().delete()
    GlobalHoldout.objects.all().delete()


def _execute(statement: str, asked: Mapping[str, Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)


def _cpu(measured: Measurement) -> float:
    return measured.cpu["workers"] + measured.cpu["postgres"]


def _check(run: Run, segment: Segment, kind: Kind, counts: Mapping[str, Any]) -> None:
    """Everybody has an end, and whoever was sent was sent what is theirs."""
    rows = Delivery.objects.filter(run=run)
    sent = rows.filter(state=Delivery.State.SENT).count()
    reasons = {
        reason.partition(":")[0]
        for reason in rows.filter(state="skipped").values_list("reason", flat=True)
    }
    expected = {
        # Who has nothing new is asked by no cap.
        *(["frequency_cap"] if kind.caps and kind.changed != 0 else []),
        *(["holdout", "holdout_global"] if kind.holdout else []),
        *(["unchanged"] if kind.changed is not None else []),
    }
    if (
        rows.count() != segment.size
        or counts["objects"] != sent
        or reasons != expected
        or bool(sent) != (kind.changed != 0)
    ):
        raise LocalError(
            f"{kind.name}: of {segment.size:,} people {sent:,} are recorded as sent,"
            f" {counts['objects']:,} arrived; skipped for {sorted(reasons)}."
        )
    if sent:
        for payload in orjson.loads(counts["sample"])["attributes"]:
            number = int(payload["external_id"].removeprefix("person-"))
            if not payload.items() <= people.expected(number).items():
                raise LocalError(f"This arrived, and should not look so: {payload}")
