"""The preview panel beside the form: one person, and what they would get."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from django.db.models import Q

from engagements.authoring.forms import EngagementForm
from engagements.authoring.preview import (
    GENERAL,
    Preview,
    member_event,
    preview,
    seen_by,
)
from engagements.variants.plan import Variants
from externalapi.connections.access import User
from externalapi.template.parser import BodyError
from segments.models import Profile, Segment

# What is wrong is the payload's own, and no value's.
PAYLOAD = "Payload"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPanel:
    """What the panel shows: a preview, or a message that says what is missing."""

    message: str = ""
    wanted: str = ""
    person: Profile | None = None
    preview: Preview | None = None
    # Parameter name → what people read instead.
    titles: Mapping[str, str] = field(default_factory=dict)
    # Whose variant is shown, in words; "" where there are none.
    variant: str = ""

    @property
    def problems(self) -> list[tuple[str, str]]:
        """(parameter or "", what is wrong with it for this person)."""
        found = self.preview.problems if self.preview else {}
        return [(self.titles.get(name, name), text) for name, text in found.items()]

    @property
    def general(self) -> str:
        return self.preview.problems.get(GENERAL, "") if self.preview else ""


def preview_panel(
    form: EngagementForm, wanted: str, user: User, letter: str = ""
) -> PreviewPanel:
    """Preview the form's values for `wanted` (external ID or e-mail) or the newest.

    Those of the variant with this letter, else of the one that they get.
    """
    wanted = wanted.strip()
    segment = form.chosen_segment
    if segment is None:
        return PreviewPanel(message="Choose a segment to see a preview.")
    if form.chosen_version is None:
        return PreviewPanel(message="Choose an External API to see a preview.")
    person = example_person(segment, wanted)
    if person is None:
        return PreviewPanel(message=_nobody(segment, wanted), wanted=wanted)
    try:
        version, values = form.sent_as(form.typed_values)
    except BodyError as e:
        shown = Preview(problems={PAYLOAD: str(e)})
        return PreviewPanel(person=person, preview=shown, wanted=wanted)
    variants, number = form.typed_variants, form.previewed(person, letter)
    shown = preview(
        version,
        variants.values(number, values),
        segment,
        person,
        member_event(segment, person, str(form["trigger"].value() or "")),
        form.preview_engagement,
    )
    left = form.places_left()
    found = {name: left.get(name, words) for name, words in shown.problems.items()}
    shown = replace(shown, problems=found)
    shown = seen_by(shown, form.chosen_version.connection, user)
    parameters = version.read_parameters()
    titles = {parameter.name: parameter.title for parameter in parameters}
    return PreviewPanel(
        person=person,
        preview=shown,
        wanted=wanted,
        titles=titles,
        variant=_whose(variants, number, letter),
    )


def _whose(variants: Variants, number: int | None, letter: str) -> str:
    if not variants:
        return ""
    if number is None:
        return "Who gets which variant is drawn when this is saved; here is A."
    name = variants.name(number)
    return f"Variant {name}." if letter else f"Variant {name}: this person gets it."


def example_person(segment: Segment, wanted: str = "") -> Profile | None:
    """The newest member, or the one who is wanted by external ID or e-mail."""
    people = segment.memberships.select_related("profile").order_by("-pk")
    if wanted:
        email = Q(profile__email__in={wanted, wanted.lower()})
        people = people.filter(Q(profile__external_id=wanted) | email)
    membership = people.first()
    return membership.profile if membership else None


def _nobody(segment: Segment, wanted: str) -> str:
    if wanted:
        return f"Nobody in “{segment}” has the external ID or e-mail “{wanted}”."
    return f"Nobody is in “{segment}” yet. A preview appears with the first person."
