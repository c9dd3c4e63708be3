"""What a list may be filtered by: what it offers, and what our own links ask for."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class OfferedFilters(ModelAdmin):  # type: ignore[misc]
    """What every admin is: any other question about a row's columns is refused.

    Django lets an address ask for any column of the list's own table, also for those
    that no page shows: letter by letter it would be told what is in them.
    """

    # Beside the filters: what links on other pages ask this list for.
    linked_lookups: frozenset[str] = frozenset()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # PostgreSQL's texts hold every character but this one.
        return "\0" not in value and lookup in _offered(self, request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Say where Django shows all rows in the place of those that were asked for."""
        if ERROR_FLAG in request.GET and request.method == "GET":
            messages.error(
                request,
                "The filters in the address cannot be read: all rows are shown.",
            )
        return super().changelist_view(request, extra_context)

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """Do what was chosen with the rows that were ticked; 400 for no row's id."""
        key = self.model._meta.pk
        try:
            for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
                key.to_python(value)
        except ValidationError as e:
            raise BadRequest("No row has such an id.") from e
        return super().response_action(request, queryset)


def _offered(admin: Any, request: HttpRequest) -> set[str]:
    offered = set(admin.linked_lookups)
    for one in admin.get_list_filter(request):
        if isinstance(one, type):
            offered.add(getattr(one, "parameter_name", ""))
        else:
            path = one if isinstance(one, str) else one[0]
            offered.update(_of_field(admin, path))
    return offered


def _of_field(admin: Any, path: str) -> Iterator[str]:
    """Yield what Django's own filter of a field asks for."""
    field: Any = get_fields_from_path(admin.model, path)[-1]
    target = f"{path}__{field.target_field.name}" if field.is_relation else path
    yield f"{target}__exact"
    yield f"{path}__isnull"
