"""Why somebody would be sent, or would not: each guard asked about one person, by name."""

from collections.abc import Iterator
from dataclasses import dataclass

from engagements.audience import send_again
from engagements.guards import approved, pipeline
from engagements.guards.asking import Asked, Guard, Later
from engagements.guards.site import look
from engagements.models import Engagement
from engagements.variants import drawing, plan
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.counted import counted
from segments.models import Profile

ONE = "SELECT %(person)s::bigint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One guard's word about somebody.

    `state`: "off" where the engagement does not use it, "passes", "later" or "stops".
    """

    name: str
    state: str
    words: str = ""

    @property
    def tone(self) -> str:
        tones = {"passes": "success", "stops": "danger", "later": "warning"}
        return tones.get(self.state, "neutral")

    @property
    def label(self) -> str:
        labels = {"passes": "Passes", "stops": "Stops", "later": "Later"}
        return labels.get(self.state, "Not set")


def steps(engagement: Engagement, person: Profile) -> list[Step]:
    """Each guard in the order in which they are asked; the first that stops decides."""
    root = person.merged_into_id or person.pk
    asked = Asked(
        engagement=engagement,
        site=look(),
        people={person.pk: root},
        now=database_clock.now(),
        excluded=list(engagement.exclusions.values_list("segment_id", flat=True)),
    )
    return [
        *_of(pipeline.WHO, asked, person),
        _again(engagement, root),
        *_of((*pipeline.WHEN, *pipeline.HOW_OFTEN), asked, person),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Its:
    """Which variant a person gets, and why."""

    number: int
    name: str
    why: str


def variant(engagement: Engagement, person: Profile) -> Its | None:
    """The variant that a person would get; None where there are none."""
    variants = plan.of(engagement)
    if not variants:
        return None
    root = person.merged_into_id or person.pk
    number = drawing.number(variants, engagement.pk, root)
    return Its(
        number=number,
        name=variants.name(number),
        why=drawing.why(variants, engagement.pk, root),
    )


def decisive(found: list[Step]) -> Step | None:
    """The step that decides; None where nothing is in the way.

    Who waits and is stopped by what is asked then as well is not said to be sent later.
    """
    for state in ("stops", "later"):
        for one in found:
            if one.state == state:
                return one
    return None


def _of(guards: tuple[Guard, ...], asked: Asked, person: Profile) -> Iterator[Step]:
    for guard in guards:
        if not guard.is_set(asked):
            yield Step(name=guard.name, state="off")
            continue
        why = guard.ask(asked).get(person.pk)
        if why is None:
            yield Step(name=guard.name, state="passes")
        else:
            state = "later" if isinstance(why, Later) else "stops"
            yield Step(name=guard.name, state=state, words=why.message)


def _again(engagement: Engagement, person: int) -> Step:
    """Asked where people are taken in, before the others."""
    name = "Sent before"
    if not send_again.is_guarded(engagement) or engagement.pk is None:
        return Step(name=name, state="off")
    if send_again.count_allowed(engagement, ONE, {"person": person}):
        return Step(name=name, state="passes")
    words = "This Engagement has sent to them, or they wait to be sent."
    return Step(
        name=name, state="stops", words=f"{send_again.in_words(engagement)}. {words}"
    )


def in_words(engagement: Engagement) -> list[str]:
    """What the engagement's own guards are set to, a sentence each."""
    excluded = engagement.excluded_segments.order_by("name")
    said = []
    if names := [f"“{one}”" for one in excluded]:
        said.append(f"Nobody who is in {' or '.join(names)}.")
    if engagement.holdout_share:
        said.append(f"{engagement.holdout_share:g} % are kept out by chance.")
    if not engagement.heeds_caps:
        said.append("Frequency caps stop nobody.")
    if engagement.has_priority:
        said.append("It goes first: the room that caps keep is for it.")
    if not engagement.heeds_global_holdout:
        said.append("The holdout of all Engagements is sent all the same.")
    if engagement.quiet_from and engagement.quiet_to:
        does = str(engagement.get_quiet_action_display()).lower()
        said.append(
            f"Quiet from {engagement.quiet_from:%H:%M} until"
            f" {engagement.quiet_to:%H:%M}: who would be sent then {does}."
        )
    if engagement.ceiling:
        most = counted(engagement.ceiling, "person", "people")
        said.append(f"It stops and asks above {most} {_each(engagement)}.")
    if above := approved.limit(engagement):
        most = counted(above, "person", "people")
        said.append(f"Above {most} {_each(engagement)} a second person approves.")
    return said


def _each(engagement: Engagement) -> str:
    return "a day" if engagement.listens else "a run"
