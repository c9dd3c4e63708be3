"""The status of an External API in its list: the badge's colour and the filter."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from externalapi.models import ExternalAPI

Status = ExternalAPI.Status
STATUS_TONES: dict[str, str] = {
    Status.DRAFT: "warning",
    Status.TESTED: "info",
    Status.LIVE: "success",
    Status.ARCHIVED: "default",
}


class StatusFilter(admin.SimpleListFilter):
    """By default everything but what is archived."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        statuses = [(status.value, str(status.label)) for status in Status]
        return [*statuses, ("all", "All, archived ones too")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "All but archived ones"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in Status.values:
            return queryset.filter(status=self.value())
        if self.value() == "all":
            return queryset
        return queryset.filter(archived_at__isnull=True)
