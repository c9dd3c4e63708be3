"""External APIs to a file and out of one, with a preview."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminFileFieldWidget

from externalapi.connections.access import usable_by
from externalapi.models import Connection, ExternalAPI
from externalapi.transfer import import_file
from externalapi.transfer.export_file import export
from externalapi.transfer.import_file import Entry, FileError, Planned
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.pages.confirm import with_why
from lemnisk_braze.lib.pages.context import context_of

Choice = tuple[str, str, Connection | None]


class FileForm(forms.Form):
    """The theme's own file input, whose script wants its own markup."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".json,application/json"})
    )


class FilePages:
    """Mixed into the External API's admin."""

    admin_site: Any
    opts: Any
    has_view_permission: Any
    has_add_permission: Any
    has_change_permission: Any

    def file_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "import/",
                view(self.import_view),
                name="externalapi_externalapi_import",
            ),
            path(
                "<int:pk>/export/",
                view(self.export_view),
                name="externalapi_externalapi_export",
            ),
        ]

    def export_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        external_api = get_object_or_404(ExternalAPI, pk=pk)
        if not self.has_view_permission(request, external_api):
            raise PermissionDenied
        return download(ExternalAPI.objects.filter(pk=pk), external_api.name)

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a file, show what it would do, and do it when that is confirmed."""
        may_import = self.has_add_permission(request) and self.has_change_permission(
            request
        )
        if not may_import:
            raise PermissionDenied
        if request.method != "POST":
            return self._import_page(request)
        try:
            raw = _raw(request)
            entries = import_file.read(raw)
            choices = _choices(request, entries)
            planned = import_file.plan(
                entries,
                {name: c for _, name, c in choices if c is not None},
                request.user,  # type: ignore[arg-type]
            )
            if "_confirm" in request.POST and _is_as_seen(request, planned):
                return self._import(request, planned)
        except FileError as e:
            return self._import_page(request, error=str(e))
        if "_confirm" in request.POST:
            messages.warning(request, "Something has changed. Look at it once more.")
        return self._import_page(
            request,
            content=raw.decode(),
            choices=choices,
            planned=planned,
            seen=_seen(planned),
            counts=_counts(planned),
            has_problems=any(one.problems for one in planned),
        )

    def _import(self, request: HttpRequest, planned: Sequence[Planned]) -> HttpResponse:
        touched = import_file.carry_out(
            planned,
            request.user,  # type: ignore[arg-type]
            with_why(request, "Imported from a file."),
        )
        count = len(touched)
        words = "1 External API is" if count == 1 else f"{count} External APIs are"
        messages.success(request, f"{words} imported. Test what is new or changed.")
        return redirect(reverse("admin:externalapi_externalapi_changelist"))

    def _import_page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        title = "Import External APIs"
        context |= context_of(self.admin_site, request, title, ExternalAPI) | {
            "form": FileForm(),
            "connections": usable_by(request.user).order_by("name"),
        }
        return TemplateResponse(request, "externalapi/import.html", context)


def download(external_apis: QuerySet[ExternalAPI], name: str) -> HttpResponse:
    """A file of External APIs, named after `name` and the day."""
    text = export(external_apis.select_related("current_version__connection"))
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    # The name of a file on any system, whatever the External API's own has in it.
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "external-apis"
    today = database_clock.now().date()
    disposition = f'attachment; filename="{plain[:80]}-{today}.json"'
    response["Content-Disposition"] = disposition
    return response


def _raw(request: HttpRequest) -> bytes:
    """The uploaded file, else the one that the preview carries along."""
    upload = request.FILES.get("file")
    if upload is not None:
        return bytes(upload.read(import_file.MAX_BYTES + 1))
    content = request.POST.get("content", "")
    if not content:
        raise FileError("Choose a file first.")
    return content.encode(errors="replace")


def _choices(request: HttpRequest, entries: Sequence[Entry]) -> list[Choice]:
    """(field, name in the file, connection here) of each connection in the file."""
    names = sorted({entry.connection for entry in entries})
    fields = {f"connection-{index}": name for index, name in enumerate(names)}
    by_name = {one.name: one for one in Connection.objects.filter(name__in=names)}
    by_pk = {str(one.pk): one for one in usable_by(request.user)}
    return [
        (
            field,
            name,
            by_pk.get(request.POST[field])
            if field in request.POST
            else by_name.get(name),
        )
        for field, name in fields.items()
    ]


def _seen(planned: Sequence[Planned]) -> str:
    """What a preview shows, in short: the same text means the same preview."""
    facts = [
        (
            one.entry.name,
            one.kind,
            one.external_api.current_version_id,
            one.draft.content_hash() if one.draft else "",
            one.details,
            one.cases,
        )
        for one in planned
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _is_as_seen(request: HttpRequest, planned: Sequence[Planned]) -> bool:
    return request.POST.get("seen", "") == _seen(planned)


def _counts(planned: Sequence[Planned]) -> dict[str, int]:
    kinds = [one.kind for one in planned]
    return {kind: kinds.count(kind) for kind in ("new", "changed", "same")}
