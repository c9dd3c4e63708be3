"""The pages of imports: upload, columns, check, start, progress, result."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST
from unfold.decorators import display

from lemnisk_braze.lib.pages import uploads
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.rows import row_of
from segments import naming
from segments.admin import import_forms
from segments.admin.readonly import ReadOnlyAdmin
from segments.imports import lifecycle, progress, report, runner, storing
from segments.imports.mapping import messages as made
from segments.imports.reading.encodings import ENCODINGS
from segments.imports.reading.rows import FileError
from segments.models import Import

State = Import.State
# A file of so many bytes is read, and checked, while somebody waits for the page.
AT_ONCE = 2 << 20
# In seconds.
PATIENCE = 2.0
TONES = {
    State.READING: "info",
    State.UPLOADED: "warning",
    State.CHECKING: "info",
    State.READY: "warning",
    State.RUNNING: "info",
    State.DONE: "success",
    State.FAILED: "danger",
}
TOO_LATE = "Nothing was done: it is in another state by now."


@admin.register(Import)
class ImportAdmin(ReadOnlyAdmin):
    list_display = ["name", "shown_state", "shown_rows", "created_by", "created_at"]
    list_select_related = ["created_by"]
    list_filter = ["state"]
    search_fields = ["name"]
    search_help_text = "A part of a name."
    ordering = ["-id"]

    @display(
        description="state",
        label={State(state).label: tone for state, tone in TONES.items()},
    )
    def shown_state(self, imported: Import) -> str:
        return State(imported.state).label

    @admin.display(description="rows")
    def shown_rows(self, imported: Import) -> str:
        return "" if imported.rows is None else f"{imported.rows:,}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("segments.add_import"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "segments_import"
        return [
            path("<int:pk>/now/", view(self.now_view), name=f"{name}_now"),
            path("<int:pk>/bad-rows/", view(self.bad_rows_view), name=f"{name}_bad"),
            path(
                "<int:pk>/act/<str:act>/",
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
        """Take a file, and go on to its own page."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        error = ""
        if request.method == "POST":
            try:
                return self._took(request)
            except FileError as e:
                error = str(e)
        context = self._context(request, "Import people or events")
        context |= {"form": import_forms.upload_form(), "error": error}
        context["most"] = storing.most_megabytes()
        return TemplateResponse(request, "admin/segments/import/upload.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What there is to be done, or seen, in its state."""
        imported: Import = row_of(self, request, object_id)
        asks = imported.state in (State.UPLOADED, State.READY) and imported.path
        if asks and request.method == "POST" and imported.columns:
            return self._mapped(request, imported)
        form = None
        is_edited = imported.state == State.UPLOADED or "columns" in request.GET
        if asks and imported.columns and is_edited:
            form = import_forms.blank(imported, _makes(request, imported))
        return self._page(request, imported, form)

    def now_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of the page that turns by itself."""
        imported: Import = row_of(self, request, pk)
        context = self._row_context(request, imported)
        response = TemplateResponse(request, "admin/segments/import/now.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def bad_rows_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """Its bad rows as CSV, for those who may see people."""
        imported: Import = row_of(self, request, pk)
        if not _may_see_cells(request, imported):
            raise PermissionDenied
        response = StreamingHttpResponse(
            (line.encode() for line in report.lines(imported)),
            content_type="text/csv; charset=utf-8",
        )
        name = f"bad-rows-of-import-{imported.pk}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["Cache-Control"] = "no-store"
        return response

    def act_view(self, request: HttpRequest, pk: int, act: str) -> HttpResponse:
        """Press one of its buttons."""
        imported: Import = row_of(self, request, pk)
        if not self.has_add_permission(request):
            raise PermissionDenied
        if act == "encoding":
            return self._read_in(request, imported)
        if act not in ACTS:
            raise Http404
        work, words = ACTS[act]
        if work(imported):
            self.log_change(request, imported, words)
        else:
            messages.warning(request, TOO_LATE)
        return HttpResponseRedirect(imported.get_absolute_url())

    # --- Steps --------------------------------------------------------------------

    def _took(self, request: HttpRequest) -> HttpResponse:
        if stopped := uploads.stopped(request):
            name, size = stopped
            raise FileError(
                f"“{name}” was not read: with {size:,} bytes it is too large. A file has"
                f" at most {storing.most_megabytes():,} MB. Split it."
            )
        file = request.FILES.get("file")
        if not isinstance(file, UploadedFile):
            raise FileError("Choose a file.")
        imported = storing.take(str(file.name), file.chunks())
        imported.created_by_id = request.user.pk
        storing.begin(imported)
        self.log_addition(request, imported, [{"added": {}}])
        _go_on(imported)
        return HttpResponseRedirect(imported.get_absolute_url())

    def _read_in(self, request: HttpRequest, imported: Import) -> HttpResponse:
        encoding = request.POST.get("encoding", "")
        if imported.state != State.UPLOADED or imported.encoding:
            messages.warning(request, TOO_LATE)
        elif encoding not in ENCODINGS:
            messages.error(request, "Choose the encoding in which the lines read well.")
        else:
            try:
                storing.set_encoding(imported, encoding)
                storing.begin(imported)
                _go_on(imported)
            except FileError as e:
                messages.error(request, str(e))
        return HttpResponseRedirect(imported.get_absolute_url())

    def _mapped(self, request: HttpRequest, imported: Import) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = import_forms.bound(imported, request.POST)
        if not form.is_valid:
            return self._page(request, imported, form)
        with transaction.atomic():
            source = import_forms.source_of(form)
            checked = lifecycle.check(imported, form.plan, source)
        if not checked:
            messages.warning(request, TOO_LATE)
        _go_on(imported)
        return HttpResponseRedirect(imported.get_absolute_url())

    # --- Contexts -----------------------------------------------------------------

    def _page(
        self,
        request: HttpRequest,
        imported: Import,
        form: import_forms.MappingForm | None,
    ) -> HttpResponse:
        context = self._row_context(request, imported) | {"form": form}
        if form:
            context |= {"makes": import_forms.MAKES, "empties": import_forms.EMPTY}
        needs_encoding = imported.state == State.UPLOADED and not imported.columns
        if needs_encoding and not imported.encoding and imported.path:
            try:
                context["candidates"] = storing.candidates(imported)
            except FileError as e:
                context["problem"] = str(e)
        return TemplateResponse(request, "admin/segments/import/page.html", context)

    def _row_context(self, request: HttpRequest, imported: Import) -> dict[str, Any]:
        return {
            **self._context(request, str(imported)),
            "original": imported,
            "state": imported.state,
            "shown_state": State(imported.state).label,
            "tone": TONES.get(State(imported.state), "neutral"),
            "is_working": imported.state in Import.WORKING,
            "progress": progress.of(imported),
            "may_act": self.has_add_permission(request),
            "may_see_cells": _may_see_cells(request, imported),
            "can_pause": imported.state in lifecycle.PAUSABLE,
            "can_resume": imported.state in lifecycle.RESUMABLE and imported.phase,
            "can_cancel": imported.state in lifecycle.CANCELLABLE,
            "problem": imported.problem,
        }

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return context_of(self.admin_site, request, title, self.model)


ACTS: Mapping[str, tuple[Callable[[Import], bool], str]] = {
    "start": (lifecycle.start, "Started it."),
    "pause": (lifecycle.pause, "Paused it."),
    "resume": (lifecycle.resume, "Resumed it."),
    "cancel": (lifecycle.cancel, "Cancelled it."),
}


def _go_on(imported: Import) -> None:
    """A small file needs no worker, and nobody to come back later."""
    if imported.size <= AT_ONCE and imported.state in Import.WORKING:
        runner.turn(imported.pk, PATIENCE)


def _makes(request: HttpRequest, imported: Import) -> str:
    asked = request.GET.get("makes") or imported.plan.get("makes")
    return made.EVENTS if asked == made.EVENTS else made.PEOPLE


def _may_see_cells(request: HttpRequest, imported: Import) -> bool:
    is_own = imported.created_by_id == request.user.pk
    return is_own or naming.may_see_people(request.user)
