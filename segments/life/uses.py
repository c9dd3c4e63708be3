"""Where a segment is used: by the apps above, and by the rules of other segments."""

from segments.membership import readers
from segments.membership.readers import Use
from segments.models import Segment

TONES = {
    Segment.State.DRAFT: "warning",
    Segment.State.LIVE: "success",
    Segment.State.PAUSED: "neutral",
    Segment.State.ARCHIVED: "default",
}
# Rules that read the segment, wherever in their tree.
READING = "rule @? '$.** ? (@.segment == {id})'"


def of(segment: Segment) -> list[Use]:
    """All that has it, at work or not."""
    return [*readers.uses(segment), *map(_use, reading(segment))]


def at_work(segment: Segment) -> list[Use]:
    """What would change or stand still without it."""
    return [use for use in of(segment) if use.is_at_work]


def reading(segment: Segment) -> list[Segment]:
    """The segments whose rules read this one, by name."""
    found = Segment.objects.extra(where=[READING.format(id=int(segment.pk))])
    return list(found.exclude(pk=segment.pk).order_by("name"))


def _use(segment: Segment) -> Use:
    return Use(
        name=segment.name,
        url=segment.get_absolute_url(),
        kind="Segment",
        state=segment.state.label,
        tone=TONES[segment.state],
        is_at_work=segment.state != Segment.State.ARCHIVED,
    )
