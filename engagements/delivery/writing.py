"""Claimed batches become requests: people are read, rendered and packed."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from engagements.audience import people_data
from engagements.audience.people_data import People, Rows
from engagements.delivery.claims import put_back
from engagements.guards import pipeline
from engagements.guards.asking import Asked
from engagements.guards.site import Site, look
from engagements.models import Engagement, Run
from engagements.outbox import workers
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest
from engagements.personalization import delivery_ids
from engagements.personalization.columns import Group
from engagements.personalization.renderer import Recipe, Skip, compile_recipe
from externalapi.connections import encryption
from externalapi.definitions.compiled import Rendered


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A run, compiled: what all of its requests have in common."""

    run: Run
    recipe: Recipe
    key: str
    # Ids of the segments that the engagement excludes.
    excluded: Sequence[int]
    # Whose deliveries' names these are (personalization.delivery_ids), where one is asked.
    names_of: int | None


# Claim stamp → script, by run; of the runs that this worker was at lately.
_scripts: OrderedDict[int, tuple[str, Script]] = OrderedDict()
SCRIPTS_KEPT = 100


def write(claims: Sequence[Claim]) -> Iterator[PreparedRequest]:
    """Render each claimed batch; a run that cannot be compiled stops its engagement."""
    rows, site = people_data.rows(claims), look()
    by_run: dict[tuple[int, str], list[Claim]] = defaultdict(list)
    for held in claims:
        by_run[held.run_id, held.stamp].append(held)
    for (run_id, stamp), its_claims in by_run.items():
        script = _script(run_id, stamp)
        if script is None:
            put_back(its_claims, timedelta(0))
            continue
        stopped = pipeline.stopped(_asked(script, site, its_claims, rows))
        kept = {id: why for id, why in stopped.items() if isinstance(why, Skip)}
        for held in its_claims:
            yield _prepared(script, held, people_data.people(held, rows, kept))


def _script(run_id: int, stamp: str) -> Script | None:
    """The run's script as long as it is the same; None where there can be none."""
    kept_stamp, script = _scripts.get(run_id, ("", None))
    if script is None or kept_stamp != stamp:
        script = _compiled(run_id)
        if script is None:
            return None
        _scripts[run_id] = stamp, script
    _scripts.move_to_end(run_id)
    if len(_scripts) > SCRIPTS_KEPT:
        _scripts.popitem(last=False)
    return script


def _compiled(run_id: int) -> Script | None:
    run = Run.objects.select_related(
        "engagement__segment", "version__external_api", "version__connection"
    ).get(pk=run_id)
    try:
        recipe = compile_recipe(run.version, run.values)
        key = encryption.read_key(run.version.connection)
    except (ValueError, encryption.SecretError) as e:
        if isinstance(e, encryption.SecretError) and encryption.is_stranger():
            # Others can read it: it is for them, and nobody's engagement is at fault.
            workers.take_no_more(encryption.StrangerError())
            return None
        run.engagement.move([Engagement.State.ACTIVE], Engagement.State.BLOCKED, str(e))
        return None
    is_named = delivery_ids.are_named(run.values.values())
    names_of = delivery_ids.first_run_id(run) if is_named else None
    excluded = list(run.engagement.exclusions.values_list("segment_id", flat=True))
    return Script(run=run, recipe=recipe, key=key, excluded=excluded, names_of=names_of)


def _asked(script: Script, site: Site, claims: Sequence[Claim], rows: Rows) -> Asked:
    held = (id for claim in claims for id in claim.profile_ids)
    return Asked(
        engagement=script.run.engagement,
        site=site,
        # Each has the row of whom they are part of now.
        people={id: rows.profiles[id][0] for id in held if id in rows.profiles},
        now=claims[0].now,
        excluded=script.excluded,
        run=script.run,
        claims=claims,
    )


def _prepared(script: Script, held: Claim, people: People) -> PreparedRequest:
    group = Group(
        shared=people_data.shared_context(script.run.engagement, held.now),
        profiles=people.profiles,
        events=people.events,
        engagements=_named(script, held, people.places),
    )
    rendered, skipped = script.recipe.render(group)
    places = people.places
    prepared = PreparedRequest(
        # Of a claim at most one attempt comes: whoever has the one knows the other.
        attempt_id=held.token,
        claim=held,
        run=script.run,
        key=script.key,
        places=[place for n, place in enumerate(places) if n not in skipped],
        skipped={**people.skipped, **{places[n]: why for n, why in skipped.items()}},
    )
    if rendered is None:
        return prepared
    if rendered.left_out:
        prepared = prepared.noted(rendered.left_out)
    return _filled(prepared, script.recipe, rendered)


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


def _named(
    script: Script, held: Claim, places: Sequence[int]
) -> list[dict[str, object]]:
    """What `engagement` means to each, where their deliveries' names are asked."""
    first_run_id = script.names_of
    if first_run_id is None:
        return []
    entries = held.transition_ids or [0] * len(held.profile_ids)
    ids = (
        delivery_ids.delivery_id(first_run_id, held.profile_ids[place], entries[place])
        for place in places
    )
    return delivery_ids.named(script.run.engagement, ids)
