"""Connections: engineers own them, and nobody sees a key again."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.decorators import display

from externalapi.admin.access import LimitedAdmin
from externalapi.admin.connection_key import KeyPage, in_words, key_url
from externalapi.connections.access import check_use, group_names, usable_by, why_not
from externalapi.connections.encryption import set_key
from externalapi.forms import connection_changes
from externalapi.forms.connection import RATE_FIELDS, SIGN_IN_FIELDS, ConnectionForm
from externalapi.models import Connection, ExternalAPI
from externalapi.testing.connection_check import KeyState, key_state
from lemnisk_braze.lib.pages.deleting import NAMED, CarefulDelete, Dependant, Instead

KEY_TONES = {
    KeyState.WORKS: "success",
    KeyState.REFUSED: "danger",
    KeyState.MISSING: "warning",
    KeyState.UNKNOWN: "info",
    "hidden": "default",
}
SIGN_IN = ("auth", "key_name", "username", "token_url", "client_id", "scope", "key")


@admin.register(Connection)
class ConnectionAdmin(KeyPage, CarefulDelete, LimitedAdmin):
    form = ConnectionForm
    change_form_template = "externalapi/connection.html"
    object_history_template = "externalapi/history.html"
    list_display = ("name", "address", "key_badge", "rate_plan", "used_by", "for_whom")
    # By nothing that a row does not show to everybody.
    search_fields = ("name",)
    search_help_text = "A part of a name."
    ordering = ("name",)

    class Media:
        js = ["externalapi/named_choice.js", "externalapi/connection_form.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        queryset: QuerySet[Connection] = super().get_queryset(request)
        usable = usable_by(request.user).filter(pk=OuterRef("pk"))
        return queryset.prefetch_related("groups").annotate(
            api_count=Count("versions__external_api", distinct=True),
            is_usable=Exists(usable),
        )

    # Others see that it exists, who may use it, and no more

    def limit(self, request: HttpRequest, obj: Connection) -> str:
        return why_not(obj, request.user)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # Whoever sends on connections shows how much of the rate plan was used.
        context["plan_templates"] = [
            "engagements/connection_plan.html",
            "externalapi/no_plan_use.html",
        ]
        response: HttpResponse = super().render_change_form(
            request, context, *args, **kwargs
        )
        return response

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        if connection := self.get_object(request, object_id):
            check_use(connection, request.user)
        response: HttpResponse = super().history_view(request, object_id, extra_context)
        return response

    # The list

    @admin.display(description="base URL")
    def address(self, connection: Connection) -> str:
        return connection.base_url if _is_shown(connection) else "—"

    @display(description="key", label=KEY_TONES)
    def key_badge(self, connection: Connection) -> tuple[str, str]:
        if not _is_shown(connection):
            return "hidden", "Not shown to you"
        state = key_state(connection)
        return state.value, in_words(connection, state)

    @admin.display(description="rate plan")
    def rate_plan(self, connection: Connection) -> str:
        if not _is_shown(connection):
            return "—"
        burst = f"{connection.requests_per_burst:,} in {connection.burst_seconds} s"
        if connection.requests_per_hour:
            return f"{burst}, {connection.requests_per_hour:,} an hour"
        return burst

    @admin.display(description="External APIs", ordering="api_count")
    def used_by(self, connection: Connection) -> int:
        return int(connection.api_count)  # type: ignore[attr-defined]

    @admin.display(description="who may use it")
    def for_whom(self, connection: Connection) -> str:
        return ", ".join(group_names(connection)) or "Everybody"

    # Before it is deleted

    def users_of(self, obj: Connection) -> list[Dependant]:
        apis = ExternalAPI.objects.filter(versions__connection=obj).distinct()
        return [
            Dependant(name=f"External API: {api}", url=api.get_absolute_url())
            for api in apis.order_by("name")[:NAMED]
        ]

    def instead(self, request: HttpRequest, obj: Connection) -> Instead | None:
        if not self.users_of(obj):
            return None
        return Instead(
            text="Versions of an External API never change, so the connection stays as "
            "long as one of them was made with it. To send through another one, choose "
            "that in the External APIs. To stop all sending, pause their Engagements.",
            label="Open the External APIs",
            url=reverse("admin:externalapi_externalapi_changelist") + "?status=all",
        )

    # The form

    def get_fieldsets(
        self, request: HttpRequest, obj: Connection | None = None
    ) -> list[tuple[str | None, dict[str, Any]]]:
        if obj and why_not(obj, request.user):
            return [(None, {"fields": ("name", "for_whom")})]
        # Who may only look has no form, and so none of its own fields.
        can_save = (
            self.has_change_permission(request, obj)
            if obj
            else self.has_add_permission(request)
        )
        address = ("name", "instance_choice", "base_url")
        limits = {
            "fields": (*RATE_FIELDS, "requests_at_once", "timeout_seconds"),
            "description": "The rate plan fills them in. All workers together stay "
            "below them.",
            # Engineers' words: whoever chooses a rate plan need not read them.
            "classes": ["collapse"],
        }
        plan = [("Rate plan", {"fields": ("rate_plan",)})] if can_save else []
        return [
            (None, {"fields": address if can_save else ("name", "base_url")}),
            ("Sign-in", {"fields": SIGN_IN if can_save else ("auth",)}),
            *plan,
            ("Limits in figures", limits),
            ("Who may use it", {"fields": ("groups" if can_save else "for_whom",)}),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Connection | None = None
    ) -> tuple[str, ...]:
        return ("for_whom",)

    def get_urls(self) -> list[URLPattern]:
        return [*self.key_urls(), *super().get_urls()]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        return type(form.__name__, (form,), {"user": request.user})

    def save_model(
        self, request: HttpRequest, obj: Connection, form: Any, change: bool
    ) -> None:
        # What was heard at another address, or with another sign-in, is of no use.
        if change and {"base_url", "auth", *SIGN_IN_FIELDS} & {*form.changed_data}:
            obj.last_check = {}
        super().save_model(request, obj, form, change)
        if key := form.cleaned_data.get("key"):
            set_key(obj, key)

    def response_add(
        self,
        request: HttpRequest,
        obj: Connection,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Saved, the next step is to check the key."""
        answer: HttpResponse = super().response_add(request, obj, post_url_continue)
        is_saved_only = "_save" in request.POST and "_popup" not in request.POST
        if is_saved_only and self.has_change_permission(request, obj):
            return HttpResponseRedirect(key_url(obj))
        return answer

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        return connection_changes.said(form, is_new=add)


def _is_shown(connection: Connection) -> bool:
    """Whether a row of the list is of a connection that its reader may use."""
    return bool(connection.is_usable)  # type: ignore[attr-defined]
