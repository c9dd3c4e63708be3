"""The page of one person: who they are, which segments they are in, what they did."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from segments.admin.readonly import ReadOnlyAdmin, as_pairs
from segments.models import Event, Profile
from segments.people import search

RECENT_EVENTS = 50


@admin.register(Profile)
class ProfileAdmin(ReadOnlyAdmin):
    list_display = ["person", "external_id", "email", "phone", "updated_at"]
    list_display_links = ["person"]
    fields = ("external_id", "email", "phone", "created_at", "updated_at")
    readonly_fields = fields
    ordering = ["-id"]
    search_fields = ["external_id"]
    search_help_text = "The beginning of a name, an external ID, an e-mail address or a phone; or any whole identifier."
    change_form_template = "admin/segments/profile/change_form.html"

    @admin.display(description="name")
    def person(self, profile: Profile) -> str:
        return profile.called

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Profile], search_term: str
    ) -> tuple[QuerySet[Profile], bool]:
        queryset = queryset.filter(merged_into=None)
        if search_term.strip():
            queryset = queryset.filter(pk__in=search.find(search_term))
        return queryset, False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        profile = self.get_object(request, object_id)
        context = {} if profile is None else _panels(request, profile)
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **context}
        )
        return response


def _panels(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    may_see_segments = request.user.has_perm("segments.view_segment")
    may_see_events = request.user.has_perm("segments.view_event")
    memberships = profile.memberships.select_related("segment", "event")
    return {
        "title": profile.called,
        "heading": profile.called,
        "person": profile,
        "identifiers": profile.identifiers.order_by("id"),
        "attributes": as_pairs(profile.attributes),
        "memberships": memberships.order_by("-since") if may_see_segments else None,
        "events": _recent_events(profile) if may_see_events else None,
        "deliveries_template": [
            "engagements/profile_deliveries.html",
            "segments/no_deliveries.html",
        ],
    }


def _recent_events(profile: Profile) -> list[tuple[Event, list[tuple[str, str]]]]:
    newest = profile.events.order_by("-time", "-id")[:RECENT_EVENTS]
    return [(event, as_pairs(event.properties)) for event in newest]
