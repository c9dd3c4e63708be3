"""Which parameters of a new version are old ones by another name.

A new parameter that stands in the very place of one that is gone is that one. It keeps
the settings, and whoever has a value for it keeps the value.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeAlias, TypeVar

from externalapi.models import ExternalAPIVersion, usage
from externalapi.template import bodies
from externalapi.template.parameters import Level, Parameter
from externalapi.template.placeholders import find

# Where a placeholder stands: keys and indexes from the top, and which of its text.
Place: TypeAlias = tuple[str | int, ...]

V = TypeVar("V")

NAMES_SHOWN = 5


class Shape(Protocol):
    """The templates of a version, or of one that is not saved yet."""

    @property
    def path(self) -> str: ...
    @property
    def query(self) -> Any: ...
    @property
    def headers(self) -> Any: ...
    @property
    def body_kind(self) -> str: ...
    @property
    def body(self) -> str: ...


def renames(old: ExternalAPIVersion, new: ExternalAPIVersion) -> dict[str, str]:
    """Return new name → old name, followed from version to version."""
    steps = [places(step) for step in _steps(old, new)]
    # Name in the step → name in the first one.
    origin = {name: name for name in steps[0].values()}
    for before, after in itertools.pairwise(steps):
        renamed = by_place(before, after)
        origin = {
            name: origin[was]
            for name in after.values()
            if (was := renamed.get(name, name)) in origin
        }
    return {name: first for name, first in origin.items() if name != first}


def with_new_names(values: Mapping[str, V], pairs: Mapping[str, str]) -> dict[str, V]:
    """Return values with those of renamed parameters by their new names as well."""
    moved = {name: values[was] for name, was in pairs.items() if was in values}
    return {**moved, **values}


def renamed_settings(
    old: ExternalAPIVersion, new: Shape, known: Collection[Parameter]
) -> list[Parameter]:
    """Return the parameters that a draft has by another name, with their settings."""
    pairs = by_place(places(old), places(new))
    by_name = {parameter.name: parameter for parameter in known}
    return [
        replace(by_name[was], name=name)
        for name, was in pairs.items()
        if was in by_name
    ]


def in_words(old: ExternalAPIVersion, new: ExternalAPIVersion) -> list[str]:
    """Return what a new version does to parameters' names, a sentence each."""
    return [
        f"“{was}” is now “{name}”."
        for name, was in by_place(places(old), places(new)).items()
    ]


def no_longer_asked(old: ExternalAPIVersion, new: ExternalAPIVersion) -> str:
    """Say which parameters engagements have values for in vain, and which do.

    Empty where there is none, or no engagement has one.
    """
    renamed = by_place(places(old), places(new)).values()
    gone = _asked(old) - _asked(new) - set(renamed)
    if not gone:
        return ""
    versions = old.external_api.versions.all()
    asking = [version.pk for version in versions if gone & _asked(version)]
    uses = [use.name for use in usage.uses_of(asking)]
    if not uses:
        return ""
    shown = ", ".join(f"“{name}”" for name in uses[:NAMES_SHOWN])
    more = f" and {len(uses) - NAMES_SHOWN} more" if len(uses) > NAMES_SHOWN else ""
    parameters = ", ".join(f"“{name}”" for name in sorted(gone))
    return (
        f"No longer asked: {parameters}. These Engagements were made with it: "
        f"{shown}{more}. They keep their version and values until they are moved."
    )


def places(shape: Shape) -> dict[Place, str]:
    """Return the names of the parameters by where they stand."""
    try:
        body = bodies.parse(shape.body_kind, shape.body)
    except ValueError:
        body = None
    parts = {
        "path": shape.path,
        "query": {str(name): template for name, template in shape.query},
        "headers": shape.headers,
        "body": body,
    }
    return dict(_walk(parts, ()))


def by_place(old: Mapping[Place, str], new: Mapping[Place, str]) -> dict[str, str]:
    """Return new name → old name, of two versions that follow each other."""
    gone = set(old.values()) - set(new.values())
    come = set(new.values()) - set(old.values())
    found: dict[str, str] = {}
    for place, name in new.items():
        was = old.get(place, "")
        # One old parameter becomes one new one.
        if name in come and was in gone and was not in found.values():
            found.setdefault(name, was)
    return found


def _steps(
    old: ExternalAPIVersion, new: ExternalAPIVersion
) -> Sequence[ExternalAPIVersion]:
    """The versions from one to the other, backwards where the new one is older."""
    first, last = sorted((old.number, new.number))
    versions = ExternalAPIVersion.objects.filter(
        external_api=old.external_api_id,
        written_on=None,
        number__range=(first, last),
    )
    is_back = new.number < old.number
    return list(versions.order_by("-number" if is_back else "number"))


def _asked(version: ExternalAPIVersion) -> set[str]:
    return {p.name for p in version.read_parameters() if p.level is Level.ENGAGEMENT}


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
