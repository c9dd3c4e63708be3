"""Which parameters of a new version are old ones by another name."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from externalapi import bodies
from externalapi.models import ExternalAPIVersion
from externalapi.placeholders import find

# Where a placeholder stands: keys and indexes from the top, and which of its text.
Place: TypeAlias = tuple[str | int, ...]


def renames(old: ExternalAPIVersion, new: ExternalAPIVersion) -> dict[str, str]:
    """Return new name → old name: as the versions say it, else by the place.

    A new parameter that stands in the very place of one that is gone is that one.
    """
    found = _declared(old, new)
    before, after = _places(old), _places(new)
    gone = set(before.values()) - set(after.values())
    come = set(after.values()) - set(before.values())
    for place, name in after.items():
        old_name = before.get(place, "")
        # One old parameter becomes one new one.
        if name in come and old_name in gone and old_name not in found.values():
            found.setdefault(name, old_name)
    return found


def _declared(old: ExternalAPIVersion, new: ExternalAPIVersion) -> dict[str, str]:
    """Follow `renamed_from` from version to version."""
    steps = ExternalAPIVersion.objects.filter(
        external_api=old.external_api_id,
        number__gt=old.number,
        number__lte=new.number,
    ).order_by("number")
    origin = {parameter.name: parameter.name for parameter in old.read_parameters()}
    for step in steps:
        for parameter in step.read_parameters():
            if parameter.renamed_from in origin and parameter.name not in origin:
                origin[parameter.name] = origin.pop(parameter.renamed_from)
    return {name: first for name, first in origin.items() if name != first}


def _places(version: ExternalAPIVersion) -> dict[Place, str]:
    try:
        body = bodies.parse(version.body_kind, version.body)
    except ValueError:
        body = None
    parts = {
        "path": version.path,
        "query": {str(name): template for name, template in version.query},
        "headers": version.headers,
        "body": body,
    }
    return dict(_walk(parts, ()))


def _walk(tree: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(tree, Mapping):
        for key, item in tree.items():
            yield from _walk(item, (*place, key))
    elif isinstance(tree, list | tuple):
        for index, item in enumerate(tree):
            yield from _walk(item, (*place, index))
    elif isinstance(tree, str):
        for index, name in enumerate(find(tree)):
            yield (*place, index), name
