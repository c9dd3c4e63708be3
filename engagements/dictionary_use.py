"""Which engagements read a name of the dictionary (segments.dictionary.uses)."""

from collections.abc import Iterable

from engagements.models import Engagement
from engagements.personalization.liquid import compile_value
from engagements.variants import plan
from segments.dictionary.uses import Use


def reads(key: tuple[str, str, str]) -> Iterable[Use]:
    """The engagements whose values have a variable of this (kind, event, name).

    A property is one of the event that brings people in: any that the segment reads.
    """
    kind, event, name = key
    wanted = {
        "attribute": ("profile", name),
        "property": ("event", "properties", name),
    }.get(kind)
    if wanted is None:
        return
    for engagement in Engagement.objects.select_related("segment").order_by("name"):
        if event and event not in engagement.segment.event_names:
            continue
        others = [one.values for one in plan.of(engagement).variants]
        each = [engagement.values, *others]
        if any(wanted in _paths(text) for own in each for text in own.values()):
            yield Use(
                kind="Engagement",
                name=engagement.name,
                url=engagement.get_absolute_url(),
            )


def _paths(text: object) -> set[tuple[str, ...]]:
    """The variables of a value as typed, as long as a name is; none of a broken one."""
    try:
        variables = compile_value(str(text)).variables
    except ValueError:
        return set()
    return {path[: 3 if path[0] == "event" else 2] for path in variables if path}
