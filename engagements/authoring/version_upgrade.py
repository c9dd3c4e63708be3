"""An engagement moves to another version of its External API, with its values."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db import transaction

from engagements import wakeup
from engagements.authoring.preview import GENERAL, sentence
from engagements.authoring.value_checks import problem
from engagements.lifecycle import transitions
from engagements.models import Engagement
from engagements.payload import versions
from engagements.payload.versions import Written
from engagements.personalization.renderer import compile_recipe
from engagements.sync import shape
from engagements.variants import plan as variant_plan
from engagements.variants.plan import Variants
from externalapi.definitions.compiled import compile_version
from externalapi.definitions.renames import renames
from externalapi.models import ExternalAPIVersion
from externalapi.template.parameters import Parameter
from externalapi.template.parser import BodyError
from externalapi.testing import cases
from lemnisk_braze.lib import database_clock

WRITE_FIRST = (
    "In this version each Engagement writes its payload. Open the Engagement, choose the "
    "version there and look at the payload: it begins with what is sent now."
)
GIVE_UP_FIRST = (
    "In this version the payload is the same for all Engagements, and this one writes "
    "its own. Open the Engagement and choose the version there to give that up."
)


class VersionUpgradeError(Exception):
    """The engagement cannot move; `move.problems` says why."""

    def __init__(self, move: "Move") -> None:
        super().__init__(" ".join(move.problems.values()))
        self.move = move


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a move does to an engagement's values, worked out and not done.

    `renamed` is new name → old name, `removed` name → the value that goes with it.
    `values` and `variants` are those that it would have for `parameters`, which it asks
    for; `sent` is what it would send: the version itself, or its payload on it, and all
    values.
    `problems` is parameter (or GENERAL) → what to do; where there are any, it stays.
    """

    version: ExternalAPIVersion
    parameters: tuple[Parameter, ...]
    values: Mapping[str, str]
    variants: Variants
    sent: tuple[ExternalAPIVersion, Mapping[str, str]]
    kept: tuple[str, ...]
    added: tuple[Parameter, ...]
    removed: Mapping[str, str]
    renamed: Mapping[str, str]
    problems: Mapping[str, str]
    written: Written | None = None

    def asked(self, given: Mapping[str, str]) -> tuple[Parameter, ...]:
        """The parameters to ask for: new ones, and those whose value will not do.

        Renamed ones too: that a place was kept is a sign, and no proof. One that has
        been given a value is asked for as long as it is not saved.
        """
        new = {parameter.name for parameter in self.added}
        wanted = new | self.renamed.keys() | self.problems.keys() | given.keys()
        return tuple(p for p in self.parameters if p.name in wanted)


def plan(
    engagement: Engagement, version: ExternalAPIVersion, given: Mapping[str, str]
) -> Move:
    """Work out a move; `given` are values for parameters that have none that does."""
    own = engagement.version.base
    if versions.is_written(own) != versions.is_written(version):
        words = WRITE_FIRST if versions.is_written(version) else GIVE_UP_FIRST
        return _impossible(engagement, version, words)
    try:
        compile_version(version)
        wanted, before = versions.asked(version), versions.asked(own)
    except ValueError as e:
        return _impossible(engagement, version, sentence(str(e)))
    origin = _origin(engagement, version, wanted, before)
    values = _values(engagement, wanted, origin, given)
    written: Written | None = None
    sent: tuple[ExternalAPIVersion, Mapping[str, str]] = (version, values)
    if versions.is_written(version):
        try:
            written = versions.write(version, engagement.version.payload, values)
        except BodyError as e:
            return _impossible(engagement, version, str(e))
        sent = (written.version, written.values)
    places = {one.name: one.name for one in written.parameters} if written else {}
    variants = _variants(engagement, {**places, **origin})
    return Move(
        version=version,
        parameters=wanted,
        values=values,
        variants=variants,
        sent=sent,
        written=written,
        kept=tuple(new for new, old in origin.items() if new == old),
        added=tuple(p for p in wanted if p.name not in origin),
        removed={
            p.name: engagement.values.get(p.name, "")
            for p in before
            if p.name not in origin.values()
        },
        renamed={new: old for new, old in origin.items() if new != old},
        problems=_problems(engagement, version, wanted, values, variants, sent),
    )


def _origin(
    engagement: Engagement,
    version: ExternalAPIVersion,
    wanted: tuple[Parameter, ...],
    before: tuple[Parameter, ...],
) -> dict[str, str]:
    """Parameter asked for → the one that was, by its own name or by another."""
    old_names = {parameter.name for parameter in before}
    renamed = renames(engagement.version.base, version)
    # Who has taken an old name since is somebody else.
    same = {name: name for name in old_names - set(renamed.values())}
    found = {**same, **renamed}
    return {p.name: found[p.name] for p in wanted if found.get(p.name) in old_names}


@transaction.atomic
def upgrade(
    engagement: Engagement, version: ExternalAPIVersion, given: Mapping[str, str]
) -> Move:
    """Move an engagement to a version; raises VersionUpgradeError and changes nothing then.

    What was taken in already is sent as it was configured. An active engagement's next
    run has the new version, and so has a person who enters the segment from now on.
    """
    # Waits for those who are just writing down what they are about to send.
    locked = (
        Engagement.objects.select_related("version__external_api", "segment")
        .select_for_update(of=("self",), no_key=True)
        .get(pk=engagement.pk)
    )
    move = plan(locked, version, given)
    if move.problems:
        raise VersionUpgradeError(move)
    if move.written:
        versions.save(locked, move.written)
    else:
        locked.version, locked.values = version, dict(move.values)
    locked.variants = move.variants.as_json()
    locked.updated_at = database_clock.now()
    locked.save(update_fields=["version", "values", "variants", "updated_at"])
    engagement.refresh_from_db()
    if locked.state == Engagement.State.ACTIVE:
        transitions.renew_standing_run(engagement)
        transaction.on_commit(wakeup.publish)
    return move


def _impossible(engagement: Engagement, version: ExternalAPIVersion, why: str) -> Move:
    return Move(
        version=version,
        parameters=(),
        values=engagement.values,
        variants=variant_plan.of(engagement),
        sent=(engagement.version, engagement.values),
        kept=(),
        added=(),
        removed={},
        renamed={},
        problems={GENERAL: why},
    )


def _values(
    engagement: Engagement,
    wanted: tuple[Parameter, ...],
    origin: Mapping[str, str],
    given: Mapping[str, str],
) -> dict[str, str]:
    values = {}
    for parameter in wanted:
        name = parameter.name
        old = engagement.values.get(origin.get(name, ""), "")
        if text := given.get(name, "").strip() or old:
            values[name] = text
    return values


def _variants(engagement: Engagement, origin: Mapping[str, str]) -> Variants:
    """The variants with the values of parameters that are still asked for, renamed."""
    before = variant_plan.of(engagement)
    moved = tuple(
        one._replace(
            values={
                new: one.values[old] for new, old in origin.items() if old in one.values
            }
        )
        for one in before.variants
    )
    return replace(before, variants=moved)


def _problems(
    engagement: Engagement,
    version: ExternalAPIVersion,
    wanted: tuple[Parameter, ...],
    values: Mapping[str, str],
    variants: Variants,
    sent: tuple[ExternalAPIVersion, Mapping[str, str]],
) -> dict[str, str]:
    if version.external_api_id != engagement.version.external_api_id:
        return {GENERAL: "This version belongs to another External API."}
    by_name = engagement.sends_deltas or engagement.clears_who_left
    if by_name and (words := shape.problem(sent[0])):
        return {GENERAL: words}
    found = {
        parameter.name: words
        for parameter in wanted
        if (
            words := problem(
                parameter, values.get(parameter.name, ""), engagement.segment
            )
        )
    }
    is_active = engagement.state == Engagement.State.ACTIVE
    # Where it is paused the version goes live as soon as somebody resumes it.
    goes_live = engagement.state not in Engagement.AT_REST
    if goes_live and (reason := cases.why_not(version)):
        found[GENERAL] = reason
    elif is_active and not version.connection.key_encrypted:
        found[GENERAL] = (
            f"The connection “{version.connection}” has no key yet."
            " Ask an engineer to set it."
        )
    if words := _problem_of_a_variant(engagement, wanted, variants):
        found.setdefault(GENERAL, words)
    try:
        compile_recipe(*sent, variants)
    except ValueError as e:
        found.setdefault(GENERAL, sentence(str(e)))
    return found


def _problem_of_a_variant(
    engagement: Engagement, wanted: tuple[Parameter, ...], variants: Variants
) -> str:
    """Why another variant's own value will not do; A's are the engagement's."""
    for variant in variants.variants:
        for parameter in wanted:
            text = variant.values.get(parameter.name, "")
            if text and (words := problem(parameter, text, engagement.segment)):
                return (
                    f"Variant {variant}, “{parameter.title}”: {words} Correct it in the"
                    " Engagement first."
                )
    return ""
