"""What is on a limited connection is changed and deleted by those who may use it."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from lemnisk_braze.lib.filtering import OfferedFilters


class LimitedAdmin(OfferedFilters):
    """Mixed into the admins of connections and External APIs."""

    def limit(self, request: HttpRequest, obj: Any) -> str:
        """Return why this user may not change it, whatever the permissions say."""
        raise NotImplementedError

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may_change = super().has_change_permission(request, obj)
        return bool(may_change and not (obj and self.limit(request, obj)))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may_delete = super().has_delete_permission(request, obj)
        return bool(may_delete and not (obj and self.limit(request, obj)))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        limit = self._limit_by_id(request, object_id)
        if limit and request.method == "POST":
            raise PermissionDenied(limit)
        context = {"limit": limit, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        if limit := self._limit_by_id(request, object_id):
            raise PermissionDenied(limit)
        response: HttpResponse = super().delete_view(request, object_id, extra_context)
        return response

    def _limit_by_id(self, request: HttpRequest, object_id: str | None) -> str:
        obj = self.get_object(request, object_id) if object_id else None
        return self.limit(request, obj) if obj else ""
