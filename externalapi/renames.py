"""Which parameters of a new version are old ones by another name."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from externalapi.body import parse_body
from externalapi.models import ExternalAPIVersion
from externalapi.placeholders import find

# Where a placeholder stands: keys and indexes from the top, and which of its text.
Place: TypeAlias = tuple[str | int, ...]


def renames(old: ExternalAPIVersion, new: ExternalAPIVersion) -> dict[str, str]:
    """Return new name → old name, where one stands in the very place of the other."""
    before, after = _places(old), _places(new)
    gone = set(before.values()) - set(after.values())
    come = set(after.values()) - set(before.values())
    found: dict[str, str] = {}
    for place, name in after.items():
        old_name = before.get(place, "")
        # One old parameter becomes one new one.
        if name in come and old_name in gone and old_name not in found.values():
            found.setdefault(name, old_name)
    return found


def _places(version: ExternalAPIVersion) -> dict[Place, str]:
    try:
        body = parse_body(version.body) if version.body.strip() else None
    except ValueError:
        body = None
    parts = {"path": version.path, "headers": version.headers, "body": body}
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
