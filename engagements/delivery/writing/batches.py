"""A worker's claims, run by run."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from engagements.audience import people_data
from engagements.audience.people_data import Rows
from engagements.delivery.claims import put_back
from engagements.delivery.writing import compared, requests
from engagements.delivery.writing.material import Material
from engagements.delivery.writing.room import Room
from engagements.delivery.writing.script import Script, script_of
from engagements.guards import holdout, pipeline
from engagements.guards.asking import Asked, Later
from engagements.guards.site import Site, look
from engagements.outbox import doubt, in_order, one_variant
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest
from engagements.personalization.renderer import Skip
from engagements.variants import drawing, plan
from lemnisk_braze.lib import database_clock


def write(claims: Sequence[Claim]) -> Iterator[PreparedRequest]:
    """Render each claimed batch; a run that cannot be compiled stops its engagement."""
    rows, site = people_data.rows(claims), look()
    by_run: dict[tuple[int, str], list[Claim]] = defaultdict(list)
    for held in claims:
        by_run[held.run_id, held.stamp].append(held)
    for (run_id, stamp), its_claims in by_run.items():
        script = script_of(run_id, stamp)
        if script is None:
            put_back(its_claims, timedelta(0))
            continue
        its_claims = in_order.whose_turn_it_is(script.run, its_claims)
        if its_claims:
            yield from _of_a_run(script, site, its_claims, rows)


def _of_a_run(
    script: Script, site: Site, claims: Sequence[Claim], rows: Rows
) -> Iterator[PreparedRequest]:
    asked = _asked(script, site, claims, rows)
    drawn = _drawn(script, asked.people)
    if script.recipe.is_of_one_variant:
        claims = one_variant.of_one_each(claims, drawn)
        asked = _asked(script, site, claims, rows)
    stopped = pipeline.stopped(asked)
    material = Material(
        script=script,
        asked=asked,
        rows=rows,
        kept={id: why for id, why in stopped.items() if isinstance(why, Skip)},
        put_off={id: why.at for id, why in stopped.items() if isinstance(why, Later)},
        drawn=drawn,
        doubtful=doubt.in_doubt(claims),
    )
    room = Room(asked=asked, stopped=stopped)
    prepared = list(_written(material, room))
    room.give_back(prepared)
    for one in prepared:
        yield _with_variants(one, drawn, material.kept) if drawn else one


def _written(material: Material, room: Room) -> Iterator[PreparedRequest]:
    if comparison := material.script.comparison:
        return compared.requests(material, comparison, room)
    return requests.whole(material, room.take(material.asked.claims))


def _drawn(script: Script, people: Mapping[int, int]) -> dict[int, int]:
    """By the id as a batch has it, which variant each gets; empty where there are none."""
    if not script.variants:
        return {}
    engagement_id = script.run.engagement_id
    by_root = drawing.numbers(script.variants, engagement_id, set(people.values()))
    return {id: by_root[root] for id, root in people.items()}


def _with_variants(
    prepared: PreparedRequest, drawn: Mapping[int, int], kept: Mapping[int, Skip]
) -> PreparedRequest:
    """The request with who gets which variant; who is held out gets none of them."""
    # Who may have been sent already got what they were drawn for.
    out = {
        id
        for id, why in kept.items()
        if why.code in holdout.CODES and not prepared.is_in_doubt
    }
    ids = prepared.claim.profile_ids
    # Whose place is empty has no delivery.
    numbers = [plan.HELD_OUT if id in out else drawn.get(id, 0) for id in ids]
    return replace(prepared, variants=numbers)


def _asked(script: Script, site: Site, claims: Sequence[Claim], rows: Rows) -> Asked:
    held = (id for claim in claims for id in claim.profile_ids)
    return Asked(
        engagement=script.run.engagement,
        site=site,
        # Each has the row of whom they are part of now.
        people={id: rows.profiles[id][0] for id in held if id in rows.profiles},
        # A request that is tried again says what it said; its time is now.
        now=database_clock.reckoned(),
        excluded=script.excluded,
        run=script.run,
        claims=claims,
    )
