"""The page before something is deleted: who uses it, and what to do instead."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import ProtectedError, RestrictedError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html

# So many users of a thing are named; there may be endless ones.
NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependant:
    """Something that would be without what it needs."""

    name: str
    url: str = ""

    def __str__(self) -> str:
        if not self.url:
            return self.name
        return format_html('<a href="{}">{}</a>', self.url, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """What does nearly the same without losing anything: words, and perhaps a button."""

    text: str
    label: str = ""
    url: str = ""


class CarefulDelete:
    """Mixed into an admin: what is used stays, and its page says by what."""

    def users_of(self, obj: Any) -> Iterable[Dependant]:
        """Whom it would be missing; nobody, and it can go."""
        return ()

    def goes_with(self, obj: Any) -> str:
        """What else is gone then, in words."""
        return ""

    def instead(self, request: HttpRequest, obj: Any) -> Instead | None:
        return None

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[Dependant]]:
        """What Django's own pages show; nothing is collected, however much it is."""
        found = list(objs)
        shown = [
            ", with ".join(filter(None, (str(o), self.goes_with(o)))) for o in found
        ]
        users = [user for one in found for user in self.users_of(one)]
        plural = found[0]._meta.verbose_name_plural if found else ""
        # Of several, one may be beyond whom it would be alone.
        lacking = {
            str(one)
            for one in found
            if not self.has_delete_permission(request, one)  # type: ignore[attr-defined]
        }
        return shown, {str(plural): len(found)}, lacking, users

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """Of several that were chosen all are deleted, or none."""
        try:
            with transaction.atomic():
                return super().response_action(request, queryset)  # type: ignore[misc]
        except (ProtectedError, RestrictedError):
            messages.error(request, "Nothing was deleted: some of it is in use.")
            return HttpResponseRedirect(request.get_full_path())

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
        context = {
            "instead": self.instead(request, obj) if obj else None,
            "goes_with": self.goes_with(obj) if obj else "",
            **(extra_context or {}),
        }
        try:
            response: HttpResponse = super().delete_view(  # type: ignore[misc]
                request, object_id, context
            )
        except (ProtectedError, RestrictedError):
            # Used by something that the page does not name, or since a moment ago.
            messages.error(request, f"“{obj}” was not deleted: it is in use.")
            return HttpResponseRedirect(request.path)
        return response
