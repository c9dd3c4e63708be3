"""Where a segment is used: by the apps above, and by the rules of other segments."""

from segments.membership import readers
from segments.membership.readers import Use
from segments.membership.references import graph
from segments.models import Segment

TONES = {
    Segment.State.DRAFT: "warning",
    Segment.State.LIVE: "success",
    Segment.State.PAUSED: "neutral",
    Segment.State.ARCHIVED: "default",
}


def of(segment: Segment) -> list[Use]:
    """All that has it, at work or not."""
    asking = graph.segments_that_ask("segment", [segment.pk])
    return [*readers.uses(segment), *map(_use, asking)]


def at_work(segment: Segment) -> list[Use]:
    """What would change or stand still without it."""
    return [use for use in of(segment) if use.is_at_work]


def _use(segment: Segment) -> Use:
    return Use(
        name=segment.name,
        url=segment.get_absolute_url(),
        kind="Segment",
        state=segment.state.label,
        tone=TONES[segment.state],
        is_at_work=segment.state != Segment.State.ARCHIVED,
    )
