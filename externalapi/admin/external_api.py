"""External APIs: Basic Details, External API Details, and what leads to Test API."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from externalapi.admin.access import LimitedAdmin
from externalapi.admin.body_check import BodyCheck
from externalapi.admin.importer import PastePage, pasted_preset
from externalapi.admin.status import STATUS_TONES, StatusFilter
from externalapi.admin.testing.cases import TestCasePages
from externalapi.admin.transfer import FilePages, download
from externalapi.admin.versions import LifePages, limit_of
from externalapi.connections.access import usable_by
from externalapi.definitions import renames
from externalapi.definitions.comparison import in_words
from externalapi.definitions.compiled import parameters_outside
from externalapi.definitions.versions import Draft, save_version
from externalapi.forms import batching_and_answers
from externalapi.forms.external_api import ExternalAPIForm
from externalapi.models import (
    ConfigurationTest,
    Connection,
    ExternalAPI,
    ExternalAPIQuerySet,
    ExternalAPIVersion,
)
from externalapi.template.batching import PLANS
from externalapi.template.parameters import Level, Parameter
from externalapi.template.url_and_headers import join_target
from externalapi.vendors.catalog import PRESETS, grouped
from externalapi.vendors.preset import Preset
from lemnisk_braze.lib.pages.deleting import NAMED, CarefulDelete, Dependant, Instead

BASIC = ("description", "channel", "channel_identifier")
DETAILS = (
    "connection",
    "method",
    "path",
    "headers",
    "body_kind",
    "payload_level",
    "body",
)


@admin.register(ExternalAPI)
class ExternalAPIAdmin(
    TestCasePages,
    LifePages,
    FilePages,
    BodyCheck,
    PastePage,
    CarefulDelete,
    LimitedAdmin,
):
    form = ExternalAPIForm
    list_display = (
        "name",
        "status_badge",
        "method",
        "connection",
        "asks_for",
        "last_test",
    )
    list_filter = (StatusFilter, "channel")
    actions = ("export_selected",)
    list_select_related = ("current_version__connection",)
    search_fields = ("name", "description")
    search_help_text = "A part of a name or of a description."
    ordering = ("name",)
    change_form_template = "externalapi/change_form.html"
    change_list_template = "externalapi/change_list.html"
    object_history_template = "externalapi/history.html"

    class Media:
        js = ["externalapi/named_choice.js", "externalapi/external_api_form.js"]

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExternalAPI]:
        tests = ConfigurationTest.objects.filter(
            version__external_api=OuterRef("pk")
        ).order_by("-at")
        queryset: ExternalAPIQuerySet = super().get_queryset(request)
        return queryset.with_status().annotate(
            tested_at=Subquery(tests.values("at")[:1]),
            test_succeeded=Subquery(tests.values("is_success")[:1]),
        )

    @display(description="status", ordering="status", label=STATUS_TONES)
    def status_badge(self, external_api: ExternalAPI) -> tuple[str, str]:
        status = ExternalAPI.Status(external_api.status)  # type: ignore[attr-defined]
        return status.value, str(status.label)

    @admin.display(ordering="current_version__method")
    def method(self, external_api: ExternalAPI) -> SafeString | str:
        version = external_api.current_version
        if version is None:
            return "—"
        return format_html(
            '<span class="lb-method">{}</span> <code>{}</code>',
            version.method,
            version.path,
        )

    @admin.display(ordering="current_version__connection__name")
    def connection(self, external_api: ExternalAPI) -> str:
        version = external_api.current_version
        return version.connection.name if version else "—"

    @admin.display(description="parameters asked in engagements")
    def asks_for(self, external_api: ExternalAPI) -> str:
        version = external_api.current_version
        parameters: Iterable[Parameter] = version.read_parameters() if version else ()
        own = ExternalAPIVersion.PayloadLevel.ENGAGEMENT
        if is_own := version is not None and version.payload_level == own:
            parameters = parameters_outside(version)
        names = [p.title for p in parameters if p.level is Level.ENGAGEMENT]
        return ", ".join([*names, *(["The payload"] if is_own else [])]) or "None"

    @display(
        description="last test",
        label={"ok": "success", "failed": "danger", "none": "info"},
    )
    def last_test(self, external_api: ExternalAPI) -> tuple[str, str]:
        if external_api.tested_at is None:  # type: ignore[attr-defined]
            return "none", "Not tested yet"
        if external_api.test_succeeded:  # type: ignore[attr-defined]
            return "ok", "Successful"
        return "failed", "Failed"

    @admin.action(description="Export as a file", permissions=["view"])
    def export_selected(
        self, request: HttpRequest, queryset: QuerySet[ExternalAPI]
    ) -> HttpResponse:
        return download(queryset, "External APIs")

    # Whose connection is limited to others is theirs to change

    def limit(self, request: HttpRequest, obj: ExternalAPI) -> str:
        return limit_of(obj, request.user)

    # Before it is deleted

    def users_of(self, obj: ExternalAPI) -> list[Dependant]:
        return [
            Dependant(name=f"Engagement: {use.name} ({use.state})", url=use.url)
            for use in obj.uses()[:NAMED]
        ]

    def goes_with(self, obj: ExternalAPI) -> str:
        return "its versions, tests and test cases"

    def instead(self, request: HttpRequest, obj: ExternalAPI) -> Instead:
        if obj.archived_at:
            return Instead(text="It is archived: no Engagement can choose it any more.")
        return Instead(
            text="Archived, it leaves the list and can no longer be chosen; nothing is "
            "lost, and Unarchive brings it back.",
            label="Archive it",
            url=reverse("admin:externalapi_externalapi_archive", args=[obj.pk]),
        )

    # The form

    def get_fieldsets(
        self, request: HttpRequest, obj: ExternalAPI | None = None
    ) -> list[tuple[str | None, dict[str, Any]]]:
        basic = ("name", "description", "channel", "channel_identifier")
        if not self._can_save(request, obj):
            return [("Basic Details", {"fields": basic})]
        fieldsets: list[tuple[str | None, dict[str, Any]]] = [
            ("Basic Details", {"fields": basic}),
            ("External API Details", {"fields": DETAILS}),
            (
                "Batching and answers",
                {"fields": batching_and_answers.FIELDS, "classes": ["collapse"]},
            ),
        ]
        has_parameters = "parameters-count" in request.POST
        if obj is not None or self._preset(request) or has_parameters:
            fieldsets.append(("Parameters", {"fields": ("parameters",)}))
        if obj is not None:
            fieldsets.append(("For the history", {"fields": ("note",)}))
        return fieldsets

    def get_readonly_fields(
        self, request: HttpRequest, obj: ExternalAPI | None = None
    ) -> tuple[str, ...]:
        return ("name",) if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        initial.setdefault("headers", {"Content-Type": "application/json"})
        initial.setdefault("plan", PLANS["braze_75_combined"])
        if preset := self._preset(request):
            initial |= _preset_initial(preset)
            if connection := _only_connection(preset, request.user):
                initial["connection"] = connection.pk
        return initial

    def get_form(
        self,
        request: HttpRequest,
        obj: ExternalAPI | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        """A form that begins with the current version, on GET and on POST."""
        form = super().get_form(request, obj, change, **kwargs)
        version = obj.current_version if obj else None
        begin: dict[str, Any] = {}
        if version:
            begin = _version_initial(version)

        class BegunForm(form):  # type: ignore[misc, valid-type]
            user = request.user

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                kwargs["initial"] = {**begin, **(kwargs.get("initial") or {})}
                super().__init__(*args, **kwargs)

        return BegunForm

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {
            **self._life(object_id),
            "preset_groups": grouped() if object_id is None else [],
            "preset": self._preset(request),
            # Saving leads to Test API, not to one more form.
            "show_save_and_add_another": False,
            **(extra_context or {}),
        }
        return super().changeform_view(request, object_id, form_url, context)

    def _life(self, object_id: str | None) -> dict[str, Any]:
        """The status and the number of engagements, for the page of a saved one."""
        if object_id is None or not object_id.isdecimal():
            return {}
        external_api = ExternalAPI.objects.with_status().filter(pk=object_id).first()
        if external_api is None:
            return {}
        status = ExternalAPI.Status(external_api.status)  # type: ignore[attr-defined]
        return {
            "status": status,
            "status_tone": STATUS_TONES[status],
            "use_count": len(external_api.uses()),
        }

    def save_model(
        self, request: HttpRequest, obj: ExternalAPI, form: Any, change: bool
    ) -> None:
        before = obj.current_version
        super().save_model(request, obj, form, change)
        note = form.cleaned_data["note"]
        save_version(obj, form.draft, request.user, note)  # type: ignore[arg-type]
        for warning in form.warnings:
            messages.warning(request, warning)
        _tell_parameters(request, before, obj.current_version)
        form.history = _in_words(form, before, obj.current_version, note)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        return form.history

    # Save leads to Test API

    def response_add(
        self, request: HttpRequest, obj: ExternalAPI, post_url_continue: Any = None
    ) -> HttpResponse:
        return self._response_saved(request, obj)

    def response_change(self, request: HttpRequest, obj: ExternalAPI) -> HttpResponse:
        return self._response_saved(request, obj)

    def _response_saved(
        self, request: HttpRequest, obj: ExternalAPI
    ) -> HttpResponseRedirect:
        version = obj.current_version
        number = f" as version {version.number}" if version else ""
        messages.success(request, f"“{obj}” is saved{number}.")
        if "_continue" in request.POST or not self.has_test_permission(request):
            return redirect(obj.get_absolute_url())
        return redirect(reverse("admin:externalapi_externalapi_test", args=[obj.pk]))

    def get_urls(self) -> list[URLPattern]:
        pages = [*self.test_api_urls(), *self.life_urls(), *self.body_check_urls()]
        pages += [*self.file_urls(), *self.paste_urls()]
        return [*pages, *super().get_urls()]

    def _can_save(self, request: HttpRequest, obj: ExternalAPI | None) -> bool:
        if obj is None:
            return bool(self.has_add_permission(request))
        return bool(self.has_change_permission(request, obj))

    def _preset(self, request: HttpRequest) -> Preset | None:
        return pasted_preset(request) or PRESETS.get(request.GET.get("preset", ""))


def _version_initial(version: ExternalAPIVersion) -> dict[str, Any]:
    return {
        "connection": version.connection,
        "method": version.method,
        "path": version.target,
        "headers": version.headers,
        "body_kind": version.body_kind,
        "payload_level": version.payload_level,
        "body": version.body,
        "plan": version.plan,
        "rules": version.rules,
        "parameters": list(version.read_parameters()),
    }


def _only_connection(preset: Preset, user: Any) -> Connection | None:
    """The one connection that a preset of Braze's can mean; None where there are more.

    Only Braze's endpoints name a permission of the key.
    """
    usable = list(usable_by(user)[:2]) if preset.rules.permission else []
    return usable[0] if len(usable) == 1 else None


def _preset_initial(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "description": preset.description,
        "channel": preset.channel,
        "channel_identifier": preset.channel_identifier,
        "method": preset.method,
        "path": join_target(preset.path, preset.query),
        "headers": dict(preset.headers),
        "body_kind": preset.body_kind,
        "body": preset.body,
        "plan": preset.plan,
        "rules": preset.rules,
        "parameters": list(preset.parameters),
    }


def _tell_parameters(
    request: HttpRequest,
    before: ExternalAPIVersion | None,
    after: ExternalAPIVersion | None,
) -> None:
    """Say which parameters have another name now, and which engagements lose one."""
    if before is None or after is None or before == after:
        return
    for said in renames.in_words(before, after):
        messages.info(
            request, f"{said} Its settings, and the values of Engagements, go with it."
        )
    if lost := renames.no_longer_asked(before, after):
        messages.warning(request, lost)


def _in_words(
    form: ExternalAPIForm,
    before: ExternalAPIVersion | None,
    after: ExternalAPIVersion | None,
    note: str,
) -> str:
    """What a save did, for the history."""
    assert after is not None
    if before is None:
        return f"Added, as version {after.number}."
    said = []
    if basic := [str(form[n].label) for n in form.changed_data if n in BASIC]:
        said.append(f"Changed: {', '.join(basic)}.")
    if after != before:
        changed = in_words(Draft.of(before), Draft.of(after))
        said.append(f"Version {after.number}: {changed}.")
        said += renames.in_words(before, after)
    if note:
        said.append(f"Why: {note}")
    return " ".join(said) or "Saved without a change."
