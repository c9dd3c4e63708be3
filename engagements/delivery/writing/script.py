"""A run, compiled, and kept for as long as it is the same."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from engagements.models import Engagement, Run
from engagements.outbox import workers
from engagements.personalization import delivery_ids
from engagements.personalization.renderer import (
    Recipe,
    compile_recipe,
    people_per_request,
)
from engagements.sync import comparing, order
from engagements.sync.comparing import Comparison
from engagements.sync.order import Writes
from engagements.variants import plan
from engagements.variants.plan import Variants
from externalapi.connections import encryption


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A run, compiled: what all of its requests have in common."""

    run: Run
    recipe: Recipe
    # How many people a full request has.
    size: int
    key: str
    # Ids of the segments that the engagement excludes.
    excluded: Sequence[int]
    # Whose deliveries' names these are (personalization.delivery_ids), where one is asked.
    names_of: int | None
    # Where the engagement sends only what is new to the other side.
    comparison: Comparison | None
    # Where it writes attributes.
    writes: Writes | None
    variants: Variants


# Claim stamp → script, by run; of the runs that this worker was at lately.
_scripts: OrderedDict[int, tuple[str, Script]] = OrderedDict()
SCRIPTS_KEPT = 100


def script_of(run_id: int, stamp: str) -> Script | None:
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
        variants = plan.of(run)
        recipe = compile_recipe(run.version, run.values, variants)
        comparison = comparing.compiled(run)
        key = encryption.read_key(run.version.connection)
    except (ValueError, encryption.SecretError) as e:
        if isinstance(e, encryption.SecretError) and encryption.is_stranger():
            # Others can read it: it is for them, and nobody's engagement is at fault.
            workers.take_no_more(encryption.StrangerError())
            return None
        run.engagement.move([Engagement.State.ACTIVE], Engagement.State.BLOCKED, str(e))
        return None
    is_named = any(
        delivery_ids.are_named(own.values()) for own in variants.each(run.values)
    )
    names_of = delivery_ids.first_run_id(run) if is_named else None
    excluded = list(run.engagement.exclusions.values_list("segment_id", flat=True))
    return Script(
        run=run,
        recipe=recipe,
        size=people_per_request(run.version, run.values, variants),
        key=key,
        excluded=excluded,
        names_of=names_of,
        comparison=comparison,
        writes=order.written_by(run),
        variants=variants,
    )
