"""SQL sources and watched folders: what brings people in again and again by itself."""

from typing import Any

import phonenumbers
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from lemnisk_braze.lib import sealing
from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.form_changes import ChangesInWords
from lemnisk_braze.lib.names import one_line
from lemnisk_braze.lib.pages.active import active_badge
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.deleting import CarefulDelete
from lemnisk_braze.lib.pages.rows import row_of
from segments import wakeup
from segments.imports.feeding import address, databases, folders, preview, queries
from segments.imports.mapping import messages, naming
from segments.imports.reading.rows import MISSING, FileError
from segments.models import Source, SourceQuery, WatchedFolder, stored
from segments.naming import masked, may_see_people

Feed = SourceQuery | WatchedFolder
LAST = 10
MAX_QUERY = 50_000
MEANING = (
    "name",
    "is_active",
    "source",
    "makes",
    "event",
    "columns",
    "empty",
    "zone",
    "country",
)
# Why a database gave no rows.
UNANSWERED = (
    address.AddressError,
    databases.QueryError,
    FileError,
    sealing.SealError,
)
WIDGETS = {"columns": UnfoldAdminTextareaWidget(attrs={"rows": 4})}
HELP = {
    "source": "In whose name people come in: the source of their attributes.",
    "event": "Where rows are events and no column says what they are called.",
    "columns": "What columns become, one a line: id=external_id, Mail=email, "
    "City=attribute:city:text, note=- (left out). Types: text, number, boolean, "
    "date_ymd, date_dmy, date_mdy. The others are what their names and cells suggest.",
    "zone": "Such as Asia/Kolkata.",
    "country": "Such as GB.",
}


class FeedForm(forms.ModelForm):  # type: ignore[type-arg]
    """What both have in common."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = self.fields.get("source")
        if isinstance(source, forms.ModelChoiceField):
            source.queryset = Source.objects.filter(is_active=True).order_by("name")

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_columns(self) -> str:
        text: str = self.cleaned_data["columns"]
        try:
            naming.parse(text)
        except naming.NamingError as e:
            raise ValidationError(str(e)) from e
        return text

    def clean_zone(self) -> str:
        zone: str = self.cleaned_data["zone"]
        if zone not in naming.available_timezones():
            raise ValidationError("This is no time zone, such as Asia/Kolkata.")
        return zone

    def clean_country(self) -> str:
        country: str = self.cleaned_data["country"].upper()
        if country and country not in phonenumbers.SUPPORTED_REGIONS:
            raise ValidationError("This is no country’s code, such as GB.")
        return country


class WatchedFolderForm(FeedForm):
    class Meta:
        model = WatchedFolder
        fields = ["path", *MEANING]
        widgets = WIDGETS
        help_texts = {
            **HELP,
            "path": "A folder of the workers’ machine, in one that IMPORT_FROM names. "
            "Files are taken when they have not changed between two looks; names that "
            "begin with a dot, or end with .part or .tmp, are left alone until they are "
            "renamed. They go on to its folders “done” and “failed”.",
        }

    def clean_path(self) -> str:
        try:
            return str(folders.allowed(self.cleaned_data["path"]))
        except folders.FolderError as e:
            raise ValidationError(str(e)) from e


class SourceQueryForm(FeedForm):
    address = forms.CharField(
        required=False,
        max_length=address.MAX_ADDRESS,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password", "spellcheck": "false"}
        ),
        help_text="postgresql://user:password@host:5432/database, or the path of a "
        "DuckDB file. Sign in as a role that may SELECT and nothing else. It is kept "
        "encrypted and not shown again; empty keeps the one there is.",
    )

    class Meta:
        model = SourceQuery
        fields = [
            "kind",
            "query",
            "watermark_column",
            "look_back",
            "every",
            *MEANING,
        ]
        widgets = {
            **WIDGETS,
            "query": UnfoldAdminTextareaWidget(
                attrs={"rows": 8, "class": "lb-code", "spellcheck": "false"}
            ),
        }
        help_texts = {
            **HELP,
            "query": "One SELECT. Each of its columns has a name of its own.",
            "watermark_column": "A column that grows with every change of a row, such "
            "as updated_at: then only rows that are new since the last run come. Empty: "
            "all rows, each time. Rows without a value come each time. Where it is a "
            "time, a row is as old as it says, and newer calls are not overwritten.",
            "look_back": "So many seconds before the last row (or so many numbers) are "
            "read again, for what was stamped early and committed late.",
            "empty": "NULL is an empty cell too. A row that is gone changes nobody.",
        }

    def clean_query(self) -> str:
        query: str = self.cleaned_data["query"]
        if len(query.encode()) > MAX_QUERY:
            raise ValidationError(f"A query has at most {MAX_QUERY:,} bytes.")
        return query

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        kind, typed = cleaned.get("kind"), cleaned.get("address", "").strip()
        is_other = kind != self.instance.kind
        if not typed and (is_other or not self.instance.address_encrypted):
            self.add_error("address", "Say where the database is.")
        elif typed and kind:
            try:
                address.check(kind, typed)
            except address.AddressError as e:
                self.add_error("address", str(e))
        uses = naming.parse(cleaned.get("columns") or "").values()
        if (
            cleaned.get("makes") == messages.EVENTS
            and cleaned.get("watermark_column")
            and messages.MESSAGE_ID not in uses
        ):
            self.add_error(
                "columns",
                "Rows come again around the watermark: say which column is the event’s"
                " message_id, so that each happens once.",
            )
        return cleaned

    def save(self, commit: bool = True) -> SourceQuery:
        """Save; what asks for other rows begins at the beginning."""
        if {"kind", "query", "watermark_column", "address"} & set(self.changed_data):
            self.instance.watermark = None
        saved: SourceQuery = super().save(commit)
        return saved


class FeedAdmin(ChangesInWords, CarefulDelete, OfferedFilters):
    """Its form, how it is doing, and its last imports."""

    change_form_template = "admin/segments/feed/change_form.html"
    search_fields = ["name"]
    search_help_text = "A part of a name."
    ordering = ["name"]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {**(extra_context or {})}
        feed = self.get_object(request, object_id) if object_id else None
        if feed is not None:
            context["runs"] = feed.imports.order_by("-pk")[:LAST]
            context["is_query"] = isinstance(feed, SourceQuery)
        return super().changeform_view(request, object_id, form_url, context)


@admin.register(WatchedFolder)
class WatchedFolderAdmin(FeedAdmin):
    form = WatchedFolderForm
    list_display = ["name", active_badge, "path", "problem", "looked_at"]


@admin.register(SourceQuery)
class SourceQueryAdmin(FeedAdmin):
    form = SourceQueryForm
    list_display = ["name", active_badge, "kind", "every", "problem", "looked_at"]
    fieldsets = (
        (None, {"fields": ("name", "is_active")}),
        ("Database", {"fields": ("kind", "address", "query")}),
        ("When", {"fields": ("every", "watermark_column", "look_back")}),
        ("What rows are", {"fields": MEANING[2:]}),
    )
    untold = frozenset({"address"})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        # Who may only look has no form, and so none of its own fields.
        return [(None, {"fields": (*MEANING, "kind", "query", "every")})]

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "segments_sourcequery"
        run, shown = require_POST(self.run_view), require_POST(self.preview_view)
        return [
            path("<int:pk>/run/", view(run), name=f"{name}_run"),
            path("<int:pk>/preview/", view(shown), name=f"{name}_preview"),
            *super().get_urls(),
        ]

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if typed := form.cleaned_data["address"].strip():
            queries.set_address(obj, typed)

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have a worker run it now."""
        query: SourceQuery = row_of(self, request, pk, "change")
        if wakeup.run_query(query.pk, by_hand=True):
            self.log_change(request, query, "Ran it by hand.")
            self.message_user(request, "A worker asks the database now.")
        else:
            self.message_user(request, "No worker could be told; try again.", "error")
        return HttpResponseRedirect(query.get_absolute_url())

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the query's first rows, and what their columns become."""
        query: SourceQuery = row_of(self, request, pk, "change")
        title = f"First rows of “{query}”"
        context = context_of(self.admin_site, request, title, query)
        context["is_masked"] = not may_see_people(request.user)
        try:
            found = preview.ask(query)
        except UNANSWERED as e:
            context["problem"] = str(e)
        else:
            context |= {
                "found": found,
                "rows": cells(found, is_masked=context["is_masked"]),
            }
        template = "admin/segments/feed/preview.html"
        response = TemplateResponse(request, template, context)
        response["Cache-Control"] = "no-store"
        return response


def cells(found: preview.Preview, *, is_masked: bool) -> list[list[str]]:
    """Its rows as they are shown: texts that are not too long."""
    return [
        [_cell(masked(value) if is_masked else value) for value in row]
        for row in found.rows
    ]


def _cell(value: Any) -> str:
    if value is None or value is MISSING:
        return ""
    text = value if isinstance(value, str) else stored.write(value)
    most = preview.MOST_SHOWN
    return text if len(text) <= most else f"{text[:most]}…"
