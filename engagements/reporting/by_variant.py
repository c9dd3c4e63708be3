"""What became of each variant's people, and of those who were held out, side by side.

An end tells which variant it is of (Delivery.variant). How many were sent the report reads
from batches, so of very many the ends are not counted: of a sample of batches it is known
who had which.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from engagements.models import Delivery, Engagement, Run
from engagements.reporting.reports import LAST_TRY, Report, people_url
from engagements.variants import plan
from engagements.variants.plan import HELD_OUT, Variants

State = Delivery.State
# So many ends are counted one by one, in a tenth of a second.
EXACT = 100_000
# Batches of a sample: of 300 full ones a share is told to a per cent.
BATCHES = 300

# Who was merged into somebody is that person. A sent one counts however it came to that.
_COUNT = """
    SELECT d.variant, d.state, count(*)
    FROM engagements_delivery d
    WHERE d.run_id = ANY(%(runs)s::bigint[]) AND d.variant IS NOT NULL
      AND (d.state = 'sent' OR d.retry_id IS NULL OR NOT %(last_try)s) {condition}
    GROUP BY 1, 2
"""
COUNT = _COUNT.format(condition="")
# Who had one variant and then another is of both, and once among all.
EVERYBODY, DRAWN = -1, -2
PEOPLE = f"""
    WITH x AS (
        SELECT DISTINCT d.variant, coalesce(p.merged_into_id, d.profile_id) AS person
        FROM engagements_delivery d
        LEFT JOIN segments_profile p
            ON p.id = d.profile_id AND p.merged_into_id IS NOT NULL
        WHERE d.run_id = ANY(%(runs)s::bigint[]) AND d.variant IS NOT NULL
            AND d.profile_id IS NOT NULL
    )
    SELECT variant, count(*) FROM x GROUP BY 1
    UNION ALL SELECT {EVERYBODY}, count(DISTINCT person) FROM x
    UNION ALL SELECT {DRAWN}, count(DISTINCT person) FROM x WHERE variant > {HELD_OUT}
"""
# Of very many: those who were not sent have an index.
NOT_SENT = _COUNT.format(condition="AND d.state = ANY(%(not_sent)s)")
SAMPLE = """
    WITH chosen AS (
        SELECT run_id, sequence FROM engagements_batch
        WHERE run_id = ANY(%(runs)s::bigint[]) ORDER BY random() LIMIT %(batches)s
    )
    SELECT m.variant, count(*)
    FROM chosen JOIN engagements_batch b USING (run_id, sequence)
    CROSS JOIN LATERAL unnest(b.variants) WITH ORDINALITY m (variant, place)
    WHERE b.sent_count > 0 AND m.place - 1 <> ALL(b.left_out) AND m.variant > 0
    GROUP BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A number, and the list of its people; "" where there is none."""

    count: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A variant, or (with the number 0) the holdout.

    `share`, in percent: of who is not held out; the holdout's is of everybody.
    """

    number: int
    letter: str
    name: str
    # In percent as the engagement says it; None of the holdout, and where not everybody
    # was drawn by it.
    wanted: int | None
    people: int
    share: float
    sent: Cell
    accepted: Cell
    rejected: Cell
    skipped: Cell
    others: Cell
    is_winner: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`is_about` where a sample was taken for all.

    `has_changed` where not everybody was drawn by the same shares: others were set
    meanwhile, or a winner was chosen.
    """

    rows: tuple[Row, ...]
    is_about: bool = False
    has_changed: bool = False

    @property
    def has_holdout(self) -> bool:
        return any(row.number == HELD_OUT for row in self.rows)


def of_engagement(engagement: Engagement, report: Report) -> Comparison | None:
    """Across all runs, as the report counts; None where it has no variants."""
    variants = plan.of(engagement)
    if not variants:
        # It had some, and what was sent then is still to be compared.
        last = engagement.runs.exclude(variants={}).order_by("-pk").first()
        if last is None:
            return None
        variants = plan.of(last)
    has_retries = engagement.runs.filter(retry_of__isnull=False).exists()
    scope = {"run__engagement__id__exact": engagement.pk}
    return _compared(variants, engagement.runs.all(), scope, report, has_retries)


def of_run(run: Run, report: Report) -> Comparison | None:
    variants = plan.of(run)
    if not variants:
        return None
    runs = Run.objects.filter(pk=run.pk)
    return _compared(variants, runs, {"run__id__exact": run.pk}, report, False)


def _compared(
    variants: Variants,
    runs: QuerySet[Run],
    scope: Mapping[str, object],
    report: Report,
    last_try: bool,
) -> Comparison:
    asked: dict[str, Any] = {
        "runs": list(runs.values_list("pk", flat=True)),
        "last_try": last_try,
    }
    is_about = report.total > EXACT
    counts = _estimated(asked, report) if is_about else _counted(asked)
    people = _of_deliveries(counts) if is_about else _ask(PEOPLE, asked)
    total, drawn = people[EVERYBODY], people[DRAWN]
    unsent = {**scope, **(LAST_TRY if last_try else {})}
    numbers = sorted({*(one.number for one in variants.variants), *counts} - {HELD_OUT})
    if HELD_OUT in counts:
        numbers.append(HELD_OUT)
    has_changed = _has_changed(variants, runs)
    rows = (
        _row(
            variants,
            has_changed,
            n,
            counts.get(n, {}),
            people.get(n, 0),
            total if n == HELD_OUT else drawn,
            scope,
            unsent,
        )
        for n in numbers
    )
    return Comparison(rows=tuple(rows), is_about=is_about, has_changed=has_changed)


def _has_changed(variants: Variants, runs: QuerySet[Run]) -> bool:
    """Whether these are not the shares that everybody of the runs was drawn by."""
    drawn_by = runs.exclude(variants={}).order_by().values_list("variants", flat=True)
    every = [variants, *map(plan.read, drawn_by.distinct())]
    shares = {tuple((v.letter, v.share) for v in one.variants) for one in every}
    return len(shares) > 1 or any(one.winner for one in every)


def _row(
    variants: Variants,
    has_changed: bool,
    number: int,
    counts: Mapping[str, int],
    people: int,
    total: int,
    scope: Mapping[str, object],
    unsent: Mapping[str, object],
) -> Row:
    own = next((one for one in variants.variants if one.number == number), None)

    whose = {"variant__exact": number}

    def cell(state: State, where: Mapping[str, object]) -> Cell:
        count = counts.get(state, 0)
        url = people_url({**where, **whose}, state=state) if count else ""
        return Cell(count=count, url=url)

    cells = {
        "sent": cell(State.SENT, scope),
        "accepted": cell(State.ACCEPTED_UNVERIFIED, unsent),
        "rejected": cell(State.REJECTED, unsent),
        "skipped": cell(State.SKIPPED, unsent),
    }
    shown = (State.SENT, State.ACCEPTED_UNVERIFIED, State.REJECTED, State.SKIPPED)
    others = [cell(state, unsent) for state in State if state not in shown]
    return Row(
        number=number,
        letter=own.letter if own else "",
        name=variants.name(number),
        wanted=own.share if own and not has_changed else None,
        people=people,
        share=round(people * 100 / total, 1) if total else 0.0,
        **cells,
        others=_together([one for one in others if one.count]),
        is_winner=bool(own and own.letter == variants.winner),
    )


def _together(cells: Sequence[Cell]) -> Cell:
    """The sum of several numbers; no list has the people of more than one of them."""
    if len(cells) == 1:
        return cells[0]
    return Cell(count=sum(one.count for one in cells), url="")


# Variant → state → how many.
Counts = Mapping[int, Mapping[str, int]]


def _counted(
    asked: Mapping[str, Any], statement: str = COUNT
) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        for number, state, count in cursor:
            found[number][state] = count
    return found


def _estimated(asked: Mapping[str, Any], report: Report) -> Counts:
    """Who was sent by the shares of a sample, the others one by one."""
    not_sent = {**asked, "not_sent": [str(state) for state in Delivery.NOT_SENT]}
    found = _counted(not_sent, NOT_SENT)
    sent = next((row.count for row in report.rows if row.key == State.SENT), 0)
    sampled = _ask(SAMPLE, {**asked, "batches": BATCHES})
    total = sum(sampled.values())
    for number, count in sampled.items():
        found[number][State.SENT] = round(sent * count / total)
    return found


def _of_deliveries(counts: Counts) -> dict[int, int]:
    """As PEOPLE gives them, with each delivery taken for a person."""
    of_each = {number: sum(own.values()) for number, own in counts.items()}
    everybody = sum(of_each.values())
    drawn = everybody - of_each.get(HELD_OUT, 0)
    return {**of_each, EVERYBODY: everybody, DRAWN: drawn}


def _ask(statement: str, asked: Mapping[str, Any]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return dict(cursor.fetchall())
