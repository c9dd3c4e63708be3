"""Newest wins: a repeated request does not overwrite what was accepted since.

When a request is written again, what it says of the person themselves is read anew, and
so is as new as can be. What it says by an event, the time or a constant is as old as its
first writing: such an attribute is left out where a later request that writes it, too,
was (or may have been) accepted for the person on the same connection.

A repeat leaves while no other request for its people is on the wire of the connection,
and none of those leaves while it is there: which came first nobody could say.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connection

from engagements.models import Delivery, Run
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import Newer, PreparedRequest
from engagements.personalization.delivery_ids import first_run_id
from engagements.personalization.renderer import Skip
from engagements.sync import shape
from engagements.sync.shape import is_flag
from engagements.variants import plan
from externalapi.definitions.compiled import Rendered
from externalapi.models import ExternalAPIVersion
from externalapi.template import bodies
from externalapi.template.placeholders import find_in_tree
from externalapi.vendors.braze.facts.contract import identifiers_of
from lemnisk_braze.lib.json_types import JSON

TAKEN = tuple(map(str, Delivery.MAYBE_SENT))
# In a run that tries people again they are as old as in the first.
SINCE = f"""
    SELECT DISTINCT x.batch_id, x.place, r.version_id, e.name
    FROM unnest(%(batches)s::bigint[], %(places)s::int[], %(people)s::bigint[],
        %(entries)s::bigint[], %(written)s::timestamptz[], %(firsts)s::bigint[])
        AS x (batch_id, place, profile_id, entry_id, written_at, first_run_id)
    CROSS JOIN LATERAL (
        SELECT coalesce(min(b.written_at), x.written_at) AS written_at
        FROM engagements_delivery d JOIN engagements_batch b ON b.id = d.batch_id
        WHERE d.profile_id = x.profile_id AND d.run_id = x.first_run_id
          AND d.transition_id = x.entry_id
    ) own
    JOIN engagements_delivery d
        ON d.profile_id = x.profile_id AND d.state IN {TAKEN}
    JOIN engagements_batch b ON b.id = d.batch_id AND b.id <> x.batch_id
        AND b.written_at > own.written_at
    JOIN engagements_run r ON r.id = b.run_id
    JOIN engagements_engagement e ON e.id = r.engagement_id
    JOIN externalapi_externalapiversion v ON v.id = r.version_id
        AND v.connection_id = %(connection)s
"""
# Any number that nothing else in this database uses.
LOCK = 0x0A6C
_ALONE = "SELECT pg_advisory_xact_lock(%s, %s)"
_TOGETHER = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
# Mostly there is none, and an index that is empty says so.
_IS_REPEAT_ON_THE_WIRE = """
    SELECT EXISTS (SELECT FROM engagements_batch WHERE state = 'sending' AND is_repeat)
"""
_ON_THE_WIRE = """
    SELECT DISTINCT m.profile_id
    FROM (
        SELECT * FROM engagements_batch WHERE state = 'sending' {repeats} OFFSET 0
    ) b
    JOIN engagements_run r ON r.id = b.run_id
    JOIN externalapi_externalapiversion v ON v.id = r.version_id
        AND v.connection_id = %(connection)s
    CROSS JOIN LATERAL unnest(b.profile_ids) m (profile_id)
    WHERE m.profile_id <> 0 {people}
"""
REPEATS_ON_THE_WIRE = _ON_THE_WIRE.format(repeats="AND is_repeat", people="")
ON_THE_WIRE = _ON_THE_WIRE.format(
    repeats="", people="AND m.profile_id = ANY(%(people)s::bigint[])"
)

# Names of attributes; None: whatever stands in the objects.
Names = frozenset[str] | None
# (batch, place) → version and engagement of each later request.
Overtaken = Mapping[tuple[int, int], frozenset[tuple[int, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """What the requests of a run write; `aged` is not read anew with each of them."""

    aged: Names

    @property
    def is_aging(self) -> bool:
        return self.aged is None or bool(self.aged)


def written_by(run: Run) -> Writes | None:
    """The attributes of a run's requests; None where they have none."""
    objects = _objects(run.version)
    if not objects:
        return None
    if not all(isinstance(one, dict) for one in objects):
        return Writes(aged=None)
    # Of any variant.
    each = [shape.roots(run.version, own) for own in plan.of(run).each(run.values)]
    aged = {
        name
        for one in objects
        if isinstance(one, dict)
        for name in _values(one)
        if any(shape.made_from(one[name], roots) != {"profile"} for roots in each)
    }
    return Writes(aged=frozenset(aged))


def is_repeat(run: Run, held: Claim) -> bool:
    """Whether a request of these people was written before."""
    return held.is_written or run.retry_of_id is not None


def since(run: Run, claims: Iterable[Claim]) -> Overtaken:
    """What was accepted for the claims' people after they were written first."""
    first = first_run_id(run) if run.retry_of_id else 0
    rows = [
        (held.batch_id, place, profile_id, entry, held.now, first)
        for held in claims
        for place, (profile_id, entry) in enumerate(
            zip(
                held.profile_ids,
                held.transition_ids or [0] * len(held.profile_ids),
                strict=True,
            )
        )
        if place not in held.left_out
    ]
    if not rows:
        return {}
    names = ("batches", "places", "people", "entries", "written", "firsts")
    columns = (list(column) for column in zip(*rows, strict=True))
    asked: dict[str, Any] = dict(zip(names, columns, strict=True))
    asked["connection"] = run.version.connection_id
    found: dict[tuple[int, int], set[tuple[int, str]]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(SINCE, asked)
        for batch_id, place, version_id, engagement in cursor.fetchall():
            found[batch_id, place].add((version_id, engagement))
    return {at: frozenset(those) for at, those in found.items()}


def without_older(
    writes: Writes,
    rendered: Rendered,
    newer: Sequence[frozenset[tuple[int, str]]],
) -> tuple[Rendered, Mapping[int, Skip]]:
    """The bodies without what would overwrite a newer value, and who has nothing left.

    `newer`: the later requests, for each of the bodies.
    """
    found: list[JSON] = []
    skipped: dict[int, Skip] = {}
    said: dict[int, str] = {}
    for n, (body, those) in enumerate(zip(rendered.bodies, newer, strict=True)):
        left, gone = _left(writes, body, [version_id for version_id, _ in those])
        words = _words(gone, {name for _, name in those}) if gone else ""
        if gone and not any(left.get(name) for name in ("attributes", *_OTHERS)):
            skipped[n] = Skip(code="overtaken", message=words)
            continue
        note = " ".join(filter(None, [rendered.left_out.get(n, ""), words]))
        if note:
            said[len(found)] = note
        found.append(left if gone else body)
    return rendered._replace(bodies=found, left_out=said), skipped


_OTHERS = ("events", "purchases")


def _left(
    writes: Writes, body: JSON, versions: Collection[int]
) -> tuple[dict[str, JSON], list[str]]:
    """A body without what these versions write, too, and what that is."""
    items = body.get("attributes") if isinstance(body, dict) else None
    if not versions or not isinstance(body, dict) or not isinstance(items, list):
        return {}, []
    others = [_names_of(version_id) for version_id in versions]
    # What adds to a number, too, comes to the same in either order.
    setting = [_names_of(version_id, sets=True) for version_id in versions]
    kept: list[JSON] = []
    gone: list[str] = []
    for item in items:
        if not isinstance(item, dict):
            kept.append(item)
            continue
        own = [n for n in _values(item) if writes.aged is None or n in writes.aged]
        lost = [
            n
            for n in own
            if any(
                its is None or n in its
                for its in (setting if _adds(item[n]) else others)
            )
        ]
        rest = {name: value for name, value in item.items() if name not in lost}
        if not lost or _values(rest):
            kept.append(rest)
        gone += lost
    rest = {name: part for name, part in body.items() if name != "attributes"}
    return ({**body, "attributes": kept} if kept else rest), gone


def _words(names: Sequence[str], engagements: Collection[str]) -> str:
    what = ", ".join(f"“{name}”" for name in dict.fromkeys(names))
    who = ", ".join(f"“{name}”" for name in sorted(engagements))
    was = "was" if len(set(names)) == 1 else "were"
    return f"{what} {was} left out: a newer request, of {who}, has written it since."


def in_the_way(requests: Sequence[PreparedRequest]) -> set[int]:
    """Of the requests those that may not go now, by batch.

    Call it in the transaction that lets the others go: nobody comes between.
    """
    by_connection: dict[int, list[PreparedRequest]] = defaultdict(list)
    for prepared in requests:
        if prepared.newer is not None and prepared.request is not None:
            by_connection[prepared.connection_id].append(prepared)
    waiting: set[int] = set()
    for connection_id, own in sorted(by_connection.items()):
        waiting |= _in_the_way(connection_id, own)
    return waiting


def _in_the_way(connection_id: int, requests: Sequence[PreparedRequest]) -> set[int]:
    repeats = [prepared for prepared in requests if _newer(prepared).is_repeat]
    asked: dict[str, Any] = {"connection": connection_id}
    with connection.cursor() as cursor:
        lock = _ALONE if repeats else _TOGETHER
        # Only the next statement sees who was let through by whom was waited for.
        statements = f"{lock}; {_IS_REPEAT_ON_THE_WIRE}"
        cursor.execute(statements, [LOCK, connection_id % 2**31])
        cursor.nextset()
        taken = set[int]()
        if cursor.fetchone()[0]:
            cursor.execute(REPEATS_ON_THE_WIRE, asked)
            taken = {id for (id,) in cursor.fetchall()}
    waiting = {
        p.batch_id for p in requests if taken and not taken.isdisjoint(_people(p))
    }
    if repeats:
        waiting |= _too_early(asked, repeats, requests)
    return waiting


def _too_early(
    asked: Mapping[str, Any],
    repeats: Sequence[PreparedRequest],
    requests: Sequence[PreparedRequest],
) -> set[int]:
    """Of the repeats those whose people are on the wire, or were accepted meanwhile."""
    people = sorted({id for prepared in repeats for id in _people(prepared)})
    with connection.cursor() as cursor:
        cursor.execute(ON_THE_WIRE, {**asked, "people": people})
        taken = {id for (id,) in cursor.fetchall()}
    first = {p.batch_id for p in repeats}
    taken = taken.union(*(_people(p) for p in requests if p.batch_id not in first))
    by_run: dict[int, list[PreparedRequest]] = defaultdict(list)
    waiting = set()
    for prepared in repeats:
        if not taken.isdisjoint(_people(prepared)):
            waiting.add(prepared.batch_id)
        taken |= _people(prepared)
        by_run[prepared.run.pk].append(prepared)
    for own in by_run.values():
        now = since(own[0].run, [prepared.claim for prepared in own])
        for prepared in own:
            its = {at: who for at, who in now.items() if at[0] == prepared.batch_id}
            if its != _newer(prepared).since:
                waiting.add(prepared.batch_id)
    return waiting


def _newer(prepared: PreparedRequest) -> Newer:
    assert prepared.newer is not None
    return prepared.newer


def _people(prepared: PreparedRequest) -> set[int]:
    return {prepared.claim.profile_ids[place] for place in prepared.places}


@lru_cache(maxsize=1_000)
def _names_of(version_id: int, *, sets: bool = False) -> Names:
    """The attributes that a version writes; it never changes.

    With `sets` those to which it does more than add to a number.
    """
    objects = _objects(ExternalAPIVersion.objects.get(pk=version_id))
    if not all(isinstance(one, dict) for one in objects):
        return None
    return frozenset(
        n
        for one in objects
        if isinstance(one, dict)
        for n in _values(one)
        if not (sets and _adds(one[n]))
    )


def _adds(value: JSON) -> bool:
    return isinstance(value, dict) and value.keys() == {"inc"}


def _objects(version: ExternalAPIVersion) -> list[JSON]:
    """The templates of the objects in a version's `attributes`."""
    if not shape.is_track(version):
        return []
    tree = bodies.parse(version.body_kind, version.body)
    items = tree.get("attributes") if isinstance(tree, dict) else None
    if isinstance(items, list):
        return items
    return [items] if find_in_tree(items) else []


def _values(attributes: Mapping[str, JSON]) -> list[str]:
    """The names in an object that are neither an identifier nor a flag."""
    whose = identifiers_of(attributes)
    return [name for name in attributes if name not in whose and not is_flag(name)]
