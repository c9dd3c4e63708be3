"""Writing down what is about to be sent, if it still may be.

The last look before the wire: under a share lock of the engagements, so that a pause or
a cancel waits for this transaction, and after it none begins.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db import connection, transaction

from engagements.audience import erasure
from engagements.delivery import claims, outcomes
from engagements.guards.reasons import NOTHING_NEW
from engagements.models import Delivery
from engagements.outbox import (
    delivery_records,
    doubt,
    one_variant,
    putting_off,
    workers,
)
from engagements.outbox.prepared_request import PreparedRequest
from engagements.personalization.renderer import Skip
from engagements.sync import one_at_a_time, order, state
from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.database_retry import NOW_ON_DISK

# With these nobody stays uncertain.
KNOWN = frozenset({"erased", *NOTHING_NEW})
# Until somebody's other request is answered, most likely.
WAIT = timedelta(seconds=0.2)
SHARE_LOCK = """
    SELECT id FROM engagements_engagement WHERE state = 'active' AND id IN (
        SELECT engagement_id FROM engagements_run WHERE id = ANY(%s)
    ) ORDER BY id FOR SHARE
"""
# Read under the lock: a cancel that was waited for has committed. A batch whose lease
# has run out is somebody else's, and stays; one in which nobody has a payload is done
# without a request. Of what is on the wire a crash of the database forgets nothing: it
# would be sent again, and nobody would know.
_TAKE_OFF = f"""
    WITH x AS (
        SELECT *{{lists}}
        FROM unnest(%s::bigint[], %s::uuid[], %s::bool[], %s::uuid[],
            %s::bigint[], %s::int[], %s::text[], %s::int[], %s::text[],
            %s::timestamptz[], %s::bool[]{{types}})
            AS x (batch_id, token, goes, id, version_id, key_version, left_out,
                item_count, sha256, now, is_repeat{{names}})
    ), taken AS (
        UPDATE engagements_batch b
        SET state = CASE WHEN x.goes THEN 'sending' ELSE 'done' END,
            attempt_count = b.attempt_count + x.goes::int,
            written_at = x.now, is_repeat = x.is_repeat{{sets}}
        FROM x JOIN engagements_batch own ON own.id = x.batch_id
        JOIN engagements_run r ON r.id = own.run_id
        WHERE b.id = x.batch_id AND b.state = 'leased' AND b.lease_token = x.token
          AND b.lease_until > clock_timestamp()
          AND r.state IN ('expanding', 'sending') AND r.engagement_id = ANY(%s)
        RETURNING b.id{{returned}}
    ), attempts AS (
        INSERT INTO engagements_attempt (id, batch_id, version_id, key_version, worker,
            left_out, item_count, request_sha256, outcome)
        SELECT x.id, batch_id, version_id, key_version, %s, left_out::smallint[],
            item_count, sha256, 'unfinished'
        FROM x JOIN taken ON taken.id = x.batch_id WHERE x.goes
    )
    SELECT * FROM taken WHERE {NOW_ON_DISK}
"""
TAKE_OFF = _TAKE_OFF.format(lists="", types="", names="", sets="", returned="")
# And whom they skip.
SKIP_AND_TAKE_OFF = _TAKE_OFF.format(
    lists=", skipped::smallint[] AS places, skip_counts::jsonb AS counts",
    types=", %s::text[], %s::text[], %s::int[]",
    names=", skipped, skip_counts, saved",
    sets=f", {delivery_records.SET_SKIPPED}",
    returned=f", {delivery_records.SKIPPED}",
)
STILL_GOING = """
    SELECT b.id FROM unnest(%s::bigint[], %s::uuid[]) AS x (id, token)
    JOIN engagements_batch b ON b.id = x.id
    JOIN engagements_run r ON r.id = b.run_id
    JOIN engagements_engagement e ON e.id = r.engagement_id
    WHERE b.state = 'sending' AND b.lease_token = x.token
      AND b.lease_until > clock_timestamp()
      AND r.state IN ('expanding', 'sending') AND e.state = 'active'
"""


@transaction.atomic
def intend(requests: Sequence[PreparedRequest]) -> list[PreparedRequest]:
    """Record the attempts and return the requests that go on the wire.

    What may not go is put back; what can never go as it is, is split. Whoever is to be
    sent later leaves for another batch.
    """
    active = _share_lock({prepared.run.pk for prepared in requests})
    requests = _without_waiting(requests)
    putting_off.put_off((prepared.claim, prepared.later) for prepared in requests)
    one_variant.note(requests)
    whole = [prepared for prepared in requests if not prepared.refusal]
    taken = _take_off(whole, active)
    going = [prepared for prepared in whole if prepared.batch_id in taken]
    if len(going) < len(requests):
        refused = [prepared for prepared in requests if prepared.refusal]
        _split(
            [prepared for prepared in refused if prepared.run.engagement_id in active]
        )
        # Does nothing to a batch that has gone on, or is somebody else's by now.
        claims.put_back([prepared.claim for prepared in requests], timedelta(0))
    return [prepared for prepared in going if prepared.request is not None]


def still_going(requests: Sequence[PreparedRequest]) -> list[PreparedRequest]:
    """Of requests that were intended and then held up, those that may still go.

    Meanwhile somebody may have paused the engagement, or the lease may be over.
    """
    ids, tokens = [x.batch_id for x in requests], [x.token for x in requests]
    with connection.cursor() as cursor:
        cursor.execute(STILL_GOING, [ids, tokens])
        going = {batch_id for (batch_id,) in cursor}
    return [prepared for prepared in requests if prepared.batch_id in going]


def _without_waiting(requests: Sequence[PreparedRequest]) -> list[PreparedRequest]:
    """Those that may go now; the others are put back, and nothing is used up."""
    waiting = one_at_a_time.in_the_way(requests) | order.in_the_way(requests)
    if waiting:
        back = [x.claim for x in requests if x.batch_id in waiting]
        claims.put_back(back, WAIT)
    return [x for x in requests if x.batch_id not in waiting]


def _share_lock(run_ids: set[int]) -> list[int]:
    """Lock the runs' engagements; return those that may send."""
    with connection.cursor() as cursor:
        cursor.execute(SHARE_LOCK, [list(run_ids)])
        return [engagement_id for (engagement_id,) in cursor]


def _split(requests: Sequence[PreparedRequest]) -> None:
    for prepared in requests:
        # The halves take only those along who have a payload.
        skips = _Skips.of([prepared])
        skips.end([prepared.batch_id])
        skips.let_be([prepared.batch_id])
        outcomes.split(prepared, prepared.refusal)


class _Skips(NamedTuple):
    """Of batches those without a payload, and the data points that they save.

    `reasons`: why, by place. Of somebody who was deleted (`gone`) nothing is told but
    that; who may have been sent already (`doubted`) has no end: they stay uncertain.
    """

    reasons: Mapping[int, Mapping[int, str]] = MappingProxyType({})
    gone: Mapping[int, Sequence[int]] = MappingProxyType({})
    doubted: Mapping[int, Mapping[int, str]] = MappingProxyType({})
    saved: Mapping[int, int] = MappingProxyType({})

    @classmethod
    def of(cls, requests: Sequence[PreparedRequest]) -> "_Skips":
        gone, reasons, doubted = {}, {}, {}
        # Few are told apart, and many have the same.
        words: dict[int, str] = {}
        for prepared in requests:
            batch_id, own = prepared.batch_id, prepared.skipped
            if own:
                gone[batch_id] = [n for n, s in own.items() if s.code == "erased"]
                if prepared.is_in_doubt:
                    doubted[batch_id] = _not_again(own)
                reasons[batch_id] = {
                    n: words.get(id(skip)) or words.setdefault(id(skip), str(skip))
                    for n, skip in own.items()
                    if skip.code != "erased" and n not in doubted.get(batch_id, ())
                }
        saved = {x.batch_id: x.synced.saved for x in requests if x.synced}
        return cls(reasons, gone, doubted, saved)

    @property
    def is_any(self) -> bool:
        """Whether a batch is to say of itself who is skipped, or what that saves."""
        return any(self.reasons.values()) or any(self.saved.values())

    def end(self, ids: Collection[int]) -> None:
        """Write the ends of those in these batches, whoever has one already."""
        reasons = {id: own for id, own in self.reasons.items() if id in ids}
        delivery_records.settle_places(Delivery.State.SKIPPED, reasons)
        state.add_points([(id, 0, n) for id, n in self.saved.items() if id in ids])

    def let_be(self, ids: Collection[int]) -> None:
        """What becomes of the others in these batches, who have no end of their own."""
        erasure.vacate({id: own for id, own in self.gone.items() if id in ids})
        doubt.stay({id: own for id, own in self.doubted.items() if id in ids})


NOBODY = _Skips()


def _take_off(requests: Sequence[PreparedRequest], active: Sequence[int]) -> set[int]:
    """Let these go, and write the ends of whoever has no payload; the batches' ids."""
    skips = _Skips.of(requests)
    taken = _with_new_ends(requests, active, skips)
    if taken is None:
        taken = {id for id, *_ in _taken(requests, active)}
        skips.end(taken)
    skips.let_be(taken)
    return taken


def _with_new_ends(
    requests: Sequence[PreparedRequest], active: Sequence[int], skips: _Skips
) -> set[int] | None:
    """The same where nobody has an end yet; None where it is not so, and nothing is done."""
    if not any(skips.reasons.values()):
        return {id for id, *_ in _taken(requests, active, skips)}
    people = {x.batch_id: x.claim.profile_ids for x in requests}
    try:
        with transaction.atomic():
            rows = _taken(requests, active, skips)
            if delivery_records.copy_skipped(rows, skips.reasons, people):
                return {id for id, *_ in rows}
            # They may have an end already.
            transaction.set_rollback(True)
    except Exception as e:
        if about(e) is not About.ROW:
            raise
    return None


def _taken(
    requests: Sequence[PreparedRequest],
    active: Sequence[int],
    skips: _Skips = NOBODY,
) -> list[Any]:
    """Of each batch that may go its id, and `delivery_records.SKIPPED` if any skips."""
    ids = [prepared.batch_id for prepared in requests]
    columns: list[Any] = [
        ids,
        [prepared.token for prepared in requests],
        [prepared.request is not None for prepared in requests],
        [prepared.attempt_id for prepared in requests],
        [prepared.run.version_id for prepared in requests],
        [prepared.run.version.connection.key_version for prepared in requests],
        # unnest takes lists of lists apart: each goes as the text of one.
        [_array(prepared.left_out) for prepared in requests],
        [prepared.packed.item_count for prepared in requests],
        [_digest(prepared) for prepared in requests],
        [prepared.claim.now for prepared in requests],
        [bool(prepared.newer and prepared.newer.is_repeat) for prepared in requests],
    ]
    statement = TAKE_OFF
    if skips.is_any:
        statement = SKIP_AND_TAKE_OFF
        columns += delivery_records.skip_columns(ids, skips.reasons, skips.saved)
    with connection.cursor() as cursor:
        cursor.execute(statement, [*columns, list(active), workers.process_name()])
        return list(cursor.fetchall())


def _not_again(skipped: Mapping[int, Skip]) -> dict[int, str]:
    """Of those who are skipped whom the lost request may have reached, and what to say.

    Who has nothing new has it by another request.
    """
    return {
        place: f"{why.code}: Not sent again. {why.message}"
        for place, why in skipped.items()
        if why.code not in KNOWN
    }


def _array(places: Sequence[int]) -> str:
    return "{" + ",".join(map(str, places)) + "}"


def _digest(prepared: PreparedRequest) -> str:
    body = prepared.request.body if prepared.request else None
    return hashlib.sha256(body or b"").hexdigest()
