"""The page of one person: who they are, which segments they are in, what they did."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path

from lemnisk_braze.lib.pages.rows import row_of
from segments import naming
from segments.admin.readonly import ReadOnlyAdmin
from segments.models import Erasure, Identifier, Profile
from segments.people import display, export, search, timeline


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
            whole = not naming.may_see_people(request.user)
            found = search.find(search_term, whole=whole)
            queryset = queryset.filter(pk__in=found)
        return queryset, False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        if not naming.may_see_people(request.user):
            changelist.result_list = list(changelist.result_list)
            for person in changelist.result_list:
                naming.mask(person)
        return changelist

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Profile | None:
        person: Profile | None = super().get_object(request, object_id, from_field)
        if person and not naming.may_see_people(request.user):
            naming.mask(person)
            if person.merged_into:
                naming.mask(person.merged_into)
        return person

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "segments_profile"
        return [
            path("<int:pk>/erase/", view(self.erase_view), name=f"{name}_erase"),
            path("<int:pk>/export/", view(self.export_view), name=f"{name}_export"),
            *super().get_urls(),
        ]

    def erase_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, then erase them."""
        erasures = self.admin_site.get_model_admin(Erasure)
        response: HttpResponse = erasures.erase_person(
            request, row_of(self, request, pk)
        )
        return response

    def export_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """All that is known of them, as a file of JSON."""
        person: Profile = row_of(self, request, pk)
        if not may_export(request):
            raise PermissionDenied
        LogEntry.objects.create(
            user_id=request.user.pk or 0,
            content_type=ContentType.objects.get_for_model(Profile),
            object_id=str(person.pk),
            # No name: the history outlives the person.
            object_repr=f"Person {person.pk}",
            action_flag=CHANGE,
            change_message="Exported all that is known of them.",
        )
        response = StreamingHttpResponse(
            map(str.encode, export.write(person)), content_type="application/json"
        )
        name = f"person-{person.pk}.json"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["Cache-Control"] = "no-store"
        return response

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


def may_export(request: HttpRequest) -> bool:
    """An export is not masked."""
    may_see = naming.may_see_people(request.user)
    return may_see and bool(request.user.has_perm("segments.export_profile"))


def _panels(request: HttpRequest, person: Profile) -> dict[str, Any]:
    may_see_segments = request.user.has_perm("segments.view_segment")
    memberships = person.memberships.select_related("segment", "event")
    return {
        "title": person.called,
        "heading": person.called,
        "person": person,
        "may_erase": request.user.has_perm("segments.erase_profile"),
        "may_export": may_export(request),
        "may_explain": naming.may_see_people(request.user),
        "identifiers": _identifiers(request, person),
        "is_masked": not naming.may_see_people(request.user),
        "attributes": display.attributes_of(person),
        "memberships": memberships.order_by("-since") if may_see_segments else None,
        **_timeline(request, person),
        # What the app above has to add: who waits to be sent, and where to look them up.
        "additions": ["engagements/person.html", "segments/nothing.html"],
    }


def _identifiers(request: HttpRequest, person: Profile) -> list[Identifier]:
    found = list(person.identifiers.order_by("kind", "id"))
    if not naming.may_see_people(request.user):
        for identifier in found:
            identifier.value = naming.masked(identifier.value)
    return found


def _timeline(request: HttpRequest, person: Profile) -> dict[str, Any]:
    logs = timeline.logs_for(request.user)
    asked = request.GET.get("show", "")
    chosen = [log for log in logs if log.name == asked] or logs
    older = request.GET.get("older", "")
    page = timeline.read(person, request.user, chosen, older)
    shown = chosen[0].name if len(chosen) == 1 else ""
    query = {"show": shown} if shown else {}
    return {
        "logs": logs,
        "shown": shown,
        "entries": page.entries,
        "is_newest": not older,
        "newest_query": urlencode(query),
        "older_query": urlencode({**query, "older": page.older}) if page.older else "",
    }
