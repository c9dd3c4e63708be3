"""What Braze last accepted of a person from an engagement, as the database has it.

Written in the transaction that writes down the answer. What only may have been taken is
in doubt: nothing is "unchanged" then, and the attributes that may be there are known by
their names. An answer that comes after all ends its own doubt, and no other's.
"""

import struct
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import IntegrityError, connection, transaction

from engagements.models import Accepted, Engagement
from engagements.outbox.known import Known, Mark
from engagements.outbox.names import AMONG_THOSE
from segments.models import copying


class Ends(NamedTuple):
    """Who was accepted in a batch: the place, who that is, and what is so now.

    Where they `are_new` none of them had a state when the request left, and each is who
    the batch says.
    """

    batch_id: int
    attempt_id: uuid.UUID
    engagement_id: int
    epoch: int
    people: Sequence[tuple[int, int, Mark]]
    are_new: bool = False


TABLE, COLUMNS = (
    "engagements_accepted",
    ("engagement_id", "profile_id", "epoch", "state"),
)
# A row as COPY has it: how many columns, and the size of each before its value.
_ROW = struct.Struct(">hiqiqihi").pack
# A list in a SELECT of its own is planned once, and not number by number.
READ = """
    SELECT profile_id, state, doubt IS NULL AND epoch = %s, xmin::text::bigint
    FROM engagements_accepted
    WHERE engagement_id = %s AND profile_id = ANY((SELECT %s::bigint[])::bigint[])
"""
# Whether it may be another by now: what others have written since is written by nobody
# whose writing one statement had read.
AS_IT_WAS = f"""
    SELECT count(*) = %(there)s AND coalesce(bool_and(xmin = ANY(%(by)s::xid[])), true)
    FROM engagements_accepted
    WHERE engagement_id = %(engagement)s AND profile_id = {AMONG_THOSE}
"""
# One by one, however many there are in all.
CHANGED = """
    SELECT x.profile_id
    FROM unnest(%s::bigint[], %s::bigint[]) x (profile_id, written_by)
    WHERE x.written_by <> coalesce((
        SELECT a.xmin::text::bigint FROM engagements_accepted a
        WHERE a.engagement_id = %s AND a.profile_id = x.profile_id
    ), 0)
"""
# Who was erased meanwhile is not in the batch any more. A late answer ends the doubt
# that its own attempt left, where nothing was sent since.
_ACCEPTED = """
    WITH x AS (
        SELECT x.* FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::uuid[],
            %s::bigint[], %s::smallint[], %s::bytea[])
            AS x (batch_id, place, profile_id, attempt_id, engagement_id, epoch, state)
        JOIN engagements_batch b ON b.id = x.batch_id
        WHERE b.profile_ids[x.place + 1] <> 0
          AND (b.profile_ids[x.place + 1] = x.profile_id
              OR EXISTS (SELECT FROM segments_profile p WHERE p.id = x.profile_id))
    )
"""
# Under the batches' locks: in which of them somebody is not there any more.
WITH_NOBODY = """
    SELECT id FROM engagements_batch
    WHERE id = ANY(%s::bigint[]) AND 0 = ANY(profile_ids)
"""
# Of those without a state nothing is kept.
GONE = f"""{_ACCEPTED}
    DELETE FROM engagements_accepted a USING x
    WHERE a.engagement_id = x.engagement_id AND a.profile_id = x.profile_id
"""
ACCEPT = f"""{_ACCEPTED}
    INSERT INTO engagements_accepted AS a (engagement_id, profile_id, epoch, state)
    SELECT engagement_id, profile_id, epoch, state FROM x
    ORDER BY engagement_id, profile_id
    ON CONFLICT (engagement_id, profile_id) DO UPDATE
    SET epoch = excluded.epoch, state = excluded.state, doubt = NULL
"""
ACCEPT_LATE = f"""{_ACCEPTED}, ours AS (
        SELECT x.* FROM x JOIN engagements_accepted a
            ON a.engagement_id = x.engagement_id AND a.profile_id = x.profile_id
            AND a.doubt = x.attempt_id
        WHERE NOT EXISTS (
            SELECT FROM engagements_attempt own
            JOIN engagements_attempt later ON later.batch_id = own.batch_id
                AND later.started_at > own.started_at
            WHERE own.id = x.attempt_id
        )
        ORDER BY a.engagement_id, a.profile_id FOR UPDATE OF a
    ), gone AS (
        DELETE FROM engagements_accepted a USING ours
        WHERE a.engagement_id = ours.engagement_id AND a.profile_id = ours.profile_id
            AND ours.state IS NULL
    )
    UPDATE engagements_accepted a
    SET epoch = ours.epoch, state = ours.state, doubt = NULL
    FROM ours WHERE a.engagement_id = ours.engagement_id
        AND a.profile_id = ours.profile_id AND ours.state IS NOT NULL
"""
# Under the name by which they were sent, and of whoever they are part of by now.
DOUBT = """
    INSERT INTO engagements_accepted AS a
        (engagement_id, profile_id, epoch, state, doubt)
    SELECT DISTINCT r.engagement_id, own.id, e.sync_epoch, %s::bytea, %s::uuid
    FROM engagements_batch b
    JOIN engagements_run r ON r.id = b.run_id
    JOIN engagements_engagement e ON e.id = r.engagement_id
    CROSS JOIN LATERAL unnest(b.profile_ids) WITH ORDINALITY m (profile_id, place)
    JOIN segments_profile p ON p.id = m.profile_id
    CROSS JOIN LATERAL unnest(ARRAY[p.id, p.merged_into_id]) own (id)
    WHERE b.id = %s AND m.place - 1 <> ALL(b.left_out) AND own.id IS NOT NULL
    ORDER BY 1, 2
    ON CONFLICT (engagement_id, profile_id) DO UPDATE
    SET epoch = excluded.epoch, state = excluded.state, doubt = excluded.doubt
"""
POINTS = """
    UPDATE engagements_batch b SET data_points = b.data_points + x.sent,
        data_points_saved = b.data_points_saved + x.saved
    FROM (
        SELECT id, sum(sent) AS sent, sum(saved) AS saved
        FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS y (id, sent, saved)
        GROUP BY id
    ) x WHERE b.id = x.id
"""
RESYNC = """
    UPDATE engagements_engagement SET sync_epoch = (sync_epoch + 1) %% 32000,
        updated_at = clock_timestamp()
    WHERE id = ANY(%s)
"""


def known(
    engagement_id: int, epoch: int, profile_ids: Collection[int]
) -> Mapping[int, Known]:
    """What is known of these people, by id; who was never accepted is not there."""
    with connection.cursor() as cursor:
        people = copying.id_array(profile_ids)
        cursor.execute(READ, [epoch, engagement_id, people])
        return {
            id: Known(bytes(state), sure, by)
            for id, state, sure, by in cursor.fetchall()
        }


def as_read(
    engagement_id: int, people: Mapping[int, Known | None], writers: Collection[int]
) -> dict[str, Any]:
    """What `AS_IT_WAS` is asked: what was known of these people, by one statement.

    `writers`: the transactions that had written all that it read.
    """
    return {
        "people": copying.id_array(people),
        "engagement": engagement_id,
        "there": sum(its is not None for its in people.values()),
        "by": copying.number_array(writers),
    }


def accept(
    answers: Sequence[Ends],
    *,
    late: Collection[uuid.UUID] = (),
    is_anybody_gone: bool | None = None,
) -> None:
    """Keep what these people were accepted with; of the attempts `late` as such.

    Call it in the transaction that writes down the answers. `is_anybody_gone`: whether
    there is an empty place in the batches, where it is known.
    """
    for is_late in (False, True) if late else (False,):
        own = [ends for ends in answers if (ends.attempt_id in late) == is_late]
        if is_late:
            _write(ACCEPT_LATE, own)
            continue
        new = [ends for ends in own if ends.are_new and ends.people]
        if new and not is_anybody_gone and _copy(new, is_anybody_gone):
            own = [ends for ends in own if not (ends.are_new and ends.people)]
        _write(ACCEPT, own, lambda mark: mark.state is not None)
        _write(GONE, own, lambda mark: mark.state is None)


def doubt(batch_id: int, attempt_id: uuid.UUID, unknown: bytes) -> None:
    """Nobody knows whether Braze took those whom the batch still holds."""
    with connection.cursor() as cursor:
        cursor.execute(DOUBT, [unknown, attempt_id, batch_id])


def add_points(rows: Sequence[tuple[int, int, int]]) -> None:
    """Add to batches (id, data points, saved ones)."""
    rows = [row for row in rows if row[1] or row[2]]
    if rows:
        columns = [copying.number_array(column) for column in zip(*rows, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(POINTS, columns)


def resync(engagement: Engagement) -> int:
    """Forget what Braze has accepted of whom; return how many people that was.

    Which attributes were ever written is kept: one that has gone is cleared then, too.
    """
    count = people(engagement)
    forget([engagement.pk])
    engagement.refresh_from_db(fields=["sync_epoch", "updated_at"])
    return count


def people(engagement: Engagement) -> int:
    """Of how many people something is known that a full resync would forget."""
    own = Accepted.objects.filter(engagement=engagement, epoch=engagement.sync_epoch)
    return own.filter(doubt=None).count()


def forget(engagement_ids: Sequence[int]) -> None:
    """The same for several, such as all of them after a restore."""
    with connection.cursor() as cursor:
        cursor.execute(RESYNC, [list(engagement_ids)])


def which_changed(engagement_id: int, people: Mapping[int, Known | None]) -> set[int]:
    """Of these people, and what was known of them, those of whom that is not so now."""
    columns = (
        copying.number_array(people),
        copying.number_array(its.written_by if its else 0 for its in people.values()),
    )
    with connection.cursor() as cursor:
        cursor.execute(CHANGED, [*columns, engagement_id])
        return {id for (id,) in cursor.fetchall()}


def _copy(answers: Sequence[Ends], is_anybody_gone: bool | None) -> bool:
    """Add those who have no state, in less than half of the time; False: somebody has.

    By then nobody has written anything, nor where somebody was erased meanwhile.
    """
    by_engagement: dict[tuple[int, int], dict[int, bytes]] = defaultdict(dict)
    for ends in answers:
        own = by_engagement[ends.engagement_id, ends.epoch]
        own.update({id: mark.state for _, id, mark in ends.people if mark.state})
    if sum(map(len, by_engagement.values())) < sum(len(x.people) for x in answers):
        # Somebody is there twice, or has no state.
        return False
    if is_anybody_gone is None and _is_anybody_gone(answers):
        return False
    rows = [
        _ROW(4, 8, engagement, 8, id, 2, epoch, len(state)) + state
        for (engagement, epoch), own in sorted(by_engagement.items())
        for id, state in sorted(own.items())
    ]
    try:
        with transaction.atomic():
            copying.copy_binary(TABLE, COLUMNS, rows)
    except IntegrityError:
        # Whoever was taken for new was another's, or in doubt, meanwhile.
        return False
    return True


def _is_anybody_gone(answers: Sequence[Ends]) -> bool:
    with connection.cursor() as cursor:
        ids = copying.id_array([ends.batch_id for ends in answers])
        cursor.execute(WITH_NOBODY, [ids])
        return cursor.fetchone() is not None


def _write(
    statement: str,
    answers: Sequence[Ends],
    is_asked: Callable[[Mark], bool] = lambda mark: True,
) -> None:
    rows = [
        (ends, [one for one in ends.people if is_asked(one[2])]) for ends in answers
    ]
    people = [one for _, own in rows for one in own]
    if len({id for _, id, _ in people}) < len(people) and len(rows) > 1:
        # Somebody is in two of them: the last is what Braze has.
        for ends in answers:
            _write(statement, [ends], is_asked)
        return
    if not people:
        return
    columns = [
        _of_each(rows, lambda ends: ends.batch_id),
        copying.number_array([place for place, _, _ in people]),
        copying.number_array([id for _, id, _ in people]),
        _of_each(rows, lambda ends: ends.attempt_id),
        _of_each(rows, lambda ends: ends.engagement_id),
        _of_each(rows, lambda ends: ends.epoch),
        copying.bytes_array([mark.state for _, _, mark in people]),
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, columns)


def _of_each(
    rows: Sequence[tuple[Ends, Sequence[Any]]], value: Callable[[Ends], object]
) -> str:
    """An array with a batch's value for each of its people."""
    own = [",".join([str(value(ends))] * len(some)) for ends, some in rows if some]
    return "{" + ",".join(own) + "}"
