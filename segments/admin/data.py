"""What came in: events, and the inbox before them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from segments import naming
from segments.admin.readonly import ReadOnlyAdmin, as_json
from segments.models import Event, InboxRequest

# So many of a request's messages are drawn.
MOST_SHOWN = 100


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["name", "time", "source"]
    list_select_related = ["profile", "source"]
    ordering = ["-id"]
    search_fields = ["name"]
    search_help_text = "The exact name of an event."

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

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Event | None:
        event: Event | None = super().get_object(request, object_id, from_field)
        if event and not naming.may_see_people(request.user):
            shown = naming.shown_properties([event.name])[event.name]
            event.properties = naming.masked_values(event.properties, shown)
        return event

    @admin.display(description="properties")
    def json(self, event: Event) -> SafeString:
        return as_json(event.properties)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        if term := search_term.strip():
            queryset = queryset.filter(name=term)
        return queryset, False


@admin.register(InboxRequest)
class InboxRequestAdmin(ReadOnlyAdmin):
    """What waits; what is applied stands in people and events."""

    list_select_related = ["source"]
    ordering = ["id"]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return ["name", "source", "messages", "received_at", _note(request)]

    def get_fields(
        self, request: HttpRequest, obj: InboxRequest | None = None
    ) -> list[Any]:
        # What waits is for who may see people.
        body = ["json"] if naming.may_see_people(request.user) else []
        return ["source", "messages", "received_at", _note(request), *body]

    def get_readonly_fields(
        self, request: HttpRequest, obj: InboxRequest | None = None
    ) -> list[Any]:
        return self.get_fields(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboxRequest]:
        # Bodies are for the page of one.
        found: QuerySet[InboxRequest] = super().get_queryset(request)
        return found.defer("body")

    @admin.display(description="request", ordering="id")
    def name(self, request: InboxRequest) -> str:
        return str(request)

    @admin.display(description="messages")
    def messages(self, request: InboxRequest) -> int:
        return request.count - request.done

    @admin.display(description="messages that wait")
    def json(self, request: InboxRequest) -> SafeString:
        shown = [
            {"messageId": message_id, "type": kind, **payload}
            for message_id, kind, payload in request.waiting[:MOST_SHOWN]
        ]
        return as_json(shown)


def _note(request: HttpRequest) -> Callable[[InboxRequest], str]:
    @admin.display(description="note")
    def note(row: InboxRequest) -> str:
        return naming.scrubbed(row.note, request.user)

    return note
