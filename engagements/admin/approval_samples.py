"""What people of an engagement would get, for whoever is asked to approve it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from engagements.authoring.preview import Preview, member_event, preview, seen_by
from engagements.models import Approval, Engagement
from engagements.variants import drawing, plan
from externalapi.connections.access import User
from segments import naming
from segments.models import Profile

SAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Somebody's request, as far as the user who looks may see it."""

    name: str
    preview: Preview


def of(user: User, asked: Approval) -> Iterator[Sample]:
    """What the newest of the segment would get, masked for whoever may not see that."""
    engagement = asked.engagement
    segment, connection = engagement.segment, engagement.version.connection
    kept = asked.kept_run or engagement
    variants = plan.of(kept)
    mask = None if naming.may_see_people(user) else naming.masked
    for person in _newest(engagement):
        number = (
            drawing.number(variants, engagement.pk, person.pk) if variants else None
        )
        values = variants.values(number, kept.values)
        event = member_event(segment, person, engagement.trigger)
        shown = preview(
            kept.version, values, segment, person, event, engagement, mask=mask
        )
        shown = seen_by(shown, connection, user)
        if mask:
            shown = _without_words(shown)
        who = naming.called(person, user)
        variant = variants.name(number)
        yield Sample(
            name=f"{who}, variant {variant}" if variant else who, preview=shown
        )


def _newest(engagement: Engagement) -> Sequence[Profile]:
    members = engagement.segment.memberships.select_related("profile")
    return [one.profile for one in members.order_by("-pk")[:SAMPLES]]


def _without_words(shown: Preview) -> Preview:
    """The same without what is said of the person, which may quote their data."""
    problems = dict.fromkeys(shown.problems, "Nothing would be sent to this person.")
    return replace(shown, problems=problems, notes=())
