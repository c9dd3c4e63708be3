"""Where an External API is used: the app above tells, this one does not know it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One engagement that was made with a version.

    `is_live`: it sends now. `is_at_work`: it sends, or can go on without being
    activated anew. `tone` is a badge's colour.
    """

    name: str
    url: str
    state: str
    tone: str
    version_id: int
    is_live: bool
    is_at_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedBy:
    """What the app above answers: the uses of versions, and which versions are live.

    `live_versions` is a queryset of version ids, to be a part of a larger query.
    """

    uses: Callable[[Iterable[int]], list[Use]]
    live_versions: Callable[[], QuerySet[Any, Any]]


_registered: list[UsedBy] = []


def register(used_by: UsedBy) -> None:
    """Called once, when the app above is ready."""
    _registered.append(used_by)


def uses_of(version_ids: Iterable[int]) -> list[Use]:
    ids = list(version_ids)
    return [use for used_by in _registered for use in used_by.uses(ids)]


def live_versions() -> list[QuerySet[Any, Any]]:
    return [used_by.live_versions() for used_by in _registered]
