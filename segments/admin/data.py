"""What came in: events, and the inbox before them."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from segments import naming
from segments.admin.readonly import ReadOnlyAdmin, as_json
from segments.models import Event, InboxMessage, Source


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["name", "time", "source"]
    list_select_related = ["profile", "source"]
    ordering = ["-id"]
    search_fields = ["name"]
    search_help_text = "The exact name of an event, or a message ID."

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        who = naming.column(request, lambda event: event.profile)
        return ["name", who, "time", "source"]

    def get_fields(self, request: HttpRequest, obj: Event | None = None) -> list[Any]:
        who = (
            "profile"
            if naming.may_see_people(request.user)
            else naming.column(request, lambda event: event.profile)
        )
        return ["name", who, "time", "received_at", "source", "message_id", "json"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Event | None = None
    ) -> list[Any]:
        return self.get_fields(request, obj)

    @admin.display(description="properties")
    def json(self, event: Event) -> SafeString:
        return as_json(event.properties)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        if term := search_term.strip():
            queryset = queryset.filter(Q(name=term) | _is_message(term))
        return queryset, False


class StateFilter(admin.SimpleListFilter):
    """What became of a message."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "Waiting"), ("applied", "Applied"), ("error", "Refused")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[InboxMessage]
    ) -> QuerySet[InboxMessage]:
        if self.value() == "pending":
            return queryset.filter(applied_at=None)
        if self.value() == "applied":
            return queryset.filter(applied_at__isnull=False, error="")
        if self.value() == "error":
            return queryset.filter(applied_at__isnull=False).exclude(error="")
        return queryset


@admin.register(InboxMessage)
class InboxMessageAdmin(ReadOnlyAdmin):
    list_display = ["message_id", "kind", "state", "source", "received_at"]
    list_filter = [StateFilter, "kind"]
    list_select_related = ["source"]
    fields = (
        "message_id",
        "kind",
        "state",
        "error",
        "source",
        "received_at",
        "applied_at",
        "json",
    )
    readonly_fields = fields
    ordering = ["-id"]
    search_fields = ["message_id"]
    search_help_text = "The exact message ID."

    @display(
        description="state",
        label={"Applied": "success", "Waiting": "info", "Refused": "danger"},
    )
    def state(self, message: InboxMessage) -> str:
        if message.applied_at is None:
            return "Waiting"
        return "Refused" if message.error else "Applied"

    @admin.display(description="payload")
    def json(self, message: InboxMessage) -> SafeString:
        return as_json(message.payload)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[InboxMessage], search_term: str
    ) -> tuple[QuerySet[InboxMessage], bool]:
        if term := search_term.strip():
            queryset = queryset.filter(_is_message(term))
        return queryset, False


def _is_message(message_id: str) -> Q:
    # With the sources named, the unique index over both finds it.
    sources = list(Source.objects.values_list("pk", flat=True))
    return Q(source_id__in=sources, message_id=message_id)
