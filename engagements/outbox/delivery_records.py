"""Deliveries: the one row that tells what became of a person in a run.

Written in sets out of the batches' own lists. A row that says an end never changes,
but for "uncertain", which may still become what really happened.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection, transaction

from engagements.models import Batch, Delivery
from engagements.outbox import just_sent
from lemnisk_braze.lib.database_errors import About, about, in_words
from lemnisk_braze.lib.logs import get_logger
from segments.models import copying

logger = get_logger(__name__)

INTO_DELIVERIES = """
    ON CONFLICT (profile_id, run_id, transition_id) DO UPDATE
    SET state = excluded.state, reason = excluded.reason,
        updated_at = excluded.updated_at
    WHERE d.state = 'uncertain'
"""
# The end of everybody in {batches} (rows of Batch) who is not left out already.
SETTLE = """
    INSERT INTO engagements_delivery AS d
        (run_id, profile_id, event_id, transition_id, batch_id, state, reason, variant)
    SELECT b.run_id, m.profile_id, m.event_id, coalesce(m.transition_id, 0), b.id,
        {state}, {reason}, m.variant
    FROM {batches} b
    CROSS JOIN LATERAL unnest(b.profile_ids, b.event_ids, b.transition_ids, b.variants)
        WITH ORDINALITY m (profile_id, event_id, transition_id, variant, place)
    WHERE m.place - 1 <> ALL(b.left_out)
"""
SETTLE_REST = (
    SETTLE.format(
        batches="(SELECT * FROM engagements_batch WHERE id = ANY(%s))",
        state="%s",
        reason="%s",
    )
    + INTO_DELIVERIES
)
SETTLE_PLACES = f"""
    INSERT INTO engagements_delivery AS d
        (run_id, profile_id, event_id, transition_id, batch_id, state, reason, variant)
    SELECT b.run_id, b.profile_ids[x.place + 1], b.event_ids[x.place + 1],
        coalesce(b.transition_ids[x.place + 1], 0), b.id, %s, (%s::text[])[x.reason],
        b.variants[x.place + 1]
    FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS x (batch_id, place, reason)
    JOIN engagements_batch b ON b.id = x.batch_id
    -- Who was erased has an end already.
    WHERE b.profile_ids[x.place + 1] <> 0
    {INTO_DELIVERIES}
"""
_COUNTS = """
    CASE WHEN b.skip_counts = '{}' THEN x.counts ELSE (
            SELECT jsonb_object_agg(code, n) FROM (
                SELECT code, sum(n::int) AS n FROM (
                    SELECT * FROM jsonb_each_text(b.skip_counts)
                    UNION ALL SELECT * FROM jsonb_each_text(x.counts)
                ) one (code, n) GROUP BY code
            ) own
        ) END
"""
# Each place once, and in order.
_LEFT_OUT = """ARRAY(
        SELECT DISTINCT place FROM unnest(b.left_out || x.places) place ORDER BY place
    )"""
# The same of who is skipped, with the batches' own counts.
SKIP_PLACES = f"""
    WITH settled AS ({SETTLE_PLACES} RETURNING d.batch_id, d.reason), counted AS (
        SELECT batch_id, jsonb_object_agg(code, n) AS counts FROM (
            SELECT batch_id, split_part(reason, ':', 1) AS code, count(*) AS n
            FROM settled GROUP BY 1, 2
        ) by_code GROUP BY batch_id
    )
    UPDATE engagements_batch b SET skip_counts = {_COUNTS}
    FROM counted x WHERE b.id = x.batch_id
"""
# What it sets of batches of people of whom none has an end, which is nearly always so:
# whom they leave out, how many for what, and what that saves. Their ends are copied out
# of their lists (`copy_skipped`).
SET_SKIPPED = f"""
    data_points_saved = b.data_points_saved + x.saved,
    skip_counts = CASE WHEN x.places = '{{}}' THEN b.skip_counts ELSE {_COUNTS} END,
    left_out = CASE WHEN x.places = '{{}}' THEN b.left_out
        WHEN b.left_out = '{{}}' THEN x.places ELSE {_LEFT_OUT} END
"""
# Of such a batch what their ends need.
SKIPPED = """
    x.places <> '{}' AS is_any, b.run_id, 0 = ANY(b.profile_ids) AND EXISTS (
        SELECT FROM unnest(x.places) place WHERE b.profile_ids[place + 1] = 0
    ) AS is_anybody_erased, b.event_ids, b.transition_ids, b.variants
"""
TABLE, COLUMNS = (
    "engagements_delivery",
    (
        *("run_id", "profile_id", "event_id", "transition_id"),
        *("batch_id", "state", "reason", "variant"),
    ),
)
LEAVE_OUT = f"""
    UPDATE engagements_batch b SET left_out = {_LEFT_OUT}
    -- unnest takes lists of lists apart: each comes as the text of one.
    FROM (
        SELECT batch_id, places::smallint[]
        FROM unnest(%s::bigint[], %s::text[]) AS y (batch_id, places)
    ) x WHERE b.id = x.batch_id
"""
# What those who were accepted go without, beside what else there is to say of them. Not
# in one statement: while PostgreSQL takes the table for empty, as it does where it was
# analyzed as its first rows were being written, it would read all of it for each note.
ONE_BY_ONE = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
AS_BEFORE = (
    "SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT"
)
NOTED = """
    SELECT found.id, x.number
    FROM unnest(%s::bigint[], %s::int[]) WITH ORDINALITY AS x (batch_id, place, number)
    JOIN engagements_batch b ON b.id = x.batch_id
    CROSS JOIN LATERAL (
        SELECT d.id FROM engagements_delivery d
        WHERE d.profile_id = b.profile_ids[x.place + 1] AND d.run_id = b.run_id
          AND d.transition_id = coalesce(b.transition_ids[x.place + 1], 0)
          AND d.state IN ('sent', 'accepted_unverified') OFFSET 0
    ) found
"""
NOTE = """
    UPDATE engagements_delivery d
    SET reason = concat_ws(' ', nullif(d.reason, ''), %s::jsonb ->> d.id::text)
    WHERE d.id = ANY(%s::bigint[])
"""

# Batch → place → why.
Reasons = Mapping[int, Mapping[int, str]]


def settle(batch_ids: Iterable[int], state: Delivery.State, reason: str = "") -> None:
    """Write the end of everybody in the batches who is not left out already.

    Whose end the database refuses is given up, and does not keep the others.
    """
    batch_ids = list(batch_ids)
    if state in just_sent.ACCEPTED and just_sent.is_asked():
        just_sent.note(batch_ids)
    if batch_ids and _refusal(SETTLE_REST, [state, storable(reason), batch_ids]):
        for batch in Batch.objects.filter(pk__in=batch_ids):
            _settle_apart(state, [(batch.pk, n, reason) for n in batch.places_left])


def settle_places(state: Delivery.State, reasons: Reasons) -> None:
    """Write the end of these people, and let no further request take them along."""
    rows = [(id, n, text) for id, own in reasons.items() for n, text in own.items()]
    if rows:
        _settle_apart(state, rows)
    leave_out({batch_id: own.keys() for batch_id, own in reasons.items()})


def doubt(reasons: Reasons) -> None:
    """Write that these people are uncertain; they wait for a decision where they are."""
    rows = [(id, n, text) for id, own in reasons.items() for n, text in own.items()]
    if rows:
        _settle_apart(Delivery.State.UNCERTAIN, rows)


def skip_columns(
    ids: Collection[int], reasons: Reasons, saved: Mapping[int, int]
) -> list[str]:
    """Of these batches whom they skip, how many for what, and what that saves.

    Arrays of text, text and int, of which the first two are read as a list of places and
    as JSON: unnest takes lists of lists apart.
    """
    own = [reasons.get(id, {}) for id in ids]
    return [
        copying.text_array(copying.number_array(sorted(its)) for its in own),
        copying.text_array(orjson.dumps(_counts(its)).decode() for its in own),
        copying.number_array(saved.get(id, 0) for id in ids),
    ]


def copy_skipped(
    rows: Iterable[Sequence[Any]], reasons: Reasons, people: Mapping[int, Sequence[int]]
) -> bool:
    """Write the ends of who is skipped in batches (an id, and what `SKIPPED` returns).

    `people`: who was in the batches when they were claimed. False where one of them was
    erased meanwhile, and may have an end already: then nothing is written.
    """
    lines: list[str] = []
    for id, is_any, run_id, is_anybody_erased, *its in rows:
        if is_anybody_erased:
            return False
        if is_any:
            lines += _skipped(f"{run_id}\t", id, [people[id], *its], reasons[id])
    if lines:
        copying.copy(TABLE, COLUMNS, lines)
    return True


def _skipped(
    run: str, batch_id: int, lists: Sequence[Any], reasons: Mapping[int, str]
) -> list[str]:
    """Lines of COPY for these people of a batch, by its four lists."""
    people, count = lists[0], len(lists[0])
    events, entries, variants = (
        [nothing if one is None else one for one in column] or [nothing] * count
        for column, nothing in zip(
            lists[1:], (copying.NULL, 0, copying.NULL), strict=True
        )
    )
    ends = {
        why: f"\t{batch_id}\tskipped\t{copying.field(storable(why))}\t"
        for why in set(reasons.values())
    }
    return [
        f"{run}{people[n]}\t{events[n]}\t{entries[n]}{ends[why]}{variants[n]}"
        for n, why in reasons.items()
    ]


def _counts(reasons: Mapping[int, str]) -> Mapping[str, int]:
    """How many there are of each reason's code."""
    counts: Counter[str] = Counter()
    for why, count in Counter(reasons.values()).items():
        counts[why.partition(":")[0]] += count
    return counts


def note(notes: Reasons) -> None:
    """Add to the ends of these people what was left out of what they were sent."""
    rows = [
        (id, place, text) for id, own in notes.items() for place, text in own.items()
    ]
    if rows:
        batch_ids, places, texts = zip(*rows, strict=True)
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            cursor.execute(ONE_BY_ONE)
            cursor.execute(NOTED, [list(batch_ids), list(places)])
            said = {id: storable(texts[number - 1]) for id, number in cursor.fetchall()}
            text = orjson.dumps({str(id): note for id, note in said.items()}).decode()
            cursor.execute(NOTE, [text, list(said)])
            cursor.execute(AS_BEFORE)


# A place in a batch, and why.
Row = tuple[int, int, str]


def _settle_apart(state: Delivery.State, rows: Sequence[Row]) -> None:
    """Write these ends together, else in halves, until a bad one stands alone."""
    columns, is_skip = _columns(state, rows), state == Delivery.State.SKIPPED
    refusal = _refusal(SKIP_PLACES if is_skip else SETTLE_PLACES, columns)
    if refusal is None:
        return
    if len(rows) > 1:
        half = len(rows) // 2
        _settle_apart(state, rows[:half])
        _settle_apart(state, rows[half:])
    else:
        _give_up(*rows[0][:2], refusal)


def _give_up(batch_id: int, place: int, refusal: Exception) -> None:
    logger.error(
        "delivery.unrecorded", batch_id=batch_id, place=place, exc_info=refusal
    )
    # Where the database takes not even this, the log has it.
    row = (batch_id, place, in_words(refusal))
    _refusal(SETTLE_PLACES, _columns(Delivery.State.DEAD, [row]))
    leave_out({batch_id: [place]})


def _columns(state: Delivery.State, rows: Sequence[Row]) -> list[Any]:
    batch_ids, places, texts = zip(*rows, strict=True)
    # They are few, however many people there are.
    numbers = {text: n for n, text in enumerate(dict.fromkeys(texts), 1)}
    return [
        state,
        [storable(text) for text in numbers],
        copying.number_array(batch_ids),
        copying.number_array(places),
        copying.number_array([numbers[text] for text in texts]),
    ]


def _refusal(statement: str, columns: Sequence[Any]) -> Exception | None:
    """Why the database refuses one of the rows; None where it has taken all."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, columns)
    except Exception as e:
        if about(e) is not About.ROW:
            raise
        return e
    return None


def storable(text: str) -> str:
    """The text as PostgreSQL takes it: no NUL, and no half of a character."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode(errors="replace").decode()


def leave_out(places: Mapping[int, Collection[int]]) -> None:
    """Take these people of the batches along in no further request."""
    lists = {id: copying.number_array(own) for id, own in places.items() if own}
    if lists:
        with connection.cursor() as cursor:
            cursor.execute(LEAVE_OUT, [list(lists), list(lists.values())])


def cancel(batch_ids: Iterable[int]) -> None:
    """Cancel batches, and everybody in them who is still open."""
    batch_ids = list(batch_ids)
    settle(batch_ids, Delivery.State.CANCELLED)
    Batch.objects.filter(pk__in=batch_ids).update(state=Batch.State.CANCELLED)


def reopen(batch: Batch) -> None:
    """Let the batch's uncertain people wait again: they have no end any more.

    But for those whom a retry has taken along: they wait there.
    """
    Delivery.objects.filter(
        run_id=batch.run_id,
        profile_id__in=batch.profile_ids,
        batch=batch,
        state=Delivery.State.UNCERTAIN,
        retry=None,
    ).delete()
