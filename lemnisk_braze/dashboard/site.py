"""The admin's site: the theme's, without a list on every page that hardly any shows."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite

from lemnisk_braze import errors


class Site(UnfoldAdminSite):  # type: ignore[misc]
    def admin_view(
        self, view: Callable[..., Any], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        """As Django's; who opens what is only to be pressed is told so."""
        inner = super().admin_view(view, cacheable)

        def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response: HttpResponseBase = inner(request, *args, **kwargs)
            is_opened = request.method == "GET" and response.status_code == 405
            if not (is_opened and "text/html" in request.headers.get("Accept", "")):
                return response
            page = errors.not_pressed(request)
            page["Allow"] = response["Allow"]
            return page

        return update_wrapper(shown, inner)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """All models that somebody may see, looked up when it is read.

        Django gives it to every page, for a menu in whose place we have the sidebar.
        """
        return SimpleLazyObject(
            lambda: super(Site, self).get_app_list(request, app_label)
        )
