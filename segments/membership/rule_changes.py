"""A change of whom a segment takes in, where somebody sends to its people.

Before it is saved it is worked out who would enter and who would leave. Who may not
decide about that proposes it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models.functions import Now

from lemnisk_braze.lib.time_limits import at_most
from segments.membership import counting, readers
from segments.membership.counts import sampling
from segments.membership.counts.at_work import hashing
from segments.membership.readers import Effect, User
from segments.membership.references import forecasting, graph
from segments.membership.references.forecasting import Change, Followed, Moved
from segments.models import Proposal, Segment, SegmentVersion
from segments.rules import tree

# Counting may take so long, in milliseconds; then a sample is counted, as long again.
PATIENCE = 4_000
# Nobody wants to read more of them, and they are held in memory.
MOST = 100_000
# So many pages of the table are a sample: some thousand people.
PAGES = 100

COMPARE = """
    WITH matched (id) AS MATERIALIZED ({matched}),
    members AS MATERIALIZED (
        SELECT profile_id AS id FROM segments_membership
        WHERE segment_id = %s AND (%s::bigint[] IS NULL OR profile_id = ANY(%s))
    )
    SELECT ARRAY(
        SELECT id FROM matched m
        WHERE NOT EXISTS (SELECT FROM members x WHERE x.id = m.id) LIMIT %s
    ), ARRAY(
        SELECT id FROM members m
        WHERE NOT EXISTS (SELECT FROM matched x WHERE x.id = m.id) LIMIT %s
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a change would do; the people are None where they could not be counted."""

    entering: Moved | None
    leaving: Moved | None
    effects: Sequence[Effect]
    # In how far the numbers of the effects are exact.
    word: str = ""
    # What it would do to segments that ask for this one; None: it takes too long.
    followed: Sequence[Followed] | None = ()


def fingerprint(segment: Segment) -> str:
    """Another text whenever the segment takes in others."""
    stored = json.dumps([segment.rule, segment.is_active], sort_keys=True)
    return hashlib.sha256(stored.encode()).hexdigest()


def needs_decision(segment: Segment, rule: object, is_active: bool) -> bool:
    """Whether it would take in others, and it or one that asks for it is read."""
    wanted = Segment(rule=rule, is_active=is_active)
    if not (segment.is_active or is_active):
        return False
    if fingerprint(segment) == fingerprint(wanted):
        return False
    return any(map(readers.is_read, _with_readers(segment)))


def refusal(segment: Segment, user: User) -> str:
    """Why a user who may decide may not change this segment; "" where they may."""
    found = (readers.refusal(one, user) for one in _with_readers(segment))
    return next(filter(None, found), "")


def _with_readers(segment: Segment) -> list[Segment]:
    """The segment, and the active ones that ask for it, by way of others too."""
    asking = graph.readers_of([segment.pk])
    return [segment, *(one for one in asking if one.is_active)]


def forecast(
    segment: Segment, rule: dict[str, Any], is_active: bool, patience: int = PATIENCE
) -> Forecast:
    """Work out a change of a stored segment; nothing is written.

    `patience`: how long counting may take, in milliseconds.
    """
    if not is_active:
        nobody = Moved(ids=(), count=0)
        effects = readers.effects(segment)
        return Forecast(entering=nobody, leaving=nobody, effects=effects)
    try:
        found = count(segment, rule, patience) or estimate(segment, rule, patience)
    except ValidationError:
        # Proposed by another version of the product: it cannot be accepted.
        found = None
    return found or Forecast(
        entering=None,
        leaving=None,
        effects=readers.effects(segment),
        followed=None if graph.readers_of([segment.pk]) else (),
    )


def count(segment: Segment, rule: dict[str, Any], patience: int) -> Forecast | None:
    """Count everybody; None where that takes too long."""
    found = _compare(segment, rule, None, patience)
    if found is None:
        return None
    return _forecast(segment, _counted(found[0]), _counted(found[1]), 1, patience)


def estimate(segment: Segment, rule: dict[str, Any], patience: int) -> Forecast | None:
    """Count some people, taken for all; None where even that takes too long."""
    some = sampling.some_people(PAGES)
    found = _compare(segment, rule, some.ids, patience) if some.ids else None
    if found is None:
        return None
    enter, leave = (_estimated(ids, some.share) for ids in found)
    return _forecast(segment, enter, leave, some.share, patience)


def _forecast(
    segment: Segment, entering: Moved, leaving: Moved, share: float, patience: int
) -> Forecast:
    effects: list[Effect] | None = None
    with at_most(patience):
        effects = readers.effects(segment, entering.ids, leaving.ids)
    if effects is None:
        effects = readers.effects(segment)
    return Forecast(
        entering=entering,
        leaving=leaving,
        effects=[forecasting.scaled(effect, share) for effect in effects],
        word=entering.word,
        followed=_followed(segment, entering, leaving, share, patience),
    )


def _followed(
    segment: Segment, entering: Moved, leaving: Moved, share: float, patience: int
) -> list[Followed] | None:
    change = Change(entering=entering.ids, leaving=leaving.ids)
    found: list[Followed] | None = None
    with at_most(patience):
        found = forecasting.forecast(
            {("segment", segment.pk): change}, graph.readers_of([segment.pk]), share
        )
    return found


def _counted(ids: Sequence[int]) -> Moved:
    is_more = len(ids) > MOST
    ids = ids[:MOST]
    return Moved(ids=ids, count=len(ids), word="more than" if is_more else "")


def _estimated(ids: Sequence[int], share: float) -> Moved:
    return Moved(ids=ids, count=round(len(ids) / share), word="about")


def _compare(
    segment: Segment, rule: dict[str, Any], ids: Sequence[int] | None, patience: int
) -> tuple[list[int], list[int]] | None:
    """Who would enter and who would leave, of all or of the given people.

    None where that takes too long.
    """
    matched, params = tree.people(rule, ids).values("pk").query.sql_with_params()
    few = None if ids is None else list(ids)
    found: tuple[list[int], list[int]] | None = None
    with at_most(patience), hashing(), connection.cursor() as cursor:
        cursor.execute(
            COMPARE.format(matched=matched),
            [*params, segment.pk, few, few, MOST + 1, MOST + 1],
        )
        found = cursor.fetchone()
    return found


def record(
    segment: Segment,
    user: User | None,
    *,
    before: dict[str, Any] | None = None,
    note: str = "",
) -> SegmentVersion:
    """Keep the segment's rule as its newest version, unless it is that already.

    In the transaction that saves it, with the segment's lock. `before`: its rule until
    then, which is the first version of what a program made. `note` says where the rule
    comes from; "": from the form.
    """
    newest = segment.versions.order_by("-number").first()
    if newest is None and before and before != segment.rule:
        newest = SegmentVersion.objects.create(
            segment=segment, number=1, rule=before, made_at=segment.created_at
        )
    if newest and newest.rule == segment.rule:
        return newest
    return SegmentVersion.objects.create(
        segment=segment,
        number=newest.number + 1 if newest else 1,
        rule=segment.rule,
        made_by_id=user.pk if user else None,
        note=note[:255],
    )


# --- Proposals ------------------------------------------------------------------------


@transaction.atomic
def propose(
    segment: Segment, rule: dict[str, Any], is_active: bool, user: User
) -> Proposal:
    """Keep a change for somebody who may decide; it replaces one that waits."""
    Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
    waiting = segment.proposals.filter(state=Proposal.State.OPEN)
    waiting.update(state=Proposal.State.REPLACED)
    return Proposal.objects.create(
        segment=segment, rule=rule, is_active=is_active, proposed_by_id=user.pk
    )


@transaction.atomic
def accept(proposal: Proposal, user: User, seen: str) -> bool:
    """Change the segment as proposed.

    False: somebody decided first, or the segment is not what was `seen` any more, or is
    archived.
    """
    segment = Segment.objects.select_for_update(no_key=True).get(pk=proposal.segment_id)
    if segment.archived_at or fingerprint(segment) != seen:
        return False
    if not _decide(proposal, Proposal.State.ACCEPTED, user):
        return False
    note = f"Proposed by {proposal.proposed_by or 'somebody'}, and accepted."
    change(segment, proposal.rule, proposal.is_active, user, note)
    return True


def change(
    segment: Segment, rule: dict[str, Any], is_active: bool, user: User, note: str = ""
) -> None:
    """Give a locked segment a rule and a state, and keep the rule as a version.

    `note` says where the rule comes from.
    """
    before = segment.rule
    segment.rule, segment.is_active = rule, is_active
    if is_active or rule != before:
        counting.mark_changed(segment)
    else:
        # Paused, whatever its rule: a count that is at work ends.
        segment.counting_until = None
    segment.save(update_fields=counting.CHANGED)
    record(segment, user, before=before, note=note)
    counting.count_soon(segment)


def reject(proposal: Proposal, user: User) -> bool:
    """Leave the segment as it is; False where somebody decided first."""
    return _decide(proposal, Proposal.State.REJECTED, user)


def _decide(proposal: Proposal, state: Proposal.State, user: User) -> bool:
    still_open = Proposal.objects.filter(pk=proposal.pk, state=Proposal.State.OPEN)
    return bool(still_open.update(state=state, decided_by=user.pk, decided_at=Now()))
