"""Lists: upload, what it would do, the decision to write it, and what came of each row."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_POST

from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.pages import uploads
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.deleting import CarefulDelete, Dependant
from lemnisk_braze.lib.pages.rows import as_id, row_of
from segments import naming
from segments.admin.lists.forms import NewListForm, UploadForm
from segments.admin.readonly import ReadOnlyAdmin
from segments.imports import storing
from segments.lists import changes, effects, reading, report, runner
from segments.membership.references import graph
from segments.models import ListLine, ListUpload, UploadedList

State = ListUpload.State
# A file of so many bytes is read while somebody waits for the page, for so many seconds.
AT_ONCE, PATIENCE = 2 << 20, 2.0
SHOWN = 50
LAST = 20
SEEN = "_seen"
TONES = {
    State.UPLOADED: "warning",
    State.READING: "info",
    State.READY: "warning",
    State.WRITING: "info",
    State.DONE: "success",
    State.FAILED: "danger",
}
TOO_LATE = "Nothing was done: it is in another state by now."
CHANGED_MEANWHILE = (
    "The list, or a segment that asks for it, was changed meanwhile. Nothing was"
    " written: this is what it would do now."
)


@admin.register(UploadedList)
class UploadedListAdmin(CarefulDelete, ReadOnlyAdmin):
    list_display = ["name", "identifier", "people", "created_by", "changed_at"]
    list_select_related = ["created_by"]
    search_fields = ["name"]
    search_help_text = "A part of a name."
    ordering = ["-id"]

    @admin.display(description="identifier")
    def identifier(self, one: UploadedList) -> str:
        return dict(reading.kinds()).get(one.kind, one.kind.replace("_", " "))

    @admin.display(description="identifiers")
    def people(self, one: UploadedList) -> str:
        return f"{one.size:,}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("segments.add_uploadedlist"))

    def has_delete_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        return bool(request.user.has_perm("segments.delete_uploadedlist"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "segments_uploadedlist"
        one = "<int:list_id>/uploads/<int:pk>/"
        return [
            path(
                "<int:list_id>/upload/", view(self.upload_view), name=f"{name}_upload"
            ),
            path(one, view(self.read_view), name=f"{name}_read"),
            path(f"{one}now/", view(self.now_view), name=f"{name}_now"),
            path(
                f"{one}unmatched/", view(self.unmatched_view), name=f"{name}_unmatched"
            ),
            path(
                f"{one}act/<str:act>/",
                view(require_POST(self.act_view)),
                name=f"{name}_act",
            ),
            *super().get_urls(),
        ]

    # --- Pages --------------------------------------------------------------------

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Take the file of a new list, and go on to what it comes to."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewListForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and self._is_taken(request, form):
            with transaction.atomic():
                of = UploadedList.objects.create(
                    name=form.cleaned_data["name"],
                    kind=form.cleaned_data["kind"],
                    created_by_id=request.user.pk,
                )
                self.log_addition(request, of, [{"added": {}}])
                return self._begun(request, of, form, ListUpload.Mode.ADD)
        return self._upload_page(request, form, "Upload a list")

    def upload_view(self, request: HttpRequest, list_id: int) -> HttpResponse:
        """Take a file for a list that is there."""
        of: UploadedList = row_of(self, request, list_id)
        if not request.user.has_perm("segments.change_uploadedlist"):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None, of_kind=of.kind)
        if request.method == "POST" and self._is_taken(request, form):
            with transaction.atomic():
                return self._begun(request, of, form, form.cleaned_data["mode"])
        return self._upload_page(request, form, f"Upload to “{of}”", of)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What the list is, who asks for it, and what was uploaded to it."""
        of: UploadedList = row_of(self, request, object_id)
        done = of.uploads.select_related("created_by").order_by("-pk")[:LAST]
        context = self._context(request, str(of)) | {
            "original": of,
            "identifier": self.identifier(of),
            "segments": graph.segments_that_ask("list", [of.pk]),
            "uploads": [(one, TONES.get(State(one.state), "neutral")) for one in done],
            "may_add_segment": request.user.has_perm("segments.add_segment"),
            "may_upload": request.user.has_perm("segments.change_uploadedlist"),
            "may_delete": self.has_delete_permission(request, of),
        }
        template = "admin/segments/uploadedlist/page.html"
        return TemplateResponse(request, template, context)

    def read_view(self, request: HttpRequest, list_id: int, pk: int) -> HttpResponse:
        """What an upload comes to, and the buttons of its state."""
        upload = self._upload(request, list_id, pk)
        context = self._upload_context(request, upload)
        if upload.state == State.UPLOADED:
            context["columns"] = list(enumerate(reading.format_of(upload).columns))
        template = "admin/segments/uploadedlist/upload.html"
        return TemplateResponse(request, template, context)

    def now_view(self, request: HttpRequest, list_id: int, pk: int) -> HttpResponse:
        """The part of the page that turns by itself."""
        context = self._upload_context(request, self._upload(request, list_id, pk))
        template = "admin/segments/uploadedlist/now.html"
        response = TemplateResponse(request, template, context)
        response["Cache-Control"] = "no-store"
        return response

    def unmatched_view(
        self, request: HttpRequest, list_id: int, pk: int
    ) -> StreamingHttpResponse:
        """The rows that nobody is found by as CSV, for those who may see people."""
        upload = self._upload(request, list_id, pk)
        if not _may_see_rows(request, upload):
            raise PermissionDenied
        response = StreamingHttpResponse(
            (line.encode() for line in report.lines(upload)),
            content_type="text/csv; charset=utf-8",
        )
        name = f"unmatched-rows-of-upload-{upload.pk}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["Cache-Control"] = "no-store"
        return response

    def act_view(
        self, request: HttpRequest, list_id: int, pk: int, act: str
    ) -> HttpResponse:
        """Press one of its buttons."""
        upload = self._upload(request, list_id, pk)
        if act == "write":
            return self._written(request, upload)
        if not _may_act(request, upload):
            raise PermissionDenied
        if act == "column":
            columns = reading.format_of(upload).columns
            column = as_id(request.POST.get("column", ""))
            if column is None or column >= len(columns):
                messages.error(request, "Choose the column with the identifiers.")
                return HttpResponseRedirect(upload.get_absolute_url())
            has_names = "is_row" not in request.POST
            done = runner.say_column(upload, column, has_names=has_names)
        elif act in ACTS:
            done = ACTS[act](upload)
        else:
            raise Http404
        if not done:
            messages.warning(request, TOO_LATE)
        _go_on(upload)
        return HttpResponseRedirect(upload.get_absolute_url())

    # --- Steps --------------------------------------------------------------------

    def _is_taken(self, request: HttpRequest, form: UploadForm) -> bool:
        if stopped := uploads.stopped(request):
            name, size = stopped
            form.full_clean()
            form.errors.clear()
            form.add_error(
                "file",
                f"“{name}” was not read: with {size:,} bytes it is too large. A file has"
                f" at most {storing.most_megabytes():,} MB. Split it.",
            )
            return False
        return form.is_valid()

    def _begun(
        self, request: HttpRequest, of: UploadedList, form: UploadForm, mode: str
    ) -> HttpResponse:
        assert form.taken is not None
        upload = reading.upload_of(
            form.taken, of=of, mode=mode, created_by_id=request.user.pk
        )
        runner.begin(upload)
        transaction.on_commit(lambda: _go_on(upload))
        return HttpResponseRedirect(upload.get_absolute_url())

    def _written(self, request: HttpRequest, upload: ListUpload) -> HttpResponse:
        """Have it written, where this is what was seen and who saw it may."""
        if effects.refusal(upload, request.user):
            raise PermissionDenied
        if request.POST.get(SEEN) != effects.fingerprint(upload):
            runner.look_again(upload)
            messages.warning(request, CHANGED_MEANWHILE)
        elif runner.write(upload):
            verb = "Replaced" if upload.mode == ListUpload.Mode.REPLACE else "Added to"
            self.log_change(request, upload.of, f"{verb} it by “{upload}”.")
        else:
            messages.warning(request, TOO_LATE)
        _go_on(upload)
        return HttpResponseRedirect(upload.get_absolute_url())

    def users_of(self, obj: UploadedList) -> list[Dependant]:
        found = graph.segments_that_ask("list", [obj.pk])
        return [
            Dependant(name=f"Segment: {one}", url=one.get_absolute_url())
            for one in found
        ]

    def goes_with(self, obj: UploadedList) -> str:
        return f"{counted(obj.size, 'identifier')} and what is known of its uploads"

    def delete_model(self, request: HttpRequest, obj: UploadedList) -> None:
        changes.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for one in queryset:
            changes.delete(one)

    # --- Contexts -----------------------------------------------------------------

    def _upload(self, request: HttpRequest, list_id: int, pk: int) -> ListUpload:
        """An upload whose list this user may see; raises Http404 and PermissionDenied."""
        of = row_of(self, request, list_id)
        upload = ListUpload.objects.filter(pk=pk, of=of).select_related("of").first()
        if upload is None:
            raise Http404
        return upload

    def _upload_page(
        self,
        request: HttpRequest,
        form: UploadForm,
        title: str,
        of: UploadedList | None = None,
    ) -> HttpResponse:
        context = self._context(request, title) | {
            "form": form,
            "original": of,
            "most": storing.most_megabytes(),
            "back": of.get_absolute_url()
            if of
            else reverse("admin:segments_uploadedlist_changelist"),
        }
        template = "admin/segments/uploadedlist/add.html"
        return TemplateResponse(request, template, context)

    def _upload_context(
        self, request: HttpRequest, upload: ListUpload
    ) -> dict[str, Any]:
        is_ready = upload.state == State.READY
        context = self._context(request, f"{upload} → {upload.of}") | {
            "original": upload.of,
            "upload": upload,
            "identifier": self.identifier(upload.of),
            "tone": TONES.get(State(upload.state), "neutral"),
            "is_working": upload.state in ListUpload.WORKING,
            "found": [
                (kind.label, upload.found.get(kind, 0)) for kind in ListLine.Kind
            ],
            "may_change": _may_act(request, upload),
            "may_add_segment": request.user.has_perm("segments.add_segment"),
            "may_see_rows": _may_see_rows(request, upload),
            "can_cancel": upload.state in runner.CANCELLABLE,
        }
        if is_ready:
            context |= {
                "forecast": SimpleLazyObject(lambda: effects.forecast(upload)),
                "refusal": effects.refusal(upload, request.user),
                "is_read": bool(effects.read_ones(upload.of)),
                "seen": effects.fingerprint(upload),
            }
        if upload.found:
            rows = report.unmatched(upload)
            context["unmatched"] = rows.count()
            if context["may_see_rows"]:
                context["rows"] = [
                    (row.line, row.value, row.reason or row.get_kind_display())
                    for row in rows[:SHOWN]
                ]
        return context

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return context_of(self.admin_site, request, title, self.model)


ACTS: Mapping[str, Callable[[ListUpload], bool]] = {"cancel": runner.cancel}


def _may_act(request: HttpRequest, upload: ListUpload) -> bool:
    """Who decides about an upload also says no."""
    if request.user.has_perm("segments.change_uploadedlist"):
        return True
    return upload.state == State.READY and not effects.refusal(upload, request.user)


def _go_on(upload: ListUpload) -> None:
    """A small file needs no worker, and nobody to come back later."""
    upload.refresh_from_db()
    if upload.bytes <= AT_ONCE and upload.state in ListUpload.WORKING:
        runner.turn(upload.pk, PATIENCE)


def _may_see_rows(request: HttpRequest, upload: ListUpload) -> bool:
    is_own = upload.created_by_id == request.user.pk
    return is_own or naming.may_see_people(request.user)
