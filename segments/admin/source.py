"""Sources, and their write keys, which are shown once."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache

from lemnisk_braze.lib.active import active_badge
from lemnisk_braze.lib.deleting import CarefulDelete, Dependant, Instead
from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.form_changes import ChangesInWords
from segments.forms import SourceForm
from segments.models import Event, InboxMessage, Profile, Source
from segments.tracking import write_keys


@admin.register(Source)
class SourceAdmin(ChangesInWords, CarefulDelete, OfferedFilters):
    form = SourceForm
    list_display = ["name", active_badge, "write_key", "created_at"]
    fields = ["name", "is_active", "write_key", "created_at"]
    readonly_fields = ["write_key", "created_at"]
    search_fields = ["name"]
    change_form_template = "admin/segments/source/change_form.html"

    class Media:
        css = {"all": ["segments/segments.css"]}

    def get_fields(self, request: HttpRequest, obj: Source | None = None) -> list[str]:
        # A new one has no time of its own before the database gives it.
        return [name for name in self.fields if obj or name != "created_at"]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {**(extra_context or {}), "host": _host(request)}
        return super().changeform_view(request, object_id, form_url, context)

    @admin.display(description="write key")
    def write_key(self, source: Source) -> str:
        last_four = source.write_key_last_four
        return f"…{last_four}" if last_four else "Shown once, when you have saved."

    def users_of(self, obj: Source) -> list[Dependant]:
        lists = (
            (Event, "events that it sent", "admin:segments_event_changelist"),
            (InboxMessage, "its inbox", "admin:segments_inboxmessage_changelist"),
        )
        return [
            Dependant(name=name, url=reverse(url))
            for model, name, url in lists
            if model.objects.filter(source=obj).exists()
        ]

    def instead(self, request: HttpRequest, obj: Source) -> Instead:
        return Instead(
            text="Switched off (“Active” on its page), its write key is refused and "
            "everything that it sent stays.",
            label="Open the source",
            url=reverse("admin:segments_source_change", args=[obj.pk]),
        )

    def get_urls(self) -> list[URLPattern]:
        rotate = self.admin_site.admin_view(never_cache(self.rotate_view))
        name = "segments_source_rotate"
        return [
            path("<path:object_id>/rotate/", rotate, name=name),
            *super().get_urls(),
        ]

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        if change:
            obj.save(update_fields=form.changed_data)
        else:
            # For this request only: the page after it shows the key for once.
            request.write_key = write_keys.issue(obj)  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Source, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show(request, obj, request.write_key)  # type: ignore[attr-defined]

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then replace the write key: the old one is refused from then on."""
        source = self.get_object(request, object_id)
        if source is None:
            raise Http404
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        if request.method == "POST":
            key = write_keys.issue(source)
            self.log_change(request, source, "Replaced the write key.")
            return self._show(request, source, key)
        context = self._context(request, source, "Replace the write key")
        return TemplateResponse(request, "admin/segments/source/rotate.html", context)

    def _show(self, request: HttpRequest, source: Source, key: str) -> HttpResponse:
        context = self._context(request, source, f"Write key of {source.name}")
        context |= {"write_key": key, "host": _host(request)}
        context["is_first"] = not Profile.objects.exists()
        response = TemplateResponse(
            request, "admin/segments/source/write_key.html", context
        )
        response["Cache-Control"] = "no-store"
        return response

    def _context(
        self, request: HttpRequest, source: Source, title: str
    ) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": source,
            "media": self.media,
        }


def _host(request: HttpRequest) -> str:
    """Where libraries send to: this site's address, without a slash at its end."""
    return request.build_absolute_uri("/")[:-1]
