"""Connections: engineers own them, and nobody sees a key again."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from unfold.admin import ModelAdmin
from unfold.decorators import display

from externalapi.admin.connection_key import KeyPage
from externalapi.connection_form import ConnectionForm
from externalapi.models import Connection
from externalapi.secrets import set_key

SIGN_IN = ("auth", "key_name", "username", "token_url", "client_id", "scope", "key")


@admin.register(Connection)
class ConnectionAdmin(KeyPage, ModelAdmin):
    form = ConnectionForm
    change_form_template = "externalapi/connection.html"
    object_history_template = "externalapi/history.html"
    list_display = ("name", "base_url", "key_state", "rate_plan", "used_by")
    search_fields = ("name", "base_url")
    ordering = ("name",)

    class Media:
        css = {"all": ["externalapi/pages.css"]}
        js = ["externalapi/pages.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        queryset: QuerySet[Connection] = super().get_queryset(request)
        return queryset.annotate(
            api_count=Count("versions__external_api", distinct=True)
        )

    @display(description="key", label={"set": "success", "missing": "warning"})
    def key_state(self, connection: Connection) -> tuple[str, str]:
        if not connection.key_encrypted:
            return "missing", "No key yet"
        end = connection.key_last_four
        return "set", f"Ends in {end}" if end else "Set"

    @admin.display(description="rate plan")
    def rate_plan(self, connection: Connection) -> str:
        burst = f"{connection.requests_per_burst:,} in {connection.burst_seconds} s"
        if connection.requests_per_hour:
            return f"{burst}, {connection.requests_per_hour:,} an hour"
        return burst

    @admin.display(description="External APIs", ordering="api_count")
    def used_by(self, connection: Connection) -> int:
        return int(connection.api_count)  # type: ignore[attr-defined]

    def get_fieldsets(
        self, request: HttpRequest, obj: Connection | None = None
    ) -> list[tuple[str | None, dict[str, Any]]]:
        # Who may only look has no form, and so none of its own fields.
        can_save = (
            self.has_change_permission(request, obj)
            if obj
            else self.has_add_permission(request)
        )
        address = ("name", "instance_choice", "base_url")
        plan = {
            "fields": ("requests_per_burst", "burst_seconds", "requests_per_hour"),
            "description": "All workers together stay below these limits.",
        }
        return [
            (None, {"fields": address if can_save else ("name", "base_url")}),
            ("Sign-in", {"fields": SIGN_IN if can_save else ("auth",)}),
            ("Rate plan", plan),
            ("Timeout", {"fields": ("timeout_seconds",)}),
        ]

    def get_urls(self) -> list[URLPattern]:
        return [*self.key_urls(), *super().get_urls()]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        return type(form.__name__, (form,), {"user": request.user})

    def save_model(
        self, request: HttpRequest, obj: Connection, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if key := form.cleaned_data.get("key"):
            set_key(obj, key)
