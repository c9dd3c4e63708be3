"""A batch's people as one request."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engagements.audience import people_data
from engagements.audience.people_data import People
from engagements.delivery.writing.material import Material
from engagements.delivery.writing.room import Over
from engagements.delivery.writing.script import Script
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import Newer, PreparedRequest
from engagements.personalization.renderer import Recipe, Skip
from engagements.sync import order
from externalapi.definitions.compiled import Rendered


def whole(material: Material, over: Over) -> Iterator[PreparedRequest]:
    """The claims' requests, with all that is rendered of whoever is not `over` a cap."""
    recipe = material.script.recipe
    for held in material.asked.claims:
        rest, later = material.going(held)
        people = people_data.people(
            rest, material.rows, material.kept, over.get(held.batch_id, {})
        )
        rendered, skipped = recipe.render(material.group(held, people))
        prepared = request(material, held, people, rendered, skipped)
        yield replace(prepared, later=later) if later else prepared


def request(
    material: Material,
    held: Claim,
    people: People,
    rendered: Rendered | None,
    skipped: Mapping[int, Skip],
) -> PreparedRequest:
    """What was rendered as a request; those who are skipped are so by position."""
    script, places = material.script, people.places
    prepared = PreparedRequest(
        # Of a claim at most one attempt comes: whoever has the one knows the other.
        attempt_id=held.token,
        claim=held,
        run=script.run,
        key=script.key,
        places=[place for n, place in enumerate(places) if n not in skipped]
        if skipped
        else places,
        skipped={**people.skipped, **{places[n]: why for n, why in skipped.items()}},
        is_in_doubt=held.batch_id in material.doubtful,
        newer=_newer(material, held) if rendered else None,
    )
    if rendered is None:
        return prepared
    if prepared.newer and prepared.newer.since:
        prepared, rendered = _in_order(script, prepared, prepared.newer, rendered)
        if not prepared.places:
            return prepared
    if rendered.left_out:
        prepared = prepared.noted(rendered.left_out)
    return _filled(prepared, script.recipe, rendered)


def _newer(material: Material, held: Claim) -> Newer | None:
    """What may have overtaken the batch's request; None where it writes no attributes."""
    script = material.script
    if script.writes is None:
        return None
    return Newer(
        is_repeat=script.writes.is_aging and order.is_repeat(script.run, held),
        since={
            at: those for at, those in material.newer.items() if at[0] == held.batch_id
        },
    )


def _in_order(
    script: Script, prepared: PreparedRequest, newer: Newer, rendered: Rendered
) -> tuple[PreparedRequest, Rendered]:
    """The request without what would overwrite a newer value."""
    assert script.writes is not None
    nobody: frozenset[tuple[int, str]] = frozenset()
    batch_id = prepared.batch_id
    own = [newer.since.get((batch_id, place), nobody) for place in prepared.places]
    rendered, skipped = order.without_older(script.writes, rendered, own)
    return prepared.without(skipped), rendered


def _filled(
    prepared: PreparedRequest, recipe: Recipe, rendered: Rendered
) -> PreparedRequest:
    """The request with its request, without those of whom no request can be made."""
    try:
        return prepared.filled(*recipe.definition.request(rendered))
    except ValueError:
        rest, skipped = recipe.sendable(rendered)
    prepared = prepared.without(skipped)
    if not prepared.places:
        return prepared
    try:
        return prepared.filled(*recipe.definition.request(rest))
    except ValueError as e:
        # Each of them can go, but not together: halves can.
        return prepared.refused(str(e))
