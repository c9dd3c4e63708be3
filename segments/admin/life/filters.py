"""What the list of segments is filtered by: state, tag, owner."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import F, Func, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from lemnisk_braze.lib.pages.rows import as_id
from segments.life import states, uses
from segments.models import Segment

State = Segment.State


@display(
    description="state",
    label={str(state.label): tone for state, tone in uses.TONES.items()},
)
def state_badge(segment: Segment) -> str:
    """A column of the list."""
    return str(segment.state.label)


class StateFilter(admin.SimpleListFilter):
    """By default everything but what is archived."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = [(state.value, str(state.label)) for state in State]
        return [*found, ("all", "All, archived ones too")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "All but archived ones"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value in State.values:
            return queryset.filter(states.IN_STATE[State(value)])
        return queryset if value == "all" else queryset.filter(archived_at=None)


class TagFilter(admin.SimpleListFilter):
    """By one tag; tags are what segments have."""

    title = "tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tags = Segment.objects.annotate(tag=Func(F("tags"), function="unnest"))
        found = tags.order_by("tag").values_list("tag", flat=True).distinct()
        return [(tag, tag) for tag in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        tag = self.value()
        return queryset.filter(tags__contains=[tag]) if tag else queryset


class OwnerFilter(admin.SimpleListFilter):
    """By who owns one, or by nobody."""

    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        owners = Segment.objects.exclude(owner=None).values("owner")
        found = User.objects.filter(pk__in=owners).order_by("username")
        return [*((str(user.pk), str(user)) for user in found), ("none", "Nobody")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if value == "none":
            return queryset.filter(owner=None)
        pk = as_id(value)
        return queryset.filter(owner=pk) if pk else queryset
