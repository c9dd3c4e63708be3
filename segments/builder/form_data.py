"""What the page of a segment brings for the form of its rule."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.urls import reverse

from segments.builder.starting_points import STARTING_POINTS, in_zone
from segments.dictionary import catalog
from segments.dictionary.catalog import Name
from segments.models import Segment
from segments.rules import kinds, operators, tree


def form_data(segment: Segment | None) -> dict[str, Any]:
    """As JSON for rule_builder.js; a starting point is for a new one."""
    known = catalog.properties()
    return {
        "operators": operators.offered(),
        "kinds": sorted(kinds.KINDS),
        "event_keys": sorted(kinds.KINDS["event"].schema()[0]["properties"]),
        "choices": _choices(segment),
        "attributes": _names(catalog.attributes()),
        "events": _names(catalog.events()),
        "properties": {event: _names(names) for event, names in known.items()},
        # Of more names than these, a warning would be wrong about those left out.
        "most": catalog.MOST,
        "zone": settings.TIME_ZONE,
        "examples": reverse("admin:segments_segment_examples"),
        "starting_points": [
            asdict(in_zone(p, settings.TIME_ZONE)) for p in STARTING_POINTS
        ]
        if segment is None
        else [],
    }


def _choices(segment: Segment | None) -> dict[str, list[dict[str, Any]]]:
    """What conditions may name, by the key of their kind; no segment names itself."""
    conditions = _conditions(segment)
    found = {
        key: kind.choices([one[key] for one in conditions if key in one])
        for key, kind in kinds.KINDS.items()
    }
    return {
        key: [
            asdict(one)
            for one in choices
            if segment is None or (key, one.value) != ("segment", segment.pk)
        ]
        for key, choices in found.items()
        if choices
    }


def _conditions(segment: Segment | None) -> list[dict[str, Any]]:
    """Those of a stored rule; none where it is wrong."""
    if segment is None or tree.problem(segment.rule):
        return []
    return list(tree.conditions(segment.rule))


def _names(names: Iterable[Name]) -> list[dict[str, str]]:
    return [
        {
            "name": one.name,
            "type": one.type,
            "label": one.label,
            "about": one.often,
            "description": one.description,
        }
        for one in names
    ]
